"""ConsistencyStage as Ray runs it: results, resume, reuse, and out of memory in real torch."""

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch

from trainables.consistency.engine import DistillationEngine
from trainables.consistency.stage import ConsistencyStage

TrialOf = Callable[..., dict[str, Any]]

KEYS = {
    "status", "error", "epoch", "nrmse", "loss", "time_s", "epoch_time_s", "setup_time_s",
    "warmup_time_s", "evaluate_time_s", "cpu_time_s", "peak_memory_gib", "num_chunks",
    "num_sample_evals", "num_optimizer_steps", "resumed", "device", "load_average", "done",
}  # fmt: skip

SAME = ("nrmse", "loss", "num_chunks", "num_sample_evals", "num_optimizer_steps", "epoch", "status")


def run(stage: ConsistencyStage, num: int) -> list[dict[str, Any]]:
    return [stage.train() for _ in range(num)]


def facts(results: list[dict[str, Any]]) -> list[tuple[Any, ...]]:
    """Returns what must not differ between equal runs, compared exactly."""
    return [tuple(r[key] for key in SAME) for r in results]


def test_a_whole_trial_has_every_key_and_ends_at_its_budget(trial: TrialOf) -> None:
    stage = ConsistencyStage(config=trial(num_epochs=2))
    first, second = run(stage, 2)
    assert set(first) >= KEYS
    assert [first["done"], second["done"]] == [False, True]
    assert [first["epoch"], second["epoch"]] == [1, 2]
    assert second["status"] == "ok"
    assert second["error"] == ""
    assert 0.0 < second["nrmse"] < 3.0
    assert second["time_s"] == pytest.approx(first["time_s"] + second["epoch_time_s"])
    assert first["time_s"] == first["epoch_time_s"] > 0.0
    assert second["num_chunks"] == 2 * 20
    assert second["num_sample_evals"] == 2 * 40 * 3
    assert second["num_optimizer_steps"] == 2 * 10
    assert second["resumed"] is False
    stage.stop()


@pytest.mark.parametrize("implementation", ["fast", "naive"])
@pytest.mark.parametrize("killed_after", [1, 2, 3])
def test_resume_is_bitwise_what_an_undisturbed_run_gives(
    trial: TrialOf, checkpoint_dir: str, killed_after: int, implementation: str
) -> None:
    """accum_steps = 4 with 10 batches an epoch: gradients are pending at the end of epochs 1 and 3."""
    config = trial(num_epochs=4, accum_steps=4, implementation=implementation)
    undisturbed = run(ConsistencyStage(config=config), 4)
    killed = ConsistencyStage(config=config)
    before = run(killed, killed_after)
    killed.save(checkpoint_dir)
    resumed = ConsistencyStage(config=config)
    resumed.restore(checkpoint_dir)
    after = run(resumed, 4 - killed_after)
    assert facts(before + after) == facts(undisturbed)
    assert [r["resumed"] for r in before + after] == [False] * killed_after + [True] * len(after)
    assert after[0]["time_s"] == pytest.approx(before[-1]["time_s"] + after[0]["epoch_time_s"])
    assert after[0]["cpu_time_s"] >= before[-1]["cpu_time_s"]
    assert after[-1]["done"] is True


def test_a_reused_process_gives_bitwise_what_a_fresh_one_gives(trial: TrialOf) -> None:
    config = trial(num_epochs=2, num_taus=2)
    fresh = run(ConsistencyStage(config=config), 2)
    reused = ConsistencyStage(config=trial(seed=5, batch_size=8))
    run(reused, 1)
    assert reused.reset(config) is True
    assert facts(run(reused, 2)) == facts(fresh)


def test_seeds_differ(trial: TrialOf) -> None:
    results = [run(ConsistencyStage(config=trial(seed=s)), 1)[0] for s in (0, 1)]
    assert results[0]["loss"] != results[1]["loss"]


def test_num_epochs_sets_the_learning_rate_schedule(trial: TrialOf) -> None:
    """The cosine ends with the budget, so a longer budget trains its first epoch differently."""
    results = [run(ConsistencyStage(config=trial(num_epochs=n)), 1)[0] for n in (1, 3)]
    assert results[0]["nrmse"] != results[1]["nrmse"]


def test_quality_does_not_depend_on_what_the_stage_declares(trial: TrialOf) -> None:
    """``quality_invariant_to``: NRMSE agrees to 5 digits over every value of those parameters."""
    assert ConsistencyStage.quality_invariant_to == ("micro_batch", "implementation")
    nrmses = [
        run(ConsistencyStage(config=trial(batch_size=8, micro_batch=m)), 3)[-1]["nrmse"] for m in (1, 2, 4, 8)
    ]
    assert nrmses == pytest.approx([nrmses[0]] * 4, rel=1e-5)


@pytest.mark.parametrize("where", ["warm_up", "backward_chunk"])
@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 1 GiB"),
        RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes"),
        MemoryError(),
    ],
    ids=lambda e: type(e).__name__,
)
def test_running_out_of_memory_is_data(
    trial: TrialOf, monkeypatch: pytest.MonkeyPatch, where: str, error: Exception
) -> None:
    def fail(*_: Any) -> None:
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(DistillationEngine, where, fail)
        stage = ConsistencyStage(config=trial())
        result = stage.train()
    assert set(result) >= KEYS
    assert (result["status"], result["done"], result["epoch"]) == ("oom", True, 1)
    assert result["error"]
    assert math.isnan(result["nrmse"])
    assert not hasattr(stage, "_engine"), "the trial's memory is still held"
    assert stage.reset(trial()) is True
    assert stage.train()["status"] == "ok"


def test_a_real_allocation_that_fails_is_data(trial: TrialOf, monkeypatch: pytest.MonkeyPatch) -> None:
    """Torch's own CPU allocator raises the error, when asked for an exbibyte."""
    monkeypatch.setattr(DistillationEngine, "draw", lambda *_: torch.empty(2**58))
    result = ConsistencyStage(config=trial()).train()
    assert result["status"] == "oom"
    assert "allocate" in result["error"]


def test_weights_that_are_not_finite_are_data(trial: TrialOf) -> None:
    stage = ConsistencyStage(config=trial())
    with torch.no_grad():
        next(stage._engine.student.parameters()).fill_(math.nan)
    result = stage.train()
    assert (result["status"], result["done"]) == ("nan", True)
    assert math.isnan(result["nrmse"])


def test_the_final_split_is_read_by_evaluate_final_alone(trial: TrialOf) -> None:
    """Training and evaluation work, and give the same, when the third split is gone."""
    stage = ConsistencyStage(config=trial())
    expected = run(stage, 3)
    assert stage.evaluate_final()["nrmse"] != expected[-1]["nrmse"]
    blind = ConsistencyStage(config=trial())
    del blind._problem.splits["final"]
    assert facts(run(blind, 3)) == facts(expected)
    with pytest.raises(KeyError):
        blind.evaluate_final()


def test_device_is_described(trial: TrialOf) -> None:
    described = ConsistencyStage.describe_device(trial()["stage"])
    assert described["kind"] == "cpu"
    assert described["name"]
    assert described["memory_gib"] > 0.0
    assert described["num_threads"] >= 1
    assert described["torch"] == torch.__version__


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_trial_runs_and_is_reused_on_cuda(trial: TrialOf) -> None:
    """Same code on the card: NRMSE near the CPU's, memory measured and given back."""
    config = trial()
    config["stage"] = config["stage"] | {"device": "cuda"}
    stage = ConsistencyStage(config=config)
    first = run(stage, 3)
    assert stage.reset(config) is True
    assert facts(run(stage, 3)) == facts(first)
    assert 0.0 < first[-1]["peak_memory_gib"] < 1.0
