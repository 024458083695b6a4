"""Options and parameters: wrong ones are refused with the key and the fix; each one matters."""

from pathlib import Path
from typing import Any

import pytest
import torch

from trainables.consistency.options import StageOptions
from trainables.consistency.params import DistillParams
from trainables.consistency.stage import ConsistencyStage, load_problem
from trainables.consistency.teacher import DistillationProblem
from trainables.trial import TrialSpec


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        ({"teacher_step": 3}, "unknown stage option 'teacher_step'. Fix: did you mean 'teacher_st"),
        ({"zzz": 3}, "unknown stage option 'zzz'. Fix: use one of num_samples"),
        ({"num_samples": 0}, "num_samples=0 is not a whole number >= 1"),
        ({"num_samples": 2.5}, "num_samples=2.5 is not a whole number"),
        ({"num_samples": True}, "num_samples=True is not a whole number"),
        ({"num_samples": 42}, "num_samples=42 is not a multiple of 4. Fix: .*use 44"),
        ({"grid_points": 20}, "grid_points=20 is not supported. Fix: use 16, 32, 64 or 128"),
        ({"device": "gpu"}, "device='gpu' is unknown. Fix: use one of"),
        ({"data_device": "cpu"}, "data_device='cpu' is unknown. Fix: use one of"),
        ({"cache_dir": 3}, "cache_dir=3 is not text"),
        ({"data_seed": -1}, "data_seed=-1 is not a whole number >= 0"),
    ],
)
def test_wrong_options_are_refused_with_a_fix(raw: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        StageOptions.parse(raw)


GOOD = {"batch_size": 6, "micro_batch": 3, "num_taus": 5}


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (
            GOOD | {"micro_batch": 4},
            r"micro_batch=4 does not divide batch_size=6. Fix: .*\[1, 2, 3, 6",
        ),
        (GOOD | {"num_tau": 5}, "unknown parameter 'num_tau'. Fix: did you mean 'num_taus'"),
        ({"batch_size": 6, "micro_batch": 3}, "parameter num_taus is missing"),
        (GOOD | {"num_taus": 0}, "num_taus=0 is not a whole number >= 1"),
        (GOOD | {"accum_steps": 1.0}, "accum_steps=1.0 is not a whole number"),
        (GOOD | {"batch_size": 60}, "batch_size=60 exceeds num_samples=40"),
    ],
)
def test_wrong_parameters_are_refused_with_a_fix(raw: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        DistillParams.parse(raw, num_samples=40)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"params": {}, "sead": 1}, "unknown trial config key 'sead'"),
        ({"seed": 1}, "trial config has no 'params'"),
        ({"params": {}, "num_epochs": 0}, "num_epochs=0 is not a whole number >= 1"),
        ({"params": {}, "num_threads": 0}, "num_threads=0 is not a whole number >= 1"),
        ({"params": {}, "seed": -1}, "seed=-1 is not a whole number >= 0"),
        ({"params": 3}, "params=3 is not a dict"),
    ],
)
def test_wrong_trial_dicts_are_refused_with_a_fix(config: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        TrialSpec.parse(config)


def test_a_trial_with_unknown_options_or_parameters_fails_to_start(trial: Any) -> None:
    """A user's mistake is an exception, never data."""
    with pytest.raises(ValueError, match="does not divide"):
        ConsistencyStage(config=trial(micro_batch=3))
    config = trial()
    config["stage"] = config["stage"] | {"nu": 1}
    with pytest.raises(ValueError, match="unknown stage option 'nu'"):
        ConsistencyStage(config=config)


def test_cuda_is_refused_where_there_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(ValueError, match=r"torch sees no CUDA device here\. Fix"):
        StageOptions(device="cuda").resolved_device()


def test_auto_takes_cuda_exactly_where_there_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    for available, expected in ((True, "cuda"), (False, "cpu")):
        monkeypatch.setattr(torch.cuda, "is_available", lambda a=available: a)
        assert StageOptions().resolved_device() == expected
        assert StageOptions(device="cpu").resolved_device() == "cpu"


def test_what_nrmse_depends_on_is_settled_and_free_of_places(monkeypatch: pytest.MonkeyPatch) -> None:
    """`--warm-start` compares it: `auto` may mean another problem elsewhere, a cache folder means nothing."""
    said = ConsistencyStage.quality_options
    assert said({"cache_dir": "/a", "device": "cpu", "data_device": "host"}) == said({"device": "cpu"})
    assert said({"device": "cpu"})["problem"] == "burgers"
    assert said({"device": "cpu"}) != said({"device": "cpu", "data_seed": 1})
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert said({"problem": "auto"})["problem"] == "turbulence2d"
    assert said({"problem": "auto"})["grid_points"] == 128


def test_cache_folder_follows_option_then_xdg_then_home(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", "/x")
    assert StageOptions().cache_path() == Path("/x/distill-tuner")
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert StageOptions().cache_path() == tmp_path / ".cache/distill-tuner"
    assert StageOptions(cache_dir="~/c").cache_path() == tmp_path / "c"


def test_prepare_fills_the_cache_and_trials_only_read_it(
    tiny: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = tiny | {"cache_dir": str(tmp_path)}
    ConsistencyStage.prepare(options)
    monkeypatch.setattr("trainables.consistency.teacher.make_problem", lambda *_: pytest.fail("made twice"))
    load_problem(StageOptions.parse(options))


def shape(problem: DistillationProblem, name: str) -> tuple[int, ...]:
    return tuple(problem.teacher[name].shape)


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("operator_width", 8),
        ("operator_depth", 2),
        ("operator_steps", 4),
        ("teacher_steps", 6),
        ("data_seed", 1),
    ],
)
def test_operator_and_teacher_options_change_the_problem(
    tiny: dict[str, Any], problem: DistillationProblem, option: str, value: int
) -> None:
    """An option that were ignored would give the same teacher."""
    other = load_problem(StageOptions.parse(tiny | {option: value}))
    assert not torch.equal(other.teacher["embed.weight"], problem.teacher["embed.weight"])


def test_teacher_width_and_depth_are_the_networks(tiny: dict[str, Any]) -> None:
    options = tiny | {"teacher_width": 12, "teacher_depth": 3}
    problem = load_problem(StageOptions.parse(options))
    assert shape(problem, "embed.weight") == (12, 12)
    assert shape(problem, "blocks.2.weight") == (12, 36)


def test_the_problem_is_reproducible(
    tiny: dict[str, Any], problem: DistillationProblem, tmp_path: Path
) -> None:
    """Made again, in another state of the global generator, it is bitwise the same."""
    torch.manual_seed(999)
    again = load_problem(StageOptions.parse(tiny | {"cache_dir": str(tmp_path)}))
    assert again.residual_std == problem.residual_std
    for name, value in problem.teacher.items():
        assert torch.equal(value, again.teacher[name])
