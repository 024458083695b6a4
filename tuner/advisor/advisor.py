"""The shipped advisor: reference rows first, then what the sampler proposes, each trial watched by one rule.

It composes search (what to try), scheduling (when to stop), `replicates` (what to run again) and core (what
counts), and keeps the records. It knows nothing of how trials are run, of files or of time: whoever drives it
says how much time has passed.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

from tuner.advisor.messages import (
    Ask,
    Ending,
    Finished,
    ProbeResult,
    Run,
    Wait,
    record_of,
)
from tuner.advisor.replicates import next_replicate, reserved_s
from tuner.core.config import TrialConfig
from tuner.core.estimate import Estimate
from tuner.core.measurement import Measurement, Status
from tuner.core.recommend import Recommendation, incumbent, recommend, threshold
from tuner.core.trial import Purpose, TrialRecord, TrialState
from tuner.scheduling import Continue, Decision, Evidence, Stop, make_rule, project
from tuner.search import OptunaProposer, Outcome
from tuner.spec import StudySpec

MAX_FAILURES = 3
"""Trials that may fail before any has reported: more means a broken stage, not a bad configuration."""


class _Task(NamedTuple):
    """A trial to be asked for."""

    purpose: Purpose
    config: TrialConfig
    seed: int


class Advisor:
    """Decides what to run, when to stop it and what to recommend.

    The contract: `ask` until it answers Finished; for each Run, `observe` every report and `tell`
    how it ended. The same calls with the same seed give the same answers, and saying the same thing
    twice changes nothing. `elapsed_s`, seconds since the study began, is all it knows of time.

    Args:
        study: What to do.
        num_workers: Trials that may run at once.

    Raises:
        SpecError: The study's sampler or stopping rule, or an option of theirs, is wrong.
    """

    def __init__(self, study: StudySpec, *, num_workers: int = 1) -> None:
        self.study = study
        self._num_workers = num_workers
        with study.locating("search"):
            self._proposer = OptunaProposer(
                study.lattice, study.search.sampler, study.search.options, study.seed
            )
        with study.locating("scheduler"):
            self._rule = make_rule(study.scheduler.rule, study.scheduler.options)
        self._records: dict[str, TrialRecord] = {}
        self._num_attempts: dict[_Task, int] = {}
        self._queue = deque(_reference_rows(study))
        self._finished: Finished | None = None

    def ask(self, elapsed_s: float = 0.0) -> Ask:
        """What to do next. Wait means: ask again after the next event."""
        if self._finished:
            return self._finished
        reason = self._reason_to_finish(elapsed_s)
        if not reason:
            if len(self.running) >= self._num_workers:
                return Wait()
            reason = self._reason_to_end_search(elapsed_s)
            if task := self._next_task(elapsed_s, is_searching=not reason):
                return self._start(task)
            reason = reason or "every legal configuration has been tried"
        if self.running:
            return Wait()
        self._proposer.close()
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
        self._records[trial_id] = record
        return decision

    def probed(self, trial_id: str, results: Sequence[ProbeResult]) -> None:
        """Takes the results of a probe: a configuration that does not fit is never asked for."""
        ending = Ending.out_of_memory("a probe ran out of memory")
        for number, result in enumerate(results):
            if result.status is Status.OOM:
                record = TrialRecord(
                    trial_id=f"{trial_id}/{number}",
                    config=result.config,
                    seed=self.study.seed,
                    num_epochs=self.study.stage.num_epochs,
                )
                self._proposer.adopt(record.trial_id, record.config)
                self._proposer.tell(_ended(record, ending), None)

    def tell(self, trial_id: str, ending: Ending) -> None:
        """Takes the end of a trial; a lost one is asked for again, as often as the study allows."""
        record = self.record(trial_id)
        if record.state is not TrialState.RUNNING:
            return
        record = _ended(record, _corrected(ending, record))
        self._records[trial_id] = record
        self._proposer.tell(record, self._outcome(record))
        task = _Task(record.purpose, record.config, record.seed)
        if ending.is_lost and self._num_attempts[task] <= self.study.resources.retries:
            self._queue.appendleft(task)

    def recommend(self) -> Recommendation | None:
        """What to run instead of the baseline, as far as is known; None when nothing deserves it."""
        return recommend(self.records, self.study.target)

    @property
    def records(self) -> tuple[TrialRecord, ...]:
        """Every trial ever asked for, in the order of asking."""
        return tuple(self._records.values())

    @property
    def running(self) -> tuple[TrialRecord, ...]:
        """The trials asked for whose end has not been told."""
        return tuple(r for r in self._records.values() if r.state is TrialState.RUNNING)

    def record(self, trial_id: str) -> TrialRecord:
        """What is known of one trial.

        Raises:
            KeyError: It was never asked for.
        """
        if trial_id not in self._records:
            raise KeyError(f"the advisor never asked for a trial {trial_id!r}")
        return self._records[trial_id]

    @property
    def incumbent(self) -> Estimate | None:
        """The fastest configuration that meets the target, by all of its runs."""
        return incumbent(self.records, self.study.target)

    @property
    def finish_reason(self) -> str:
        """Why nothing more is asked; empty while something is."""
        return self._finished.reason if self._finished else ""

    @property
    def num_counted(self) -> int:
        """Trials that count against the budget; a lost one and its repeats count once."""
        return len({record.config for record in self._records.values()})

    def _complete(self) -> tuple[TrialRecord, ...]:
        return tuple(r for r in self._records.values() if r.is_full_budget)

    def _reason_to_finish(self, elapsed_s: float) -> str:
        """Why nothing at all is to be started any more; empty while something may be."""
        if elapsed_s >= self.study.budget.budget_s:
            return f"the budget of {self.study.budget.hours:g} h is spent"
        return self._broken_stage()

    def _reason_to_end_search(self, elapsed_s: float) -> str:
        """Why no further configuration is to be tried; empty while one is."""
        budget = self.study.budget
        if self.num_counted >= budget.trials:
            return f"all {budget.trials} trials of the budget have run"
        shortest_s = min((r.time_s for r in self._complete()), default=0.0)
        left_s = budget.budget_s - elapsed_s - reserved_s(self.study, self.records)
        if left_s < shortest_s:
            return f"the {max(0.0, left_s):.0f} s left of the budget are too short for one more trial"
        return ""

    def _broken_stage(self) -> str:
        records = self._records.values()
        failures = [r for r in records if r.state is TrialState.FAILED]
        if len(failures) < MAX_FAILURES or any(r.measurements for r in records):
            return ""
        return f"the first {len(failures)} trials failed without a report: {failures[-1].reason}"

    def _next_task(self, elapsed_s: float, *, is_searching: bool) -> _Task | None:
        """What to run next: what waits, a replicate that is due, a new configuration; None when nothing."""
        if self._queue and (is_searching or self._was_asked(self._queue[0].config)):
            return self._queue.popleft()
        if due := next_replicate(self.study, self.records, elapsed_s, is_searching=is_searching):
            return _Task(Purpose.REPLICATE, due.config, due.seed)
        proposal = self._proposer.propose(self._next_id()) if is_searching else None
        return _Task(Purpose.SEARCH, proposal, self.study.seed) if proposal else None

    def _was_asked(self, config: TrialConfig) -> bool:
        return any(record.config == config for record in self._records.values())

    def _next_id(self) -> str:
        return f"{len(self._records) + 1:04d}"

    def _start(self, task: _Task) -> Run:
        run = Run(
            trial_id=self._next_id(),
            config=task.config,
            seed=task.seed,
            num_epochs=self.study.stage.num_epochs,
            purpose=task.purpose,
        )
        if task.purpose is not Purpose.SEARCH:
            self._proposer.adopt(run.trial_id, run.config)
        self._records[run.trial_id] = record_of(run)
        self._num_attempts[task] = self._num_attempts.get(task, 0) + 1
        return run

    def _threshold(self) -> float | None:
        return threshold(self.records, self.study.target)

    def _decide(self, record: TrialRecord, elapsed_s: float) -> Decision:
        assert record.last is not None  # it has just been observed
        if record.last.status is not Status.OK or record.epoch >= record.num_epochs:
            return Continue()
        if elapsed_s >= self.study.budget.budget_s:
            return Stop(f"the budget of {self.study.budget.hours:g} h is spent")
        if record.purpose is not Purpose.SEARCH:
            return Continue()
        evidence = Evidence(finished=self._complete(), incumbent=self.incumbent, threshold=self._threshold())
        return self._rule.decide(record, evidence)

    def _outcome(self, record: TrialRecord) -> Outcome | None:
        """What the search is told of a trial at full budget; None when it has no figures."""
        if record.is_full_budget:
            time_s, nrmse, bound = record.time_s, record.nrmse, record.nrmse
        elif projection := project(record, self._complete()):
            time_s, nrmse, bound = projection.time_s, projection.nrmse, projection.nrmse_optimistic
        else:
            return None
        limit = self._threshold()
        quality = bound - limit if bound and limit else 0.0  # 0: not known yet
        return Outcome(projected_time_s=time_s, projected_nrmse=nrmse, quality=quality)


def _reference_rows(study: StudySpec) -> list[_Task]:
    rows = [_Task(Purpose.BASELINE, study.baseline, study.seed)]
    if study.guide is not None and study.guide != study.baseline:
        rows.append(_Task(Purpose.GUIDE, study.guide, study.seed))
    return rows


def _corrected(ending: Ending, record: TrialRecord) -> Ending:
    """The ending as the reports bear it out: a trial told complete that lacks epochs was stopped."""
    if ending.state is TrialState.COMPLETE and record.epoch < record.num_epochs:
        return Ending.stopped(f"it ended after {record.epoch} of {record.num_epochs} epochs")
    return ending


def _ended(record: TrialRecord, ending: Ending) -> TrialRecord:
    return record.ended(ending.state, reason=ending.reason, constraint=ending.constraint)
