"""A trial keeps its newest checkpoint, whole, and never on its clock; it can do without one."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from tests.stages import ResumableStage, SyntheticStage
from trainables.base import MeasuredTrainable
from trainables.checkpoint import TrialFolder

PARAMS = {"batch_size": 6, "micro_batch": 3, "num_taus": 5, "accum_steps": 4}


def config(folder: Path, from_epoch: int = 0, **options: Any) -> dict[str, Any]:
    options = {"epoch_time_s": 0.001} | options
    given = {"params": PARAMS, "seed": 3, "num_epochs": 6, "stage": options}
    return given | {"checkpoints": str(folder), "from_epoch": from_epoch}


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def curve(reports: list[dict[str, Any]]) -> list[tuple[int, float]]:
    return [(report["epoch"], report["nrmse"]) for report in reports]


def lost_in_epoch(epoch: int, folder: Path) -> list[dict[str, Any]]:
    """Reports of a trial that is lost in an epoch: it had begun it, and was never ended."""
    trial = ResumableStage(config=config(folder))
    reports = [trial.train() for _ in range(epoch - 1)]
    trial.train()
    return reports


@pytest.fixture
def undisturbed(tmp_path: Path) -> list[dict[str, Any]]:
    trial = ResumableStage(config=config(tmp_path / "no such folder"))
    return [trial.train() for _ in range(6)]


def test_only_the_newest_checkpoint_is_kept_and_none_of_the_last_epoch(tmp_path: Path) -> None:
    trial = ResumableStage(config=config(tmp_path))
    seen = []
    for _ in range(6):
        trial.train()
        seen.append(names(tmp_path))
    assert seen == [[], *([f"epoch-{k}.pkl"] for k in range(1, 6))]


def test_a_trial_goes_on_after_the_epoch_of_the_checkpoint_as_if_nothing_had_been(
    tmp_path: Path, undisturbed: list[dict[str, Any]]
) -> None:
    before = lost_in_epoch(3, tmp_path)
    assert names(tmp_path) == ["epoch-2.pkl"]
    again = ResumableStage(config=config(tmp_path, from_epoch=2))
    after = [again.train() for _ in range(4)]
    assert curve(before + after) == curve(undisturbed)
    assert [report["resumed"] for report in after] == [True] * 4
    assert after[0]["time_s"] == pytest.approx(before[-1]["time_s"] + after[0]["epoch_time_s"])
    assert after[-1]["num_optimizer_steps"] == undisturbed[-1]["num_optimizer_steps"]
    assert names(tmp_path) == ["epoch-5.pkl"]


def test_writing_checkpoints_is_not_in_the_time_of_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep = TrialFolder.keep

    def slowly(*arguments: Any) -> None:
        time.sleep(0.3)
        keep(*arguments)

    monkeypatch.setattr(TrialFolder, "keep", slowly)
    trial = ResumableStage(config=config(tmp_path))
    last = [trial.train() for _ in range(3)][-1]
    assert last["checkpoint_time_s"] >= 0.6
    assert last["epoch_time_s"] < 0.3
    assert last["time_s"] < 0.6


@pytest.mark.parametrize("damage", ["missing", "cut off", "nonsense", "of another epoch", "of another stage"])
def test_a_trial_that_cannot_read_its_checkpoint_begins_anew(
    damage: str, tmp_path: Path, undisturbed: list[dict[str, Any]]
) -> None:
    lost_in_epoch(3, tmp_path)
    path = tmp_path / "epoch-2.pkl"
    content = path.read_bytes()
    path.unlink()
    if damage == "cut off":
        path.write_bytes(content[:-20])
    elif damage == "nonsense":
        path.write_bytes(b"nonsense")
    elif damage == "of another epoch":
        lost_in_epoch(2, tmp_path)
        (tmp_path / "epoch-1.pkl").rename(path)
    elif damage == "of another stage":
        path.write_bytes(content.replace(b"drawn", b"drown"))
    again = ResumableStage(config=config(tmp_path, from_epoch=2))
    assert names(tmp_path) == []
    reports = [again.train() for _ in range(6)]
    assert curve(reports) == curve(undisturbed)
    assert not any(report["resumed"] for report in reports)
    assert reports[-1]["time_s"] == pytest.approx(sum(report["epoch_time_s"] for report in reports))


def test_a_crash_while_writing_leaves_the_checkpoint_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = TrialFolder(str(tmp_path))
    folder.keep(1, {"progress": {"epoch": 1}})

    def crash(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "replace", crash)
    with pytest.raises(KeyboardInterrupt):
        folder.keep(2, {"progress": {"epoch": 2}})
    assert TrialFolder(str(tmp_path)).read(1) == {"progress": {"epoch": 1}}


def test_where_nothing_can_be_written_the_trial_goes_on_without(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The folder does not exist, as on another node, or the disk is full."""
    trial = ResumableStage(config=config(tmp_path / "elsewhere"))
    assert [trial.train()["status"] for _ in range(6)] == ["ok"] * 6
    assert names(tmp_path) == []

    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("foundation.whole_file.os.fsync", full)
    trial = ResumableStage(config=config(tmp_path))
    assert [trial.train()["status"] for _ in range(6)] == ["ok"] * 6
    assert not list(tmp_path.glob("epoch-*"))


def test_a_stage_that_does_not_say_that_it_is_resumable_writes_nothing_and_begins_anew(
    tmp_path: Path,
) -> None:
    trial = SyntheticStage(config=config(tmp_path, from_epoch=2))
    assert [trial.train()["epoch"] for _ in range(6)] == [1, 2, 3, 4, 5, 6]
    assert names(tmp_path) == []


def test_out_of_memory_in_the_resumed_epoch_is_an_answer_like_any_other(tmp_path: Path) -> None:
    lost_in_epoch(3, tmp_path)
    oom = [{"kind": "oom", "epoch": 3}]
    report = ResumableStage(config=config(tmp_path, from_epoch=2, failures=oom)).train()
    assert (report["status"], report["epoch"], report["resumed"]) == ("oom", 3, True)


@pytest.mark.parametrize("method", ["state_dict", "load_state_dict"])
def test_a_stage_that_claims_to_be_resumable_fails_with_its_first_checkpoint(
    method: str, tmp_path: Path
) -> None:
    lacking = type("Lacking", (ResumableStage,), {method: getattr(MeasuredTrainable, method)})
    trial = lacking(config=config(tmp_path))
    trial.train()
    with pytest.raises(NotImplementedError, match=rf"Lacking has no {method}\(\).*Fix: write it"):
        trial.train()
