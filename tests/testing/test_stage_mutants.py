"""Every clause of a stage's contract can fail: one broken stage each, which breaks it alone."""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
import pytest

from tests.stages import ResumableStage, SyntheticOptions, SyntheticStage
from trainables.base import MeasuredTrainable
from trainables.trial import EpochCounts
from tuner.errors import StageError
from tuner.testing import ContractError, StageCase, check_stage, stage_clauses

PARAMS = {"batch_size": 8, "micro_batch": 4, "num_taus": 3, "accum_steps": 2}
OTHERS = {"batch_size": 4, "micro_batch": 2, "num_taus": 2, "accum_steps": 1}
OPTIONS = {"num_samples": 40, "epoch_time_s": 1e-4}


class Stage(ResumableStage):
    """A synthetic stage whose NRMSE has a term `extra` of its own; keeps the contract."""

    extra = 0.0

    def evaluate(self) -> dict[str, float]:
        return {"nrmse": super().evaluate()["nrmse"] + self.extra}


class Diverges(Stage):
    def evaluate(self) -> dict[str, float]:
        return {"nrmse": float("nan")}


class Reports(Stage):
    """A stage that spoils its reports."""

    def step(self) -> dict[str, Any]:
        report = super().step()
        self.spoil(report)
        return report

    def spoil(self, report: dict[str, Any]) -> None:
        raise NotImplementedError


class LacksAKey(Reports):
    def spoil(self, report: dict[str, Any]) -> None:
        del report["cpu_time_s"]


class SaysANumberInWords(Reports):
    def spoil(self, report: dict[str, Any]) -> None:
        report["num_chunks"] = "20"


class HasAnInfiniteFigure(Reports):
    def spoil(self, report: dict[str, Any]) -> None:
        report["step_time_median_s"] = float("inf")


class CountsEpochsFromZero(Reports):
    def spoil(self, report: dict[str, Any]) -> None:
        report["epoch"] -= 1


class IsNeverDone(Reports):
    def spoil(self, report: dict[str, Any]) -> None:
        report["done"] = False


class IsDoneAtOnce(Reports):
    def spoil(self, report: dict[str, Any]) -> None:
        report["done"] = True


class TakesNoTime(Reports):
    def spoil(self, report: dict[str, Any]) -> None:
        report["time_s"] = report["epoch_time_s"] = 0.0


class TimesSomethingElse(Reports):
    def spoil(self, report: dict[str, Any]) -> None:
        report["epoch_time_s"] += report["setup_time_s"] if report["epoch"] == 1 else 0.0


class CountsEachEpochAlone(Reports):
    def spoil(self, report: dict[str, Any]) -> None:
        report["num_chunks"] = 10


class HasNoDevice(Stage):
    @classmethod
    def describe_device(cls, options: Mapping[str, Any] | None = None) -> dict[str, Any]:
        return {"kind": "cpu"}


class PreparesOnce(Stage):
    prepared: ClassVar[bool] = False

    @classmethod
    def prepare(cls, options: Mapping[str, Any]) -> None:
        if cls.prepared:
            raise FileExistsError("shared")
        cls.prepared = True


class DrawsFromTheSystem(Stage):
    def build(self, params: Mapping[str, Any], seed: int, options: Mapping[str, Any]) -> None:
        super().build(params, seed, options)
        self.extra = random.SystemRandom().random()


class LikesOneSeed(Stage):
    def build(self, params: Mapping[str, Any], seed: int, options: Mapping[str, Any]) -> None:
        super().build(params, seed, options)
        if seed == 1:
            raise RuntimeError("no seed 1")


class DrawsBeforeItIsSeeded(Stage):
    def setup(self, config: dict[str, Any]) -> None:
        self.extra = float(np.random.rand())
        super().setup(config)


class EvaluatesWithAGeneratorOfTraining(Stage):
    num_evaluated = 0

    def build(self, params: Mapping[str, Any], seed: int, options: Mapping[str, Any]) -> None:
        super().build(params, seed, options)
        self.num_evaluated = 0

    def evaluate(self) -> dict[str, float]:
        self.num_evaluated += 1
        self.extra = 1e-9 * self.num_evaluated
        return super().evaluate()

    def state_dict(self) -> dict[str, Any]:
        return super().state_dict() | {"num_evaluated": self.num_evaluated}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        super().load_state_dict(state)
        self.num_evaluated = state["num_evaluated"]


class TrainsWhileWarmingUp(Stage):
    def warm_up(self) -> None:
        self.extra = 1e-9


class ForgetsItsAverages(Stage):
    average = 0.0

    def build(self, params: Mapping[str, Any], seed: int, options: Mapping[str, Any]) -> None:
        super().build(params, seed, options)
        self.average = 0.0

    def train_epoch(self, epoch: int) -> EpochCounts:
        self.average = 0.5 * self.average + epoch
        self.extra = self.average
        return super().train_epoch(epoch)


class CannotBeSaved(Stage):
    def state_dict(self) -> dict[str, Any]:
        return {"undone": lambda: None}


class HasNoStateToBeResumedFrom(Stage):
    state_dict = MeasuredTrainable.state_dict


class CannotTakeItsStateBack(Stage):
    load_state_dict = MeasuredTrainable.load_state_dict


class HidesThatItWasResumed(Reports):
    def spoil(self, report: dict[str, Any]) -> None:
        report["resumed"] = False


class StartsItsClockAnew(Stage):
    def load_checkpoint(self, checkpoint_dir: str) -> None:
        trained_s = self._progress.clock.total("train").wall_s
        super().load_checkpoint(checkpoint_dir)
        self.lost_s = self._progress.clock.total("train").wall_s - trained_s

    def step(self) -> dict[str, Any]:
        report = super().step()
        return report | {"time_s": report["time_s"] - getattr(self, "lost_s", 0.0)}


class CountsAnewWhenResumed(Stage):
    def load_checkpoint(self, checkpoint_dir: str) -> None:
        super().load_checkpoint(checkpoint_dir)
        self._progress.counts = EpochCounts()


class KeepsSomethingForTheNextTrial(Stage):
    def train_epoch(self, epoch: int) -> EpochCounts:
        self.best = max(getattr(self, "best", 0), self._params["num_taus"], self._seed)
        self.extra = self.best
        return super().train_epoch(epoch)


class DeclaresTooMuch(Stage):
    quality_invariant_to: ClassVar[tuple[str, ...]] = ("micro_batch", "num_taus")


class IgnoresWhatItDoesNotKnow(Stage):
    def build(self, params: Mapping[str, Any], seed: int, options: Mapping[str, Any]) -> None:
        known = SyntheticOptions.__dataclass_fields__
        super().build(params, seed, {name: value for name, value in options.items() if name in known})


class TakesAnyBatch(Stage):
    def build(self, params: Mapping[str, Any], seed: int, options: Mapping[str, Any]) -> None:
        super().build({**params, "micro_batch": params["batch_size"]}, seed, options)


class RefusesWithoutAName(Stage):
    def build(self, params: Mapping[str, Any], seed: int, options: Mapping[str, Any]) -> None:
        if params["batch_size"] % params["micro_batch"]:
            raise ValueError("bad parameters")
        super().build(params, seed, options)


class ReleasesOnce(Stage):
    def build(self, params: Mapping[str, Any], seed: int, options: Mapping[str, Any]) -> None:
        super().build(params, seed, options)
        self.weights = [1.0]

    def release(self) -> None:
        del self.weights


class FiveMethods(MeasuredTrainable):
    """All that a stage must write."""

    def build(self, params: Mapping[str, Any], seed: int, options: Mapping[str, Any]) -> None:
        self._stage = SyntheticStage.__new__(SyntheticStage)
        self._stage.num_epochs = self.num_epochs
        self._stage.build(params, seed, options)

    def warm_up(self) -> None:
        pass

    def train_epoch(self, epoch: int) -> EpochCounts:
        return self._stage.train_epoch(epoch)

    def evaluate(self) -> dict[str, float]:
        return self._stage.evaluate()

    def release(self) -> None:
        pass


CHANGED = "a trial resumed after any epoch gives the same nrmse"
MUTANTS: list[tuple[type[SyntheticStage], str]] = [
    (Diverges, "a trial runs through its budget"),
    (LacksAKey, "every report has every key with a value of its type"),
    (SaysANumberInWords, "every report has every key with a value of its type"),
    (HasAnInfiniteFigure, "every report has every key with a value of its type"),
    (CountsEpochsFromZero, "epochs ascend to the budget"),
    (IsNeverDone, "done is true at the last epoch only"),
    (IsDoneAtOnce, "done is true at the last epoch only"),
    (TakesNoTime, "times are positive"),
    (TimesSomethingElse, "epoch times add up to time s"),
    (CountsEachEpochAlone, "counts are sums that grow"),
    (HasNoDevice, "the device is described"),
    (PreparesOnce, "preparing twice is harmless"),
    (DrawsFromTheSystem, "the same seed gives the same nrmse"),
    (LikesOneSeed, "other seeds train as well"),
    (DrawsBeforeItIsSeeded, "what the process drew before does not matter"),
    (EvaluatesWithAGeneratorOfTraining, "evaluating changes nothing"),
    (TrainsWhileWarmingUp, "warming up changes nothing"),
    (ForgetsItsAverages, CHANGED),
    (CannotBeSaved, CHANGED),
    (HasNoStateToBeResumedFrom, CHANGED),
    (CannotTakeItsStateBack, CHANGED),
    (HidesThatItWasResumed, "a resumed trial says so"),
    (StartsItsClockAnew, "a resumed trial keeps its clock and counts"),
    (CountsAnewWhenResumed, "a resumed trial keeps its clock and counts"),
    (KeepsSomethingForTheNextTrial, "a reused process gives the same nrmse as a new one"),
    (DeclaresTooMuch, "what quality does not depend on does not change it"),
    (IgnoresWhatItDoesNotKnow, "an unknown option is refused by name"),
    (TakesAnyBatch, "parameters that make no sense are refused by name"),
    (RefusesWithoutAName, "parameters that make no sense are refused by name"),
    (ReleasesOnce, "ending a trial twice is harmless"),
]


def case(stage: Any) -> dict[str, Any]:
    return {"stage": stage, "params": PARAMS, "options": OPTIONS, "num_epochs": 2, "other_params": OTHERS}


def test_the_stage_the_mutants_are_made_of_keeps_the_contract() -> None:
    check_stage(**case(Stage))


@pytest.mark.parametrize(("stage", "clause"), MUTANTS, ids=lambda value: getattr(value, "__name__", ""))
def test_a_broken_stage_breaks_its_clause_and_no_other(stage: type[SyntheticStage], clause: str) -> None:
    with pytest.raises(ContractError) as raised:
        check_stage(**case(stage))
    assert [broken.clause for broken in raised.value.broken] == [clause]
    (broken,) = raised.value.broken
    assert broken.seen
    assert broken.seen in str(raised.value)
    assert broken.fix in str(raised.value)


def test_every_clause_has_its_mutant() -> None:
    assert {clause for _, clause in MUTANTS} == {check.name for check in stage_clauses()}


def test_a_stage_may_say_that_it_cannot_be_resumed() -> None:
    check_stage(**case(type("OneGo", (CannotBeSaved,), {"resumable": False})))


def test_a_stage_that_claims_to_be_resumable_is_told_what_it_lacks() -> None:
    with pytest.raises(ContractError, match=r"HasNoStateToBeResumedFrom has no state_dict\(\)"):
        check_stage(**case(HasNoStateToBeResumedFrom))


def test_a_stage_of_five_methods_keeps_the_contract() -> None:
    written = [name for name in vars(FiveMethods) if not name.startswith("_")]
    assert sorted(written) == ["build", "evaluate", "release", "train_epoch", "warm_up"]
    assert not FiveMethods.resumable
    check_stage(**case(FiveMethods))


def test_every_broken_clause_is_listed_and_what_could_not_be_asked_is_named() -> None:
    with pytest.raises(ContractError) as raised:
        check_stage(**case(type("Both", (DrawsFromTheSystem, IsNeverDone), {})))
    assert len(raised.value.broken) == 2
    assert CHANGED in raised.value.not_run
    assert "warming up changes nothing" in raised.value.not_run


def test_an_exception_of_the_stage_is_the_cause_of_the_error() -> None:
    with pytest.raises(ContractError, match="FileExistsError: shared") as raised:
        check_stage(**case(type("Again", (PreparesOnce,), {"prepared": False})))
    assert isinstance(raised.value.__cause__, FileExistsError)


@pytest.mark.parametrize(
    ("changes", "error", "words"),
    [
        ({"options": {}}, ValueError, "num_samples"),
        ({"num_epochs": 1}, ValueError, "num_epochs=1"),
        ({"stage": "no_such_module:Stage"}, StageError, "no_such_module"),
        ({"stage": "tests.stages:NoStage"}, StageError, "NoStage"),
    ],
)
def test_a_case_that_makes_no_sense_is_refused_by_name(
    changes: dict[str, Any], error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words) as raised:
        StageCase(**case(Stage) | changes)
    assert "Fix: " in str(raised.value)
