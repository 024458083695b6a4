"""MeasuredTrainable with a stage that does nothing but what a test asks for."""

import gc
import math
import os
import subprocess
import sys
import time
import weakref
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from trainables.base import MeasuredTrainable
from trainables.telemetry import memory
from trainables.telemetry.clock import PhaseClock
from trainables.telemetry.failures import SkippedWorkError
from trainables.telemetry.instruments import Instruments
from trainables.trial import EpochCounts
from tuner.core.measurement import Measurement


def chained(text: str, cause: BaseException) -> RuntimeError:
    error = RuntimeError(text)
    error.__cause__ = cause
    return error


class Big:
    """Something whose life can be watched."""


class ScriptedStage(MeasuredTrainable):
    """Sleeps and fails as ``params`` says; draws from the global generators."""

    def build(self, params: Mapping[str, Any], seed: int, options: Mapping[str, Any]) -> None:
        self.script = dict(params)
        self.big = Big()
        self.watch = weakref.ref(self.big)
        self.act("build")

    def act(self, phase: str, epoch: int = 0) -> None:
        held = self.big  # in this frame, which an error's traceback keeps alive
        time.sleep(self.script.get(f"{phase}_s", 0.0))
        kind = self.script.get(phase)
        if epoch in (0, self.script.get("at", epoch)) and kind is not None:
            raise {
                "oom": torch.OutOfMemoryError("CUDA out of memory.\nTried a lot"),
                "led from oom": chained("build failed", torch.OutOfMemoryError("CUDA out of memory.")),
                "skipped": SkippedWorkError("3 of 9 batches were skipped\nbecause"),
                "bug": RuntimeError("a bug, not a lack of memory"),
            }[kind]
        assert held is self.big

    def warm_up(self) -> None:
        np.random.rand()
        self.act("warm_up")

    def train_epoch(self, epoch: int) -> EpochCounts:
        self.act("train", epoch)
        self.drawn = float(np.random.rand()) + float(torch.rand(()))
        loss = math.nan if self.script.get("nan_loss") == epoch else 1.0
        return EpochCounts(num_chunks=2, num_sample_evals=6, num_optimizer_steps=1, loss=loss)

    def evaluate(self) -> dict[str, float]:
        self.act("evaluate")
        return {"nrmse": self.script.get("nrmse", self.drawn)}

    def state_dict(self) -> dict[str, Any]:
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        assert state == {}

    def release(self) -> None:
        self.big = None  # type: ignore[assignment]


def config(num_epochs: int = 3, num_threads: int = 1, **params: Any) -> dict[str, Any]:
    return {"params": params, "num_epochs": num_epochs, "num_threads": num_threads}


@pytest.mark.parametrize("kind", ["oom", "led from oom"])
@pytest.mark.parametrize("phase", ["build", "warm_up", "train", "evaluate"])
def test_out_of_memory_in_any_phase_is_data_and_its_memory_is_freed(phase: str, kind: str) -> None:
    stage = ScriptedStage(config=config(**{phase: kind}))
    result = stage.train()
    assert (result["status"], result["done"]) == ("oom", True)
    assert result["error"] == "CUDA out of memory."
    assert math.isnan(result["nrmse"])
    gc.collect()
    assert stage.watch() is None


class FromAStart(ScriptedStage):
    """Its start, before any epoch has drawn a number, has NRMSE 7."""

    drawn = 7.0

    @classmethod
    def evaluates_start(cls, options: Mapping[str, Any]) -> bool:
        return True


def test_an_untrained_start_is_measured_where_it_is_wanted_and_is_said_in_every_report() -> None:
    stage = FromAStart(config=config(evaluate_s=0.05) | {"measure_start": True})
    first, second = stage.train(), stage.train()
    assert first["start_nrmse"] == second["start_nrmse"] == 7
    assert first["evaluate_time_s"] >= 0.1 > first["time_s"]
    stage.reset(config())
    assert stage.train()["start_nrmse"] is None


def test_a_trial_that_goes_on_keeps_the_start_of_the_lost_one(tmp_path: Path) -> None:
    stage = FromAStart(config=config() | {"measure_start": True})
    stage.train()
    stage.save_checkpoint(str(tmp_path))
    again = FromAStart(config=config())
    again.load_checkpoint(str(tmp_path))
    assert again.train()["start_nrmse"] == 7


def test_an_evaluation_of_the_start_that_runs_out_of_memory_is_data() -> None:
    result = FromAStart(config=config(evaluate="oom") | {"measure_start": True}).train()
    assert (result["status"], result["start_nrmse"]) == ("oom", None)


def test_work_that_a_stage_skipped_is_infeasible() -> None:
    result = ScriptedStage(config=config(train="skipped")).train()
    assert (result["status"], result["error"]) == ("nan", "3 of 9 batches were skipped")


@pytest.mark.parametrize("metrics", [{"nrmse": True}, {"nrmse": "0.1"}, {"nrmse": None}, {}, 0.1, None])
def test_a_stage_that_returns_no_number_is_told_what_to_return(metrics: Any) -> None:
    stage = ScriptedStage(config=config())
    stage.evaluate = lambda: metrics  # type: ignore[method-assign]
    with pytest.raises(TypeError, match=r"evaluate\(\) returned .* Fix: return {'nrmse': float"):
        stage.step()


@pytest.mark.parametrize("number", [0.25, np.float32(0.25), torch.tensor(0.25), -0.25, 0])
def test_every_kind_of_number_is_reported_as_a_float_even_one_that_cannot_be(number: Any) -> None:
    """The reader of the reports decides what an NRMSE of 0 or less means."""
    nrmse = ScriptedStage(config=config(nrmse=number)).step()["nrmse"]
    assert type(nrmse) is float
    assert nrmse == number


def test_out_of_memory_in_a_later_epoch_keeps_what_was_done_before() -> None:
    stage = ScriptedStage(config=config(train="oom", at=3))
    results = [stage.train() for _ in range(3)]
    assert [r["status"] for r in results] == ["ok", "ok", "oom"]
    assert [r["epoch"] for r in results] == [1, 2, 3]
    assert results[2]["num_chunks"] == 4
    assert results[2]["time_s"] == results[1]["time_s"]
    assert math.isnan(results[2]["epoch_time_s"])


@pytest.mark.parametrize("phase", ["build", "warm_up"])
def test_any_other_error_while_starting_propagates(phase: str) -> None:
    with pytest.raises(RuntimeError, match="a bug"):
        ScriptedStage(config=config(**{phase: "bug"}))


@pytest.mark.parametrize("phase", ["train", "evaluate"])
def test_any_other_error_while_running_propagates(phase: str) -> None:
    stage = ScriptedStage(config=config(**{phase: "bug"}))
    with pytest.raises(RuntimeError, match="a bug"):
        stage.step()


@pytest.mark.parametrize("script", [{"nan_loss": 1}, {"nrmse": math.nan}, {"nrmse": math.inf}])
def test_a_loss_or_nrmse_that_is_not_finite_is_data(script: dict[str, float]) -> None:
    result = ScriptedStage(config=config(**script)).train()
    assert (result["status"], result["done"]) == ("nan", True)
    assert math.isnan(result["nrmse"])
    assert result["error"]
    assert result["num_chunks"] == 2


def test_time_s_is_training_alone() -> None:
    """Set-up, warm-up and evaluation sleep ten times longer, and are under their own names."""
    slow = {"build_s": 0.2, "warm_up_s": 0.2, "evaluate_s": 0.2}
    stage = ScriptedStage(config=config(num_epochs=2, train_s=0.02, **slow))
    result = [stage.train() for _ in range(2)][-1]
    assert 0.04 <= result["time_s"] < 0.15
    assert 0.02 <= result["epoch_time_s"] < 0.1
    assert 0.2 <= result["setup_time_s"] < 0.35
    assert 0.2 <= result["warmup_time_s"] < 0.35
    assert 0.4 <= result["evaluate_time_s"] < 0.7


def test_cpu_time_counts_work_and_not_sleep(checkpoint_dir: str) -> None:
    """This holds in every phase; sleeping is 0.2 s of the clock and next to none of the processor."""
    phases = ("", "setup_", "warmup_", "evaluate_")
    slow = {"build_s": 0.2, "warm_up_s": 0.2, "train_s": 0.2, "evaluate_s": 0.2}
    stage = ScriptedStage(config=config(**slow))
    stage.train()
    stage.save(checkpoint_dir)
    result = stage.train()
    for start in (*phases, "checkpoint_"):
        assert 0.0 < result[f"{start}cpu_time_s"] < 0.15
        assert result[f"{start}device_time_s"] is None
    assert all(result[f"{start}time_s"] >= 0.2 for start in phases)


def test_every_reported_key_is_one_the_study_reads_and_the_documentation_explains() -> None:
    reported = set(ScriptedStage(config=config()).step())
    assert reported - {"loss", "done"} == {f.name for f in fields(Measurement)} - {"reported_quality"}
    documented = (Path(__file__).parents[2] / "docs" / "stage.md").read_text()
    assert [key for key in sorted(reported) if f"`{key}`" not in documented] == []


def test_device_time_is_between_events_at_both_ends_of_a_phase() -> None:
    """A stand-in for CUDA events: milliseconds of a stream's own clock; data wait has none."""
    stream = iter(range(0, 1000, 40))

    class Event:
        def record(self) -> None:
            self.at = next(stream)

        def elapsed_time(self, other: "Event") -> float:
            return float(other.at - self.at)

    clock = PhaseClock(new_event=Event)
    for _ in range(2):
        with clock.phase("train"):
            pass
    assert clock.last("train").device_s == 0.04
    assert clock.total("train").device_s == 0.08
    assert PhaseClock().total("train").device_s is None
    resumed = PhaseClock(new_event=Event)
    resumed.add(clock.state_dict(), ("train",))
    assert resumed.total("train") == clock.total("train")


def test_failed_trials_can_be_checkpointed_and_stay_failed(checkpoint_dir: str) -> None:
    """Ray may save a trial at its end, whatever the end was."""
    stage = ScriptedStage(config=config(train="oom"))
    stage.train()
    stage.save(checkpoint_dir)
    again = ScriptedStage(config=config())
    again.restore(checkpoint_dir)
    assert again.train()["status"] == "oom"


def test_global_generators_are_the_same_after_reuse_and_resume(checkpoint_dir: str) -> None:
    """A user's stage that draws from numpy's or torch's global generator is reproducible too."""
    stage = ScriptedStage(config=config())
    fresh = [stage.train()["nrmse"] for _ in range(3)]
    assert len(set(fresh)) == 3
    stage.reset(config())
    assert stage.train()["nrmse"] == fresh[0]
    stage.save(checkpoint_dir)
    np.random.rand(7)
    resumed = ScriptedStage(config=config())
    resumed.restore(checkpoint_dir)
    assert [resumed.train()["nrmse"] for _ in range(2)] == fresh[1:]


def test_the_process_is_pinned_to_num_threads_and_freed_at_the_end() -> None:
    allowed = os.sched_getaffinity(0)
    stage = ScriptedStage(config=config(num_threads=1))
    assert len(os.sched_getaffinity(0)) == 1
    assert torch.get_num_threads() == 1
    stage.reset(config(num_threads=len(allowed)))
    assert os.sched_getaffinity(0) == allowed
    assert torch.get_num_threads() == len(allowed)
    stage.reset(config(num_threads=1))
    stage.stop()
    assert os.sched_getaffinity(0) == allowed


def test_peak_memory_is_the_trials_own() -> None:
    """A trial that touched 200 MiB shows it; the next one in the process does not."""
    meter = memory.ProcessMemoryMeter()
    meter.reset()
    before = meter.peak_gib()
    block = np.ones(200 * 2**20, dtype=np.uint8)
    assert meter.peak_gib() - before > 0.15
    del block
    if memory._CLEAR_REFS.exists() and os.access(memory._CLEAR_REFS, os.W_OK):
        meter.reset()
        assert meter.peak_gib() - before < 0.05


def test_peak_memory_falls_back_where_the_kernel_tells_nothing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    monkeypatch.setattr(memory, "_CLEAR_REFS", tmp_path / "no" / "clear_refs")
    monkeypatch.setattr(memory, "_STATUS", tmp_path / "no" / "status")
    meter = memory.ProcessMemoryMeter()
    meter.reset()
    assert 0.01 < meter.peak_gib() < 100.0


def test_reuse_is_refused_while_device_memory_is_held(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ray then drops the process; a stand-in for torch.cuda plays a leak of 1 GiB."""
    allocated = [0]
    monkeypatch.setattr(torch.cuda, "memory_allocated", lambda: allocated[0])
    monkeypatch.setattr(torch.cuda, "empty_cache", lambda: None)
    monkeypatch.setattr(torch.cuda, "reset_peak_memory_stats", lambda: None)
    instruments = Instruments(meter=memory.CudaMemoryMeter())
    monkeypatch.setattr(ScriptedStage, "instruments", lambda stage, kind: instruments)
    stage = ScriptedStage(config=config())
    assert stage.reset_config(config()) is True
    allocated[0] = 2**30
    with pytest.raises(RuntimeError, match=r"the last trial still holds 1\.00 GiB of CUDA memory"):
        stage.reset_config(config())


@pytest.mark.parametrize("module", ["trainables", "trainables.base", "tests.stages"])
def test_importing_the_base_does_not_import_torch_or_the_tuner(module: str) -> None:
    code = f"import sys, {module}; assert not {{'torch', 'tuner'}} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
