"""The shipped advisor: reference rows first, then what the planner wants, each trial watched by one rule.

It composes search (what to try), scheduling (when to stop) and core (what counts), and keeps the records. It
knows nothing of how trials are run, of files or of time: whoever drives it says how much time has passed.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

from tuner.advisor.hours import Hours
from tuner.advisor.knowledge import Knowledge, problem_of
from tuner.advisor.messages import (
    PROBE_PREFIX,
    Ask,
    Ending,
    Finished,
    Probe,
    ProbeResult,
    Run,
    Wait,
    ended_by,
    probed_of,
    record_of,
)
from tuner.advisor.planner import Planner, Task, certified, recommended
from tuner.advisor.telling import evidence, outcome
from tuner.core.certificate import Rounds
from tuner.core.config import TrialConfig
from tuner.core.estimate import Estimate
from tuner.core.measurement import Measurement, Status
from tuner.core.prior import Prior
from tuner.core.recommend import Recommendation
from tuner.core.traits import StageTraits
from tuner.core.trial import Purpose, TrialRecord, TrialState
from tuner.scheduling import Continue, Decision, Stop, make_rule
from tuner.search.strategy import Decided, ProbeStep
from tuner.spec import StudySpec

MAX_FAILURES = 3
"""Trials that may fail before any has reported: more means a broken stage, not a bad configuration."""

MAX_LOST_PROBES = 2
"""Probes that may be lost before no more are asked for."""

FIRST_PROBE_COST_S = 1.0
"""What a probed configuration is taken to cost before one was: about a second (docs/stage.md)."""


class _Probing(NamedTuple):
    """A probe under way."""

    configs: tuple[TrialConfig, ...]
    asked_s: float


class Advisor:
    """Decides what to run, when to stop it and what to recommend.

    The contract: `ask` until it answers Finished; for each Run, `observe` every report and `tell` how it
    ended; for each Probe, `probed` with its results, or `tell` when it was lost. The same calls with the
    same seed give the same answers, and saying the same thing twice changes nothing. `elapsed_s`, seconds
    since the study began, is all it knows of time.

    Args:
        study: What to do.
        num_workers: Trials that may run at once.
        traits: What the stage and its device say of themselves.
        prior: What an earlier run taught of NRMSE; no seed that it used is used again.

    Attributes:
        study: As given.
        traits: As given.
        prior: As given.
        knowledge: Records, probes and what they let one believe; to look at only.

    Raises:
        SpecError: The study's sampler or stopping rule, or an option of theirs, is wrong.
    """

    def __init__(
        self,
        study: StudySpec,
        *,
        num_workers: int = 1,
        traits: StageTraits | None = None,
        prior: Prior | None = None,
    ) -> None:
        self.study = study
        self.traits = traits or StageTraits()
        self.prior = prior
        self._num_workers = num_workers
        if prior is not None:
            study = replace(study, seed=prior.fresh_seed(study.seed))
        self.knowledge = Knowledge(problem_of(study, self.traits), prior)
        self._planner = Planner(study)
        with study.locating("scheduler"):
            self._rule = make_rule(study.scheduler.rule, study.scheduler.options)
        self._num_attempts: dict[Task, int] = {}
        self._queue = deque(_reference_rows(study))
        self._probing: dict[str, _Probing] = {}
        self._num_probes = self._num_lost_probes = 0
        self._probe_cost_s = FIRST_PROBE_COST_S
        self._finished: Finished | None = None

    def ask(self, elapsed_s: float = 0.0) -> Ask:
        """What to do next. Wait means: ask again after the next event."""
        if self._finished:
            return self._finished
        reason = self._reason_to_finish(elapsed_s)
        if not reason:
            if self._num_busy >= self._num_workers:
                return Wait()
            answer = self._next(elapsed_s)
            if not isinstance(answer, str):
                return answer
            reason = answer
        if self._num_busy:
            return Wait()
        self._planner.close()
        self._finished = Finished(reason=reason)
        return self._finished

    def observe(self, trial_id: str, measurement: Measurement, elapsed_s: float = 0.0) -> Decision:
        """Takes a report of a running trial and says whether to go on with it.

        The last report is answered Continue: finishing costs nothing any more.
        """
        record = self.record(trial_id)
        if record.state is not TrialState.RUNNING:
            return Stop(record.reason or "it has ended already")
        record = record.observed(measurement)
        decision = self._decide(record, elapsed_s)
        if isinstance(decision, Stop):
            record = replace(record, reason=decision.reason)
        self.knowledge.put(record)
        return decision

    def probed(self, trial_id: str, results: Sequence[ProbeResult], elapsed_s: float = 0.0) -> None:
        """Takes the results of a probe, once."""
        probing = self._probing.pop(trial_id, None)
        if probing is None:
            return
        self._probe_cost_s = max(1e-3, (elapsed_s - probing.asked_s) / max(1, len(results)))
        self.knowledge.put_probes(probed_of(result) for result in results)

    def tell(self, trial_id: str, ending: Ending) -> None:
        """Takes the end of a trial; a lost one is asked for again, as often as the study allows."""
        if self._probing.pop(trial_id, None):
            self._num_lost_probes += 1
            return
        record = self.record(trial_id)
        if record.state is not TrialState.RUNNING:
            return
        record = ended_by(record, ending)
        self.knowledge.put(record)
        self._planner.ended(record, outcome(record, self.knowledge))
        task = Task(record.purpose, record.config, record.seed)
        if ending.is_lost and self._num_attempts[task] <= self.study.resources.retries:
            self._queue.appendleft(task)

    def certify(self, hours: float | None = None) -> None:
        """Makes the certificate go on until it is firm; an advisor that had finished is asked again.

        Args:
            hours: The budget's, from the beginning, from now on; None: as they were.
        """
        self.study = self.study.with_overrides(hours=hours, until_firm=True, looked=self.num_judged)
        self._finished = None

    @property
    def num_judged(self) -> int:
        """Pairs after which the certificate was judged, once, at the study's end; 0: it was not."""
        found = self.recommend()
        num_run = len(Rounds.of(self.records).seeds_of(found.estimate.config)) if found else 0
        return self.study.certificate.firm(num_run, is_over=bool(self._finished)).looked

    def recommend(self) -> Recommendation | None:
        """What to run instead of the baseline, as far as is known; None when nothing deserves it."""
        return recommended(self.knowledge)

    @property
    def certified(self) -> dict[TrialConfig, float]:
        """What may be recommended, and the probability that its mean NRMSE meets the target."""
        return certified(self.knowledge)

    @property
    def records(self) -> tuple[TrialRecord, ...]:
        """Every trial ever asked for, in the order of asking."""
        return self.knowledge.records

    @property
    def running(self) -> tuple[TrialRecord, ...]:
        """The trials asked for whose end has not been told."""
        return self.knowledge.running

    @property
    def open_ids(self) -> tuple[str, ...]:
        """The trials and probes asked for whose end has not been told."""
        return (*(record.trial_id for record in self.running), *self._probing)

    def record(self, trial_id: str) -> TrialRecord:
        """What is known of one trial.

        Raises:
            KeyError: It was never asked for.
        """
        return self.knowledge.record(trial_id)

    @property
    def incumbent(self) -> Estimate | None:
        """The best configuration that may be relied on to meet the target and the limits."""
        beliefs = self.knowledge.beliefs
        best = min(self.certified, key=lambda c: beliefs.objective[beliefs.grid.index[c]], default=None)
        return None if best is None else beliefs.measured[best]

    @property
    def finish_reason(self) -> str:
        """Why nothing more is asked; empty while something is."""
        return self._finished.reason if self._finished else ""

    @property
    def prior_contradiction(self) -> str:
        """Why the prior was dropped; empty while it was not."""
        return self.knowledge.contradiction

    @property
    def pooling_contradiction(self) -> str:
        """Why runs are not pooled over what the stage says NRMSE does not depend on; empty while they are."""
        return self.knowledge.pooling_contradiction

    @property
    def num_counted(self) -> int:
        """Trials that count against the budget; a lost one and its repeats count once."""
        return len(self.knowledge.ledger.num_asked)

    @property
    def _num_busy(self) -> int:
        return len(self.knowledge.ledger.running) + len(self._probing)

    def _reason_to_finish(self, elapsed_s: float) -> str:
        """Why nothing at all is to be started any more; empty while something may be."""
        if elapsed_s >= self.study.budget.budget_s:
            return f"the budget of {self.study.budget.hours:g} h is spent"
        return self._broken_stage() or self.knowledge.problem.goal.unreported(self.records)

    def _broken_stage(self) -> str:
        if self.knowledge.ledger.num_failures < MAX_FAILURES or any(r.measurements for r in self.records):
            return ""
        failures = [r for r in self.records if r.state is TrialState.FAILED]
        return f"the first {len(failures)} trials failed without a report: {failures[-1].reason}"

    def _next(self, elapsed_s: float) -> Run | Probe | str:
        """What to start now, or why there is nothing."""
        too_short = self._hours(elapsed_s).too_short_to_search()
        exhausted = self._all_tried() or too_short
        if self._queue and (not exhausted or self._was_asked(self._queue[0].config)):
            return self._too_late(self._queue[0], elapsed_s) or self._start(self._queue.popleft())
        if self._is_first_baseline_running():
            return "the baseline is not measured yet"
        step = self._planner.next(
            self.knowledge,
            self._next_id(),
            terms=self.study.certificate,
            is_searching=not exhausted,
            has_time=not too_short,
            probe_cost_s=self._probe_cost_s if self._may_probe else None,
        )
        if isinstance(step, Decided):
            return exhausted or step.reason
        if isinstance(step, ProbeStep):
            return "a probe is under way" if self._probing else self._start_probe(step, elapsed_s)
        if self._planner.is_proposal(step):
            return self._start(step, is_proposal=True)
        return self._too_late(step, elapsed_s) or self._start(step)

    def _all_tried(self) -> str:
        """Why no further configuration is to be tried, whatever the time; empty while one may be."""
        trials = self.study.budget.trials
        return f"all {trials} trials of the budget have run" if self.num_counted >= trials else ""

    def _hours(self, elapsed_s: float) -> Hours:
        return Hours(
            study=self.study,
            knowledge=self.knowledge,
            elapsed_s=elapsed_s,
            find_best=self._better_than_baseline,
        )

    def _better_than_baseline(self) -> TrialConfig | None:
        best = self.incumbent
        return None if best is None or best.config == self.study.baseline else best.config

    def _too_late(self, task: Task, elapsed_s: float) -> str:
        """Why a trial would not end within the budget; empty while it would, as far as is known."""
        begins_pair = task.purpose is Purpose.CERTIFY and task.config == self.study.baseline
        return self._hours(elapsed_s).too_short_for(task.config, begins_pair=begins_pair)

    def _is_first_baseline_running(self) -> bool:
        """True while other workers would have to guess: nothing has ended, and the baseline is under way."""
        return bool(self.running) and not self.knowledge.ledger.ended

    @property
    def _may_probe(self) -> bool:
        return self.traits.can_probe and self._num_lost_probes < MAX_LOST_PROBES

    def _was_asked(self, config: TrialConfig) -> bool:
        return config in self.knowledge.ledger.num_asked

    def _next_id(self) -> str:
        return f"{len(self.knowledge.ledger.records) + 1:04d}"

    def _start(self, task: Task, *, is_proposal: bool = False) -> Run:
        run = Run(
            trial_id=self._next_id(),
            config=task.config,
            seed=task.seed,
            num_epochs=self.study.stage.num_epochs,
            purpose=task.purpose,
        )
        record = record_of(run)
        if not is_proposal:
            self._planner.started(record)
        self.knowledge.put(record)
        self._num_attempts[task] = self._num_attempts.get(task, 0) + 1
        return run

    def _start_probe(self, step: ProbeStep, elapsed_s: float) -> Probe:
        self._num_probes += 1
        trial_id = f"{PROBE_PREFIX}{self._num_probes:03d}"
        self._probing[trial_id] = _Probing(step.configs, elapsed_s)
        return Probe(trial_id=trial_id, configs=step.configs)

    def _decide(self, record: TrialRecord, elapsed_s: float) -> Decision:
        assert record.last is not None  # it has just been observed
        if record.last.status is not Status.OK or record.epoch >= record.num_epochs:
            return Continue()
        if elapsed_s >= self.study.budget.budget_s:
            return Stop(f"the budget of {self.study.budget.hours:g} h is spent")
        if missing := self.knowledge.problem.goal.unreported([*self.records, record]):
            return Stop(missing)
        if record.purpose is not Purpose.SEARCH:
            return Continue()
        return self._rule.decide(record, evidence(record, self.knowledge, self.incumbent))


def _reference_rows(study: StudySpec) -> list[Task]:
    rows = [Task(Purpose.BASELINE, study.baseline, study.seed)]
    if study.guide is not None and study.guide != study.baseline:
        rows.append(Task(Purpose.GUIDE, study.guide, study.seed))
    return rows
