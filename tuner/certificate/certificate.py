"""The certificate: the checks on what is recommended, their verdict, and what a firmer one would cost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from statistics import fmean

from tuner.certificate.audit import Claim, audit, unchanged
from tuner.certificate.checks import (
    Check,
    check_limits,
    check_memory,
    check_nrmse,
    check_objective,
    check_utilisation,
    worst,
)
from tuner.certificate.rounds import Disturbance, Pair, Rounds, wall_s
from tuner.certificate.seen import DivergedRuns, NotJudged, Outcome
from tuner.certificate.verdict import Conditions, Verdict, verdict_of
from tuner.core.certificate_terms import SINGLE_LEVEL, Look, Terms
from tuner.core.config import TrialConfig
from tuner.core.goal import Goal
from tuner.core.recommend import baseline_estimate
from tuner.core.trial import Purpose, TrialRecord, TrialState
from tuner.core.untrained import Start


class Prospect(StrEnum):
    """The effect that further pairs would have on a certificate."""

    DECIDED = "decided"
    NOT_JUDGED_YET = "not_judged_yet"
    """The certificate is judged when the run has ended."""
    ALL_LOOKS_TAKEN = "all_looks_taken"
    ALL_DISTURBED = "all_disturbed"
    """The certificate was given up, since others disturbed every pair."""
    BEYOND_LAST_LOOK = "beyond_last_look"
    """More pairs would be needed than are ever run."""
    UNKNOWN = "unknown"
    """More pairs would help, but it cannot be said yet how many."""
    MORE_PAIRS = "more_pairs"
    """More pairs would probably decide every check."""


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
        is_over: Whether the study has ended.
        seeds: Seeds of the pairs that were judged.
        disturbed: The judged pairs whose times cannot be compared, by seed, with the reasons.
        checks: The four checks in the guide's order, and the study's limits if it has some.
        claims: The audit of the guide's promises, for the recommendation and for the guide's own row.
        cost_s: Seconds for which its runs occupied a worker.
        round_s: Seconds that one more pair would take; None if no pair was run.
        is_simulated: Whether its runs were simulated; its verdict then says so.
        start: The untrained start; None if no trial measured it. No check depends on it.
        mean_nrmse: Mean NRMSE of the judged pairs' runs of the configuration; None if there are none.
    """

    config: TrialConfig
    baseline: TrialConfig
    goal: Goal
    terms: Terms
    look: Look | None
    num_run: int
    is_over: bool
    seeds: tuple[int, ...]
    disturbed: Mapping[int, tuple[Disturbance, ...]]
    checks: tuple[Check, ...]
    claims: tuple[Claim, ...]
    cost_s: float
    round_s: float | None
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
        return self.terms.firm(self.num_run, is_over=self.is_over)

    @property
    def more_pairs(self) -> int | None:
        """Number of further pairs until the look that probably decides; None if unknown, or if none does."""
        needed = self._pairs_needed
        if needed is None:
            return None
        later = self.terms.later(self.num_run, is_over=self.is_over)
        return next((look.num_pairs - self.num_run for look in later if look.num_pairs >= needed), None)

    @property
    def prospect(self) -> Prospect:
        """The effect that further pairs would have; see `Prospect`."""
        if self.outcome is not Outcome.UNDECIDED:
            return Prospect.DECIDED
        if self.look is None and not self.is_over and not self.terms.until_firm:
            return Prospect.NOT_JUDGED_YET
        if not self.terms.later(self.num_run, is_over=self.is_over):
            return Prospect.ALL_LOOKS_TAKEN
        if self._is_hopeless:
            return Prospect.ALL_DISTURBED
        if self.more_pairs is not None:
            return Prospect.MORE_PAIRS
        return Prospect.UNKNOWN if self._pairs_needed is None else Prospect.BEYOND_LAST_LOOK

    @property
    def more_s(self) -> float | None:
        """Seconds that `more_pairs` would take; None if either figure is unknown."""
        return None if not self.more_pairs or not self.round_s else self.more_pairs * self.round_s

    @property
    def _is_hopeless(self) -> bool:
        """Whether `next_run` gave the certificate up before its last look."""
        is_given_up = self.terms.until_firm and self.look is not None and self.look.num_pairs == self.num_run
        return is_given_up and self.num_run > self.terms.looked and len(self.disturbed) == len(self.seeds)

    @property
    def _pairs_needed(self) -> int | None:
        """Total number of pairs that would probably decide every check; None if that cannot be said."""
        if self.outcome is not Outcome.UNDECIDED:
            return None
        if self.look is None:
            return self.num_run + 1  # the next look, whichever it is
        needed = [c.pairs_needed for c in self.checks if c.outcome is Outcome.UNDECIDED]
        known = [num for num in needed if num is not None]
        return max(known) if len(known) == len(needed) else None


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
    """
    conditions = conditions or Conditions()
    rounds = Rounds.of(records)
    num_run = len(rounds.seeds_of(winner))
    look = terms.look(num_run, is_over=is_over)
    pairs = rounds.pairs(baseline, winner, look.num_pairs if look else 0)
    level = look.level if look else SINGLE_LEVEL
    mine = [r for r in records if r.config == winner and r.state is not TrialState.RUNNING]
    next_level = next((later.level for later in terms.later(num_run, is_over=is_over)), level)
    tests = _tests(pairs, goal, terms.nrmse_margin_pct, level, next_level, mine)
    if look is None and num_run:
        tests = _not_judged(tests, num_run)
    limits = [check_limits(pairs, goal)] if goal.limits else []
    known = baseline_estimate(records)
    finals = [pair.winner.nrmse for pair in pairs if pair.winner.is_whole]
    audited = audit(rounds.pairs(baseline, guide), conditions.guide_speedup) if guide else ()
    return Certificate(
        config=winner,
        baseline=baseline,
        goal=goal,
        terms=terms,
        look=look,
        num_run=num_run,
        is_over=is_over,
        seeds=tuple(pair.winner.seed for pair in pairs),
        disturbed={pair.winner.seed: pair.disturbances for pair in pairs if not pair.is_clean},
        checks=(*tests, check_memory(mine, conditions.memory_gib), *limits),
        claims=(unchanged(pairs, level), *audited),
        cost_s=sum(wall_s(r) for r in records if r.purpose is Purpose.CERTIFY),
        round_s=_round_s(rounds.pairs(baseline, winner)),
        is_simulated=conditions.is_simulated,
        start=Start.of(records, goal.target, known.nrmse if known else None),
        mean_nrmse=fmean(finals) if finals else None,
    )


def _round_s(pairs: Sequence[Pair]) -> float | None:
    """Returns the mean seconds of a pair; None if there is none."""
    return fmean(wall_s(pair.baseline) + wall_s(pair.winner) for pair in pairs) if pairs else None


def _tests(
    pairs: Sequence[Pair],
    goal: Goal,
    margin_pct: float,
    level: float,
    next_level: float,
    runs: Sequence[TrialRecord],
) -> list[Check]:
    """Returns the checks that are statistical tests; `runs` are all runs of the winner."""
    return [
        check_utilisation(pairs, level, next_level),
        check_objective(pairs, goal, level, next_level),
        _or_broken(check_nrmse(pairs, goal, level, margin_pct, next_level), runs),
    ]


def _not_judged(tests: Sequence[Check], num_run: int) -> list[Check]:
    """Returns the tests of a certificate without a look; the undecided ones say that they were not judged."""
    seen = NotJudged(num_run=num_run)
    return [replace(test, seen=seen) if test.outcome is Outcome.UNDECIDED else test for test in tests]


def _or_broken(check: Check, runs: Sequence[TrialRecord]) -> Check:
    """Returns the check of NRMSE, failed if any run of the winner diverged."""
    diverged = sum(run.state is TrialState.INFEASIBLE and run.constraint == "finite" for run in runs)
    if not diverged:
        return check
    seen = DivergedRuns(num_diverged=diverged, num_runs=len(runs))
    return Check(key=check.key, outcome=Outcome.FAILED, seen=seen)
