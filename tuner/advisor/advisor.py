"""The shipped advisor: reference rows first, then what the search wants, each trial watched by one rule.

It composes search (what to try), scheduling (when to stop) and core (what counts), and keeps the records. It
knows nothing of how trials are run, of files or of time: whoever drives it says how much time has passed.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from tuner.advisor.agenda import Agenda, Task
from tuner.advisor.broken import why_broken, why_unreported
from tuner.advisor.facts import (
    Asked,
    CertifyOrdered,
    Ended,
    Heard,
    ProbeDone,
    Retried,
)
from tuner.advisor.hours import Hours
from tuner.advisor.judgement import admitted, incumbent, qualified, recommended
from tuner.advisor.knowledge import Knowledge, problem_of
from tuner.advisor.messages import (
    Ask,
    Broken,
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
from tuner.advisor.planning import make_proposer, next_step, probe_limit_s
from tuner.advisor.telling import evidence, full_budget_values
from tuner.certificate import firm_terms, num_ahead
from tuner.core.config import TrialConfig
from tuner.core.estimate import Estimate
from tuner.core.measurement import Measurement, Status
from tuner.core.recommend import Recommendation
from tuner.core.study import StudySpec
from tuner.core.traits import StageTraits
from tuner.core.trial import Purpose, TrialRecord, TrialState
from tuner.core.warm_start import WarmStart
from tuner.scheduling import Continue, Decision, Stop, make_rule
from tuner.search.policy.probing import ProbeStep
from tuner.search.policy.stopping import Decided


class Advisor:
    """Decides what to run, when to stop it and what to recommend.

    The contract: `ask` until it answers Finished, before the last trial has ended only if it is Broken: what
    still runs is then to be ended, and told as discarded. For each Run, `observe` every report and `tell` how
    it ended; for each Probe, `probed` with its results, or `tell` when it was lost. The same calls with the
    same seed give the same answers, and saying the same thing twice changes nothing. `elapsed_s`, seconds
    since the study began, is all it knows of time.

    Args:
        study: The study to carry out.
        num_workers: Trials that may run at once.
        traits: Properties that the stage and its device state of themselves.
        warm_start: NRMSE results of an earlier run; no seed that it used is used again.

    Attributes:
        study: The study, as given.
        traits: The traits, as given.
        warm_start: The warm start, as given.
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
        warm_start: WarmStart | None = None,
    ) -> None:
        self.study = study
        self.traits = traits or StageTraits()
        self.warm_start = warm_start
        self._num_workers = num_workers
        if warm_start is not None:
            study = replace(study, seed=warm_start.fresh_seed(study.seed))
        self.knowledge = Knowledge(problem_of(study, self.traits), warm_start)
        self._proposer = make_proposer(study)
        with study.locating("scheduler"):
            self._rule = make_rule(study.scheduler.rule, study.scheduler.options)
        self._agenda = Agenda(study)
        self._finished: Finished | None = None
        self._search_over = ""

    def ask(self, elapsed_s: float = 0.0) -> Ask:
        """Returns what to do next. After Wait, ask again once something has happened."""
        if self._finished:
            return self._finished
        broken = self._broken_stage()
        reason = broken or self._reason_to_finish(elapsed_s, self.records)
        if not reason:
            if self._num_busy >= self._num_workers:
                return Wait()
            answer = self._next(elapsed_s)
            if not isinstance(answer, str):
                return answer
            reason = answer
        if broken:
            return self._finish(Broken(reason=broken))
        return Wait() if self._num_busy else self._finish(Finished(reason=reason))

    def _finish(self, last: Finished) -> Finished:
        if self._proposer is not None:
            self._proposer.close()
        self._finished = last
        return last

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
        if self._agenda.probe_done(trial_id, len(results), elapsed_s):
            self.knowledge.put_probes(probed_of(result) for result in results)

    def tell(self, trial_id: str, ending: Ending) -> None:
        """Takes the end of a trial.

        A lost one is asked for again, as often as the study allows; a discarded one always, since its end
        counts against nothing. With a checkpoint of epochs that were reported, the repeat goes on from there.
        """
        if self._agenda.probe_lost(trial_id, ending) or self.record(trial_id).state is not TrialState.RUNNING:
            return
        record = ended_by(self.record(trial_id), ending)
        self._end(record, ending)
        self.knowledge.drop_contradicted(record)

    def _end(self, record: TrialRecord, ending: Ending) -> None:
        """Takes the last record of a trial, from which nothing is learnt if the trial is asked again."""
        self.knowledge.end(record, is_due_again=self._agenda.ended(record, ending))
        if self._proposer is not None:
            self._proposer.tell(record, full_budget_values(record, self.knowledge))

    def retry(self) -> None:
        """Gives a stage that was broken another chance: its baseline is asked again."""
        if isinstance(self._finished, Broken):
            self._finished = None
            self._agenda.retry_baseline()

    def certify(self, hours: float | None = None) -> None:
        """Makes the certificate go on until it is firm; an advisor that had finished is asked again.

        A search that had ended stays over: nothing new is tried.

        Args:
            hours: Hours of the budget from now on, counted from the beginning; None to keep them.
        """
        self._certify(hours, *self.num_judged)

    def _certify(self, hours: float | None, looked: int, looked_runs: int) -> None:
        self.study = self.study.with_overrides(
            hours=hours, until_firm=True, looked=looked, looked_runs=looked_runs
        )
        if self._finished and not self.is_broken:
            self._search_over = "the search had ended before its certificate went on"
        self._finished = None

    def recall(self, facts: Iterable[Heard]) -> None:
        """Takes over what earlier processes of the run asked and heard; decides nothing again.

        What the sampler of another searcher drew is not repeated: it is told all trials, and draws anew.

        Args:
            facts: All of them, in their order. This advisor has asked nothing yet.
        """
        for heard in facts:
            record = self.knowledge.recall(heard.fact)
            match heard.fact:
                case Asked(answer=Probe() as probe):
                    self._agenda.probe_asked(probe, heard.elapsed_s)
                case Asked(answer=Finished() as last):
                    self._finish(last)
                case Asked() if record:
                    self._adopt(record)
                    self._agenda.asked(Task.of(record))
                case ProbeDone(trial_id=trial_id, results=results):
                    self._agenda.probe_done(trial_id, len(results), heard.elapsed_s)
                case Ended(trial_id=trial_id, ending=ending) if record:
                    if self.knowledge.is_running(trial_id):  # no second end of the same trial
                        self._end(record, ending)
                case Ended(trial_id=trial_id, ending=ending):
                    self._agenda.probe_lost(trial_id, ending)
                case CertifyOrdered(hours=hours, looked=looked, looked_runs=looked_runs):
                    self._certify(hours, looked, looked_runs)
                case Retried():
                    self.retry()

    @property
    def num_judged(self) -> tuple[int, int]:
        """`looked` and `looked_runs` of the terms of its certificate, if that goes on from here."""
        study = self.study
        terms = firm_terms(
            self.records, study.baseline, study.guide, study.certificate, is_over=bool(self._finished)
        )
        return terms.looked, terms.looked_runs

    def recommend(self) -> Recommendation | None:
        """Returns what to run instead of the baseline, as far as is known; None if nothing deserves it."""
        return recommended(self.study, self.knowledge)

    @property
    def admitted(self) -> dict[TrialConfig, float]:
        """Returns what may be recommended, with the probability that its mean NRMSE meets the target."""
        return admitted(self.study, self.knowledge)

    @property
    def records(self) -> tuple[TrialRecord, ...]:
        """The records of every trial ever asked for, in the order of asking."""
        return self.knowledge.records

    @property
    def running(self) -> tuple[TrialRecord, ...]:
        """The trials asked for whose end has not been told."""
        return self.knowledge.running

    @property
    def open_ids(self) -> tuple[str, ...]:
        """The trials and probes asked for whose end has not been told."""
        return (*(record.trial_id for record in self.running), *self._agenda.probing)

    @property
    def resumable_ids(self) -> tuple[str, ...]:
        """The trials whose checkpoints may still be of use: they run, or will be asked again."""
        if self._finished:
            return ()
        left = (checkpoint.trial_id for checkpoint in self._agenda.checkpoints)
        return (*(record.trial_id for record in self.running), *left)

    def record(self, trial_id: str) -> TrialRecord:
        """Returns the record of one trial.

        Raises:
            KeyError: The trial was never asked for.
        """
        return self.knowledge.record(trial_id)

    @property
    def incumbent(self) -> Estimate | None:
        """The best configuration that may be relied on to meet the target and the limits."""
        return incumbent(self.knowledge)

    @property
    def is_broken(self) -> bool:
        """Whether the study ended because its stage does not work."""
        return isinstance(self._finished, Broken)

    @property
    def finish_reason(self) -> str:
        """The reason why nothing more is asked; empty while something is."""
        return self._finished.reason if self._finished else ""

    @property
    def warm_start_contradiction(self) -> str:
        """The reason why the warm start was dropped; empty while it is used."""
        return self.knowledge.contradiction

    @property
    def pooling_contradiction(self) -> str:
        """The reason why runs are not pooled as the stage's invariance allows; empty while they are."""
        return self.knowledge.pooling_contradiction

    @property
    def probing_given_up(self) -> str:
        """The reason why no more probes are asked for, though the stage offers them; empty while they are."""
        return self._agenda.probing_given_up

    @property
    def num_counted(self) -> int:
        """Trials that count against the budget; a lost one and its repeats count once."""
        return len(self.knowledge.observations.num_asked)

    @property
    def _num_busy(self) -> int:
        return len(self.knowledge.observations.running) + len(self._agenda.probing)

    def _reason_to_finish(self, elapsed_s: float, records: Sequence[TrialRecord]) -> str:
        """Returns why nothing at all is to be started any more; empty while something may be."""
        if elapsed_s >= self.study.budget.budget_s:
            return f"the budget of {self.study.budget.hours:g} h is spent"
        return why_unreported(self.knowledge.problem.goal, records)

    def _broken_stage(self) -> str:
        return "" if self._agenda.is_baseline_due else why_broken(self.records)

    def _next(self, elapsed_s: float) -> Run | Probe | str:
        """Returns what to start now, or why there is nothing to start."""
        too_short = self._hours(elapsed_s).too_short_to_search()
        exhausted = self._search_over or self._all_tried() or too_short
        due = self._agenda.next
        if due and (not exhausted or self._was_asked(due.config)):
            return self._too_late(due, elapsed_s) or self._start(due)
        if self._is_first_baseline_running():
            return "the baseline is not measured yet"
        step = self._wanted(is_searching=not exhausted, has_time=not too_short)
        if isinstance(step, Decided):
            return exhausted or step.reason
        if isinstance(step, ProbeStep):
            return "a probe is under way" if self._agenda.probing else self._start_probe(step, elapsed_s)
        if self._proposer is not None and step.purpose is Purpose.SEARCH:
            return self._start(step, is_proposal=True)  # the sampler counts it as asked for: no way back
        return self._too_late(step, elapsed_s) or self._start(step)

    def _wanted(self, *, is_searching: bool, has_time: bool) -> Task | ProbeStep | Decided:
        """Returns the next step of the plan; see `next_step`."""
        return next_step(
            self.study,
            self.knowledge,
            self._proposer,
            self._next_id(),
            is_searching=is_searching,
            has_time=has_time,
            probe_cost_s=self._agenda.probe_cost_s if self._may_probe else None,
        )

    def _all_tried(self) -> str:
        """Returns why no further configuration is to be tried, whatever the time; empty while one may be."""
        trials = self.study.budget.trials
        return f"all {trials} trials of the budget have run" if self.num_counted >= trials else ""

    def _hours(self, elapsed_s: float) -> Hours:
        return Hours(study=self.study, knowledge=self.knowledge, elapsed_s=elapsed_s)

    def _too_late(self, task: Task, elapsed_s: float) -> str:
        """Returns why a trial would not end within the budget; empty if it would, as far as is known."""
        hours, baseline = self._hours(elapsed_s), self.study.baseline
        if task.purpose is not Purpose.CERTIFY:
            return hours.too_short_for(task.config)
        num_runs = num_ahead(self.records, task.config, task.seed, baseline, self.study.certificate)
        return hours.too_short_for(task.config, begins_pair=task.config == baseline, num_runs=num_runs)

    def _is_first_baseline_running(self) -> bool:
        """True while other workers would have to guess: nothing has ended, and the baseline is under way."""
        return bool(self.running) and not self.knowledge.observations.ended

    @property
    def _may_probe(self) -> bool:
        return self.traits.can_probe and not self.probing_given_up

    def _was_asked(self, config: TrialConfig) -> bool:
        return any(record.config == config for record in self.records)

    def _next_id(self) -> str:
        return f"{len(self.records) + 1:04d}"

    def _start(self, task: Task, *, is_proposal: bool = False) -> Run:
        left = self._agenda.checkpoint(task)
        run = Run(
            trial_id=self._next_id(),
            config=task.config,
            seed=task.seed,
            num_epochs=self.study.stage.num_epochs,
            purpose=task.purpose,
            resumed_from=left.trial_id if left else "",
            from_epoch=left.epoch if left else 0,
        )
        record = record_of(run, {left.trial_id: self.record(left.trial_id)} if left else {})
        if not is_proposal:
            self._adopt(record)
        self.knowledge.put(record)
        self._agenda.asked(task)
        return run

    def _adopt(self, record: TrialRecord) -> None:
        """Tells the sampler of a trial that it did not choose."""
        if self._proposer is not None:
            self._proposer.adopt(record.trial_id, record.config)

    def _start_probe(self, step: ProbeStep, elapsed_s: float) -> Probe:
        limit_s = probe_limit_s(self.knowledge)
        probe = Probe(trial_id=self._agenda.next_probe_id, configs=step.configs, limit_s=limit_s)
        self._agenda.probe_asked(probe, elapsed_s)
        return probe

    def _decide(self, record: TrialRecord, elapsed_s: float) -> Decision:
        assert record.last is not None  # it has just been observed
        if record.last.status is not Status.OK or record.epoch >= record.num_epochs:
            return Continue()
        if reason := self._reason_to_finish(elapsed_s, [*self.records, record]):
            return Stop(reason)
        if record.purpose is not Purpose.SEARCH:
            return Continue()
        return self._rule.decide(record, evidence(record, self.knowledge, qualified(self.knowledge)))
