"""The arms of the comparison: our advisor, and control arms that train configurations and pick the best.

Every arm gets the same instance, the same seed of the stage and the same budget of GPU-seconds. It may answer
only from what it was told.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from benchmarks.search import reference
from benchmarks.search.contract import Tuner
from benchmarks.search.play import MARGINS_PCT, ArmFactory
from tuner.advisor import Advisor, Ask, Ending, Finished, Run, Wait
from tuner.advisor.messages import Probe, ProbeResult, record_of
from tuner.core.certificate_terms import Terms
from tuner.core.config import TrialConfig
from tuner.core.measurement import Measurement, Status
from tuner.core.study import StudySpec
from tuner.core.traits import StageTraits
from tuner.core.trial import Purpose, TrialRecord
from tuner.core.warm_start import WarmStart
from tuner.runs.journaled import JournaledAdvisor
from tuner.scheduling import Continue, Decision, Stop
from tuner.simulate import Instance, Unwritten, VirtualClock


class Ours(JournaledAdvisor):
    """Our advisor, made as it is made for a study."""

    margins_pct: Sequence[float] = (0.0,)
    is_anytime = False

    def __init__(
        self, instance: Instance, clock: VirtualClock, num_workers: int, warm_start: WarmStart | None = None
    ) -> None:
        study = instance.study
        # No arm runs the guide's row, nor seeds beyond those it wants itself.
        study = replace(study, guide=None, certificate=Terms(pairs=0))
        traits = StageTraits(
            quality_invariant_to=instance.quality_invariant_to,
            can_probe=True,
            capacity_gib=instance.truth.memory_gib,
        )
        advisor = Advisor(study, num_workers=num_workers, traits=traits, warm_start=warm_start)
        super().__init__(advisor, Unwritten(), clock)

    def answer(self, margin_pct: float) -> TrialConfig | None:
        """Returns the recommended configuration, or None. It ignores the margin, because it has its own."""
        found = self.advisor.recommend()
        return None if found is None else found.estimate.config

    def evaluated(self) -> list[TrialConfig]:
        """Returns the configurations that ran to their full budget."""
        return [record.config for record in self.advisor.records if record.is_full_budget]


class ControlArm:
    """Trains a tuner's proposals until the budget is spent, and recommends the fastest that met the target.

    If the target is relative, the baseline runs first.

    Args:
        study: Study that is searched.
        clock: Clock of the simulation.
        num_workers: Number of trials at once.
        tuner: Tuner that proposes configurations.
        probe_first: Configurations that are probed before anything runs.
    """

    margins_pct: Sequence[float] = MARGINS_PCT
    is_anytime = True

    def __init__(
        self,
        study: StudySpec,
        clock: VirtualClock,
        num_workers: int,
        tuner: Tuner,
        probe_first: Sequence[TrialConfig] = (),
    ) -> None:
        self._study, self._clock, self._num_workers, self._tuner = study, clock, num_workers, tuner
        self._to_probe = tuple(probe_first)
        self._records: dict[str, TrialRecord] = {}
        self._running: set[str] = set()
        self._baseline_id = ""

    def ask(self) -> Ask:
        """Asks for a probe if one is due, then for the baseline if it must be known, then for proposals."""
        if self._clock.now_s < self._study.budget.budget_s:
            if len(self._running) >= self._num_workers:
                return Wait()
            if self._to_probe:
                configs, self._to_probe = self._to_probe, ()
                self._running.add("probe")
                return Probe(trial_id="probe", configs=configs)
            if "probe" in self._running or (self._needs_baseline and self._baseline_id in self._running):
                return Wait()
            if run := self._next():
                return run
        return Wait() if self._running else Finished(reason="the budget is spent or the lattice used up")

    @property
    def _needs_baseline(self) -> bool:
        return self._study.target.is_relative and self.threshold is None

    def _next(self) -> Run | None:
        trial_id = f"{len(self._records) + 1:04d}"
        is_baseline = self._needs_baseline
        config = self._study.baseline if is_baseline else self._tuner.propose(trial_id)
        if config is None:
            return None
        run = Run(
            trial_id=trial_id,
            config=config,
            seed=self._study.seed,
            num_epochs=self._study.stage.num_epochs,
            purpose=Purpose.BASELINE if is_baseline else Purpose.SEARCH,
        )
        self._records[trial_id] = record_of(run, self._records)
        self._running.add(trial_id)
        if is_baseline:
            self._baseline_id = trial_id
        return run

    def observe(self, trial_id: str, measurement: Measurement) -> Decision:
        """Takes a report of a trial, and stops the trial if the tuner says so."""
        record = self._records[trial_id] = self._records[trial_id].observed(measurement)
        is_last = measurement.status is not Status.OK or measurement.epoch >= record.num_epochs
        is_searched = record.purpose is Purpose.SEARCH
        stops = is_searched and not is_last and self._tuner.should_stop(record)
        return Stop("the tuner stops it") if stops else Continue()

    def tell(self, trial_id: str, ending: Ending) -> None:
        """Takes the end of a trial."""
        self._running.discard(trial_id)
        record = self._records[trial_id].ended(
            ending.state, reason=ending.reason, constraint=ending.constraint
        )
        self._records[trial_id] = record
        if record.purpose is Purpose.SEARCH:
            self._tuner.learn(record, self.threshold)

    def probed(self, trial_id: str, results: Sequence[ProbeResult]) -> None:
        """Hands the results of the first probe to the tuner."""
        self._running.discard(trial_id)
        self._tuner.probed(results)  # type: ignore[attr-defined]  # only tuners that want a probe get one

    @property
    def threshold(self) -> float | None:
        """The NRMSE to stay under, or None while the target is relative and the baseline has not run."""
        record = self._records.get(self._baseline_id)
        nrmse = record.nrmse if record and record.is_full_budget else None
        return self._study.target.threshold(nrmse)

    def answer(self, margin_pct: float) -> TrialConfig | None:
        """Returns the fastest configuration whose one run met the target with this margin, or None."""
        if (threshold := self.threshold) is None:
            return None
        bound = threshold * (1 - margin_pct / 100)
        met = [r for r in self._records.values() if r.is_full_budget and r.nrmse < bound]
        return min(met, key=lambda r: r.time_s).config if met else None

    def evaluated(self) -> list[TrialConfig]:
        """Returns the configurations that ran to their full budget."""
        return [record.config for record in self._records.values() if record.is_full_budget]


TunerFactory = Callable[[Instance], Tuner]


def control(make_tuner: TunerFactory) -> ArmFactory:
    """Returns a factory of control arms that search with this kind of tuner."""

    def make(instance: Instance, clock: VirtualClock, num_workers: int) -> ControlArm:
        tuner = make_tuner(instance)
        probe_first: Sequence[TrialConfig] = getattr(tuner, "probe_first", ())
        return ControlArm(instance.study, clock, num_workers, tuner, probe_first)

    return make


def arms() -> dict[str, ArmFactory]:
    """Returns every arm by its name, without peers and a reference that are not there."""
    from benchmarks.search import peers, tuners

    known: dict[str, Any] = {"ours": Ours}
    if reference.folder():
        known["reference"] = reference.Reference
    makers = tuners.TUNERS | peers.installed()
    return known | {name: control(make) for name, make in makers.items()}
