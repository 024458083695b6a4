"""The certificate: the checks on what is recommended, their verdict, and what a firmer one would cost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from statistics import fmean

from tuner.certificate.audit import Claim, audit, unchanged
from tuner.certificate.checks import (
    Check,
    TargetRuns,
    check_limits,
    check_memory,
    check_nrmse,
    check_objective,
    check_utilisation,
    worst,
)
from tuner.certificate.judged_runs import JudgedRuns, judged_runs
from tuner.certificate.rounds import Disturbance, Pair, Rounds, wall_s
from tuner.certificate.seen import DivergedRuns, NotJudged, NrmseChange, Outcome
from tuner.certificate.verdict import Conditions, Verdict, verdict_of
from tuner.core.certificate_terms import Look, TargetLook, Terms
from tuner.core.config import TrialConfig
from tuner.core.goal import Goal
from tuner.core.recommend import baseline_estimate
from tuner.core.trial import Purpose, TrialRecord, TrialState
from tuner.core.untrained import Start


class Prospect(StrEnum):
    """The effect that further runs would have on a certificate."""

    DECIDED = "decided"
    NOT_JUDGED_YET = "not_judged_yet"
    """The certificate is judged when the run has ended."""
    ALL_LOOKS_TAKEN = "all_looks_taken"
    ALL_DISTURBED = "all_disturbed"
    """The certificate was given up, since others disturbed every pair."""
    BEYOND_LAST_LOOK = "beyond_last_look"
    """More pairs or runs would be needed than are ever made."""
    UNKNOWN = "unknown"
    """More pairs or runs would help, but it cannot be said yet how many."""
    MORE_PAIRS = "more_pairs"
    """More pairs would probably decide every check."""
    MORE_RUNS = "more_runs"
    """Only an absolute target is undecided; more runs of the configuration alone would probably decide it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificate:
    """A certificate: what the paired runs proved about a configuration, and what they did not.

    Attributes:
        config: The configuration.
        baseline: The configuration it was compared with.
        goal: The study's goal.
        terms: The terms of the certificate.
        look: The number of pairs after which it was judged, and the level; None if it was not judged yet.
        num_run: Number of pairs that have been run, judged or not.
        target_look: The number of runs after which an absolute target was judged, and the level; None if it
            was not judged yet, or if the target is relative.
        num_runs: Number of runs of the configuration, judged or not: one in each pair, and those alone.
        target_seeds: Seeds of the runs that an absolute target was judged on; for a relative one, `seeds`.
        is_over: Whether the study has ended.
        seeds: Seeds of the pairs that were judged.
        disturbed: The judged pairs whose times cannot be compared, by seed, with the reasons.
        checks: The four checks in the guide's order, and the study's limits if it has some.
        claims: The audit of the guide's promises, for the recommendation and for the guide's own row.
        cost_s: Seconds for which its runs occupied a worker.
        round_s: Seconds that one more pair would take; None if no pair was run.
        run_s: Seconds that one more run of the configuration alone would take; None if none was made.
        is_simulated: Whether its runs were simulated; its verdict then says so.
        start: The untrained start; None if no trial measured it. No check depends on it.
        mean_nrmse: Mean NRMSE of the runs that the target was judged on; None if there are none.
    """

    config: TrialConfig
    baseline: TrialConfig
    goal: Goal
    terms: Terms
    look: Look | None
    num_run: int
    target_look: TargetLook | None
    num_runs: int
    is_over: bool
    seeds: tuple[int, ...]
    target_seeds: tuple[int, ...]
    disturbed: Mapping[int, tuple[Disturbance, ...]]
    checks: tuple[Check, ...]
    claims: tuple[Claim, ...]
    cost_s: float
    round_s: float | None
    run_s: float | None
    is_simulated: bool = False
    start: Start | None = None
    mean_nrmse: float | None = None

    @property
    def outcome(self) -> Outcome:
        """The worst outcome of the checks that can be measured here: passed only if all of them are."""
        return worst([check.outcome for check in self.checks])

    @property
    def verdict(self) -> Verdict:
        """The outcome as a verdict. For a simulation it says what the verdict would be."""
        return verdict_of(self.outcome, is_simulated=self.is_simulated)

    @property
    def not_measurable(self) -> tuple[Check, ...]:
        """The checks that cannot be measured here."""
        return tuple(c for c in self.checks if c.outcome is Outcome.NOT_MEASURABLE)

    @property
    def speedup(self) -> tuple[float, float, float] | None:
        """The ratio of the objective, baseline over winner, with its interval's bounds; None if unknown."""
        ratio, low, high = (self._timing.get(name) for name in ("ratio", "ratio_low", "ratio_high"))
        return None if ratio is None or low is None or high is None else (ratio, low, high)

    @property
    def num_timed(self) -> int:
        """Number of undisturbed pairs, which the ratio rests on."""
        return int(self._timing.get("num_pairs") or 0)

    @property
    def _timing(self) -> Mapping[str, float | None]:
        return next(check.figures for check in self.checks if check.key == "time")

    @property
    def firm_terms(self) -> Terms:
        """The terms under which the certificate continues until it is firm."""
        return self.terms.firm(self.num_run, is_over=self.is_over, num_runs=self.num_runs)

    @property
    def target_looks(self) -> tuple[TargetLook, ...]:
        """The looks at an absolute target under its terms; none if the target is relative."""
        if self.goal.target.is_relative:
            return ()
        return self.terms.target_looks(self.num_run or self.terms.pairs, self.num_runs)

    @property
    def num_target_runs(self) -> int:
        """Number of runs that the target was judged on."""
        return len(self.target_seeds)

    @property
    def is_target_alone_undecided(self) -> bool:
        """Whether nothing but an absolute target is undecided: the baseline has nothing more to say."""
        undecided = [check.seen for check in self.checks if check.outcome is Outcome.UNDECIDED]
        if self.outcome is not Outcome.UNDECIDED or len(undecided) != 1 or self.goal.target.is_relative:
            return False
        return isinstance(undecided[0], NrmseChange) and undecided[0].margin is Outcome.PASSED

    @property
    def more_pairs(self) -> int | None:
        """Number of further pairs until the look that probably decides; None if unknown, or if none does.

        None as well if no pair is needed, see `more_runs`.
        """
        if self.is_target_alone_undecided:
            return None
        needed = self._pairs_needed
        if needed is None:
            return None
        later = self.terms.later(self.num_run, is_over=self.is_over)
        return next((look.num_pairs - self.num_run for look in later if look.num_pairs >= needed), None)

    @property
    def more_runs(self) -> int | None:
        """Number of runs of the configuration alone until the look that probably decides an absolute target.

        They follow on `more_pairs`, if something else is undecided too. None if there need be none, if the
        number is unknown, or if no look does.
        """
        needed, more_pairs = self._runs_needed, self.more_pairs
        if needed is None or (more_pairs is None and not self.is_target_alone_undecided):
            return None
        num_done = self.num_runs + (more_pairs or 0)
        num_runs = next((look.num_runs for look in self._later_target if look.num_runs >= needed), 0)
        return num_runs - num_done if num_runs > num_done else None

    @property
    def _later_target(self) -> tuple[TargetLook, ...]:
        return self.terms.later_target(self.num_run, self.num_runs, is_over=self.is_over)

    @property
    def last_target_look(self) -> TargetLook:
        """The last look at an absolute target that there may ever be."""
        return self.firm_terms.target_looks(self.num_run, self.num_runs)[-1]

    @property
    def _runs_needed(self) -> int | None:
        return next((c.runs_needed for c in self.checks if c.key == "nrmse"), None)

    @property
    def prospect(self) -> Prospect:
        """The effect that further runs would have; see `Prospect`."""
        if self.outcome is not Outcome.UNDECIDED:
            return Prospect.DECIDED
        if self.look is None and not self.is_over and not self.terms.until_firm:
            return Prospect.NOT_JUDGED_YET
        return self._prospect_of_target if self.is_target_alone_undecided else self._prospect_of_pairs

    @property
    def _prospect_of_pairs(self) -> Prospect:
        if not self.terms.later(self.num_run, is_over=self.is_over):
            return Prospect.ALL_LOOKS_TAKEN
        if self._is_hopeless:
            return Prospect.ALL_DISTURBED
        needed = self._runs_needed or 0
        is_in_reach = not needed or any(look.num_runs >= needed for look in self._later_target)
        if self.more_pairs is not None and is_in_reach:
            return Prospect.MORE_PAIRS
        return Prospect.UNKNOWN if self._pairs_needed is None else Prospect.BEYOND_LAST_LOOK

    @property
    def _prospect_of_target(self) -> Prospect:
        if not self._later_target:
            return Prospect.ALL_LOOKS_TAKEN
        if self.more_runs is not None:
            return Prospect.MORE_RUNS
        return Prospect.UNKNOWN if self._runs_needed is None else Prospect.BEYOND_LAST_LOOK

    @property
    def more_s(self) -> float | None:
        """Seconds that `more_pairs` and `more_runs` would take; None if a figure is unknown."""
        parts = ((self.more_pairs, self.round_s), (self.more_runs, self.run_s))
        seconds = [num * one_s if one_s else None for num, one_s in parts if num]
        known = [one for one in seconds if one is not None]
        return sum(known) if known and len(known) == len(seconds) else None

    @property
    def _is_hopeless(self) -> bool:
        """Whether `next_run` gave the certificate up before its last look."""
        is_given_up = self.terms.until_firm and self.look is not None and self.look.num_pairs == self.num_run
        return is_given_up and self.num_run > self.terms.looked and len(self.disturbed) == len(self.seeds)

    @property
    def _pairs_needed(self) -> int | None:
        """Total number of pairs that would probably decide what they can; None if that cannot be said."""
        if self.outcome is not Outcome.UNDECIDED:
            return None
        if self.look is None:
            return self.num_run + 1  # the next look, whichever it is
        undecided = [check for check in self.checks if check.outcome is Outcome.UNDECIDED]
        if any(check.pairs_needed is None and check.runs_needed is None for check in undecided):
            return None
        return max((check.pairs_needed or 0 for check in undecided), default=0) or None


def certify(  # noqa: PLR0913 - what a certificate depends on; everything after the first five is named
    records: Sequence[TrialRecord],
    winner: TrialConfig,
    baseline: TrialConfig,
    goal: Goal,
    terms: Terms,
    *,
    guide: TrialConfig | None = None,
    conditions: Conditions | None = None,
    is_over: bool = True,
    may_go_on: bool = False,
) -> Certificate:
    """Judges what the certifying runs among the records prove about `winner`.

    Args:
        records: The records of all trials of the study.
        winner: The recommended configuration.
        baseline: The configuration it is compared with.
        goal: The study's goal.
        terms: The terms of the certificate.
        guide: The guide's row, which is audited; None if there is none.
        conditions: The conditions that the runs were made under.
        is_over: Whether the study has ended, see `Terms.look`.
        may_go_on: Whether runs of the winner alone may follow: an absolute target is then judged at the
            levels that leave something for the looks after them.
    """
    conditions = conditions or Conditions()
    rounds = Rounds.of(records)
    seen = judged_runs(rounds, winner, baseline, goal, terms, is_over=is_over, may_go_on=may_go_on)
    mine = [r for r in records if r.config == winner and r.state is not TrialState.RUNNING]
    limits = [check_limits(seen.pairs, goal)] if goal.limits else []
    known = baseline_estimate(records)
    audited = audit(rounds.pairs(baseline, guide), conditions.guide_speedup) if guide else ()
    return Certificate(
        config=winner,
        baseline=baseline,
        goal=goal,
        terms=terms,
        look=seen.look,
        num_run=seen.num_run,
        target_look=seen.target_look,
        num_runs=seen.num_runs,
        is_over=is_over,
        seeds=tuple(pair.winner.seed for pair in seen.pairs),
        target_seeds=tuple(run.seed for run in seen.runs),
        disturbed={pair.winner.seed: pair.disturbances for pair in seen.pairs if not pair.is_clean},
        checks=(
            *_tests(seen, goal, terms, mine, is_over=is_over),
            check_memory(mine, conditions.memory_gib),
            *limits,
        ),
        claims=(unchanged(seen.pairs, seen.level), *audited),
        cost_s=sum(wall_s(r) for r in records if r.purpose is Purpose.CERTIFY),
        round_s=_round_s(rounds.pairs(baseline, winner)),
        run_s=_run_s(rounds.whole(winner, seen.num_runs)),
        is_simulated=conditions.is_simulated,
        start=Start.of(records, goal.target, known.nrmse if known else None),
        mean_nrmse=fmean(run.nrmse for run in seen.runs) if seen.runs else None,
    )


def _round_s(pairs: Sequence[Pair]) -> float | None:
    """Returns the mean seconds of a pair; None if there is none."""
    return fmean(wall_s(pair.baseline) + wall_s(pair.winner) for pair in pairs) if pairs else None


def _run_s(runs: Sequence[TrialRecord]) -> float | None:
    """Returns the mean seconds of a run; None if there is none."""
    return fmean(map(wall_s, runs)) if runs else None


def _tests(
    seen: JudgedRuns, goal: Goal, terms: Terms, runs: Sequence[TrialRecord], *, is_over: bool
) -> list[Check]:
    """Returns the checks that are statistical tests; `runs` are all runs of the winner."""
    pairs, level = seen.pairs, seen.level
    next_level = next((look.level for look in terms.later(seen.num_run, is_over=is_over)), level)
    alone = _target_runs(seen, terms, is_over=is_over)
    tests = [
        check_utilisation(pairs, level, next_level),
        check_objective(pairs, goal, level, next_level),
        _or_broken(check_nrmse(pairs, goal, level, terms.nrmse_margin_pct, next_level, alone), runs),
    ]
    if seen.look is not None or not seen.num_run:
        return tests
    not_judged = NotJudged(num_run=seen.num_run, num_alone=seen.num_runs - seen.num_run)
    return [replace(test, seen=not_judged) if test.outcome is Outcome.UNDECIDED else test for test in tests]


def _target_runs(seen: JudgedRuns, terms: Terms, *, is_over: bool) -> TargetRuns | None:
    """Returns the runs to hold against an absolute target; None before a look at it, or if it is relative."""
    look = seen.target_look
    if look is None or not seen.runs:
        return None
    later = terms.later_target(seen.num_run, seen.num_runs, is_over=is_over)
    return TargetRuns(
        nrmse=tuple(run.nrmse for run in seen.runs),
        level=look.level,
        next_level=next((one.level for one in later), look.level),
    )


def _or_broken(check: Check, runs: Sequence[TrialRecord]) -> Check:
    """Returns the check of NRMSE, failed if any run of the winner diverged."""
    diverged = sum(run.state is TrialState.INFEASIBLE and run.constraint == "finite" for run in runs)
    if not diverged:
        return check
    seen = DivergedRuns(num_diverged=diverged, num_runs=len(runs))
    return Check(key=check.key, outcome=Outcome.FAILED, seen=seen)
