"""The probe predicts epochs from the units a stage offers, and takes out of memory as data."""

import math
import os
import time
import weakref
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import numpy as np
import pytest

from tests.stages import SyntheticStage
from trainables.base import MeasuredTrainable
from trainables.consistency.engine import DistillationEngine
from trainables.consistency.stage import ConsistencyStage
from trainables.probe import MAX_VISITS, _least_sure, _Tally, _UnitTally, probe
from trainables.trial import EpochCounts, TimeUnit

TrialOf = Callable[..., dict[str, Any]]


def spin(seconds: float) -> None:
    """Needs the core for so long, as arithmetic does, however long it takes to get it."""
    stop = time.thread_time() + seconds
    while time.thread_time() < stop:
        pass


class Weights:
    """Something whose life can be watched."""


class TimedStage(MeasuredTrainable):
    """An epoch spins ``fixed_s`` once and works ``step_s`` in each of ``num_steps``."""

    alive: ClassVar["weakref.WeakSet[Weights]"] = weakref.WeakSet()

    def build(self, params: Mapping[str, Any], seed: int, options: Mapping[str, Any]) -> None:
        self._params = params
        self._weights = Weights()
        self.alive.add(self._weights)
        self._fail("build")

    def warm_up(self) -> None:
        self._fail("warm_up")

    def time_units(self) -> tuple[TimeUnit, ...]:
        return (
            TimeUnit(name="fixed", run=lambda: spin(self._params.get("fixed_s", 0.0)), per_epoch=1.0),
            TimeUnit(name="step", run=self._step, per_epoch=self._params.get("num_steps", 1)),
        )

    def _step(self) -> None:
        held = self._weights
        self._fail("step")
        spin(self._params.get("step_s", 0.001))
        time.sleep(self._params.get("wait_s", 0.0))
        assert held is self._weights

    def _fail(self, where: str) -> None:
        if self._params.get("oom") == where:
            raise MemoryError(where)
        if self._params.get("bug") == where:
            raise RuntimeError("a bug, not a lack of memory")

    def train_epoch(self, epoch: int) -> EpochCounts:
        raise AssertionError("a probe trains no epoch")

    def evaluate(self) -> dict[str, float]:
        raise AssertionError("a probe does not evaluate")

    def state_dict(self) -> dict[str, Any]:
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        pass

    def release(self) -> None:
        self.__dict__.pop("_weights", None)


def test_an_epoch_is_the_sum_of_its_units() -> None:
    short = {"fixed_s": 0.02, "step_s": 0.002, "num_steps": 10}
    long = {"fixed_s": 0.0, "step_s": 0.004, "num_steps": 12.5}
    results = probe(TimedStage, [short, long], {}, budget_s_per_config=0.4)
    assert [r["params"] for r in results] == [short, long]
    assert [r["status"] for r in results] == ["ok", "ok"]
    # A unit cannot take less than it spins; how much more is the machine's affair, not a test's.
    for result, spun_s in zip(results, (0.04, 0.05), strict=True):
        assert 0.9 * spun_s <= result["epoch_time_s"] < 20 * spun_s
    assert all(r["standard_error"] >= 0.0 for r in results)
    assert all(r["peak_memory_gib"] > 0.01 for r in results)
    assert all(r["num_steps_timed"] >= 16 for r in results)


def test_what_a_unit_waits_for_is_part_of_it() -> None:
    result = probe(TimedStage, [{"step_s": 0.001, "wait_s": 0.004, "num_steps": 10}], {})[0]
    assert result["epoch_time_s"] >= 0.05


def test_a_small_budget_still_times_every_unit() -> None:
    result = probe(TimedStage, [{"step_s": 0.01, "num_steps": 5}], {}, budget_s_per_config=1e-6)[0]
    assert result["epoch_time_s"] >= 0.9 * 0.05


def test_a_larger_budget_times_more_steps() -> None:
    small, large = (
        probe(TimedStage, [{}], {}, budget_s_per_config=budget_s)[0]["num_steps_timed"]
        for budget_s in (1e-6, 2.0)
    )
    assert large > small


class DisturbedStage(TimedStage):
    """Whose steps take four times as long on visit ``disturbed_on`` (from 1) to a configuration."""

    visits: ClassVar[dict[str, int]] = {}

    def build(self, params: Mapping[str, Any], seed: int, options: Mapping[str, Any]) -> None:
        super().build(params, seed, options)
        self._step_s = params["step_s"]
        number = self.visits[params["name"]] = self.visits.get(params["name"], 0) + 1
        if number == params.get("disturbed_on"):
            self._step_s *= 4

    def _step(self) -> None:
        spin(self._step_s)


@pytest.mark.parametrize(("budget_s", "revisited"), [(0.6, True), (1e-6, False)])
def test_what_is_left_of_the_budget_goes_to_whose_rounds_disagree(
    monkeypatch: pytest.MonkeyPatch, budget_s: float, revisited: bool
) -> None:
    monkeypatch.setattr(DisturbedStage, "visits", {})
    calm = {"name": "calm", "step_s": 0.004, "num_steps": 10}
    disturbed = {"name": "disturbed", "step_s": 0.004, "num_steps": 10, "disturbed_on": 1}
    result = probe(DisturbedStage, [calm, disturbed], {}, budget_s_per_config=budget_s)[1]
    assert (DisturbedStage.visits["disturbed"] > 2) == revisited
    # The disturbed round does not count; a unit cannot take less than it spins.
    assert 0.9 * 0.04 <= result["epoch_time_s"] < 4 * 0.04


def test_the_mean_of_all_samples_counts_and_disturbed_rounds_do_not() -> None:
    tally = _Tally(trial={"params": {}})
    tally.units["draw"] = _UnitTally(per_epoch=1.0, rounds=[[1.0], [1.0], [3.0], [1.6]])
    tally.units["step"] = _UnitTally(per_epoch=10.0, rounds=[[0.3, 0.3, 0.6], [0.4], [0.9], [0.4, 0.4]])
    result = tally.result()  # rounds of 5, 5, 12 and 5.6 s
    assert result["epoch_time_s"] == pytest.approx(3.6 / 3 + 10 * 2.4 / 6)
    rounds_s = np.array([5.0, 5.0, 5.6])
    assert result["standard_error"] == pytest.approx(rounds_s.std(ddof=1) / 3**0.5 / rounds_s.mean())


def test_of_two_rounds_far_apart_only_one_counts_and_nothing_confirms_it() -> None:
    tally = _Tally(trial={"params": {}}, units={"step": _UnitTally(per_epoch=1.0, rounds=[[1.0], [4.0]])})
    assert tally.result()["epoch_time_s"] == 1.0
    assert tally.standard_error == math.inf
    assert _least_sure([tally]) is tally


def test_the_least_sure_is_visited_next_and_none_when_all_agree_or_had_their_turns() -> None:
    def tally(*rounds_s: float, num_visits: int = 2, is_oom: bool = False) -> _Tally:
        unit = _UnitTally(per_epoch=1.0, rounds=[[s] for s in rounds_s])
        return _Tally(trial={}, units={"step": unit}, num_visits=num_visits, is_oom=is_oom)

    agreed, apart, far = tally(1.0, 1.02), tally(1.0, 1.1), tally(1.0, 1.5)
    assert _least_sure([agreed, apart, far]) is far
    assert _least_sure([agreed, apart, tally(1.0, 1.5, num_visits=MAX_VISITS)]) is apart
    assert _least_sure([agreed, tally(1.0, 1.5, 1.01, num_visits=3), tally(1.0, 2.0, is_oom=True)]) is None


def test_a_failing_probe_gives_the_process_its_cores_back() -> None:
    allowed = os.sched_getaffinity(0)
    with pytest.raises(RuntimeError, match="a bug"):
        probe(TimedStage, [{}, {"bug": "step"}], {}, budget_s_per_config=0.05)
    assert os.sched_getaffinity(0) == allowed


@pytest.mark.parametrize("where", ["build", "warm_up", "step"])
def test_out_of_memory_is_data_and_the_others_are_probed(where: str) -> None:
    before, out, after = probe(TimedStage, [{}, {"oom": where}, {}], {}, budget_s_per_config=0.05)
    assert [r["status"] for r in (before, out, after)] == ["ok", "oom", "ok"]
    assert math.isnan(out["epoch_time_s"])
    assert math.isnan(out["peak_memory_gib"])
    assert out["num_steps_timed"] == 0
    assert not TimedStage.alive, "a trial's memory is still held"


def test_any_other_error_propagates() -> None:
    with pytest.raises(RuntimeError, match="a bug"):
        probe(TimedStage, [{}, {"bug": "step"}], {}, budget_s_per_config=0.05)


def test_a_stage_without_units_is_refused() -> None:
    class Unprobed(SyntheticStage):
        time_units = MeasuredTrainable.time_units

    with pytest.raises(TypeError, match=r"Unprobed cannot be probed\. Fix: override time_units"):
        probe(Unprobed, [{}], {})


def test_nothing_asked_is_nothing_done() -> None:
    assert probe(TimedStage, [], {}) == []


def test_the_bundled_stage_is_probed_and_later_trials_are_as_they_were(trial: TrialOf) -> None:
    config = trial(num_epochs=2)
    expected = [ConsistencyStage(config=config).train()["nrmse"] for _ in range(1)]
    configs = [trial()["params"], trial(batch_size=8, micro_batch=8, accum_steps=2)["params"]]
    results = probe(ConsistencyStage, configs, config["stage"], budget_s_per_config=0.2)
    assert [r["status"] for r in results] == ["ok", "ok"]
    assert all(result["epoch_time_s"] > 0.0 for result in results)
    assert [ConsistencyStage(config=config).train()["nrmse"]] == expected


@pytest.mark.parametrize(("micro_batch", "accum_steps"), [(2, 1), (4, 2), (1, 4)])
def test_units_of_the_bundled_stage_add_up_to_its_epoch(
    trial: TrialOf, monkeypatch: pytest.MonkeyPatch, micro_batch: int, accum_steps: int
) -> None:
    """Chunks of the units, times their number in an epoch, are the chunks that training counts."""
    calls: list[int] = []
    chunk = DistillationEngine.backward_chunk

    def counted(*args: Any) -> Any:
        calls.append(1)
        return chunk(*args)

    stage = ConsistencyStage(config=trial(micro_batch=micro_batch, accum_steps=accum_steps))
    monkeypatch.setattr(DistillationEngine, "backward_chunk", counted)
    chunks = 0.0
    for unit in stage.time_units():
        calls.clear()
        unit.run()
        chunks += len(calls) * unit.per_epoch
    monkeypatch.undo()
    fresh = ConsistencyStage(config=trial(micro_batch=micro_batch, accum_steps=accum_steps, num_epochs=1))
    assert chunks == fresh.train()["num_chunks"]


def test_units_run_on_past_the_end_of_an_epoch(trial: TrialOf) -> None:
    draw, step = ConsistencyStage(config=trial(batch_size=8, accum_steps=2)).time_units()
    draw.run()
    for _ in range(2 * math.ceil(step.per_epoch)):
        step.run()
