"""The certificate: the checks on what is recommended, their verdict, and what a firmer one would cost."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from statistics import fmean
from typing import Any

from tuner.core.certificate.audit import Claim, audit, unchanged
from tuner.core.certificate.checks import (
    Check,
    Outcome,
    check_limits,
    check_memory,
    check_nrmse,
    check_objective,
    check_utilisation,
    worst,
)
from tuner.core.certificate.rounds import Rounds, wall_s
from tuner.core.certificate.terms import LOOKS, SINGLE_LEVEL, Look, Terms
from tuner.core.config import TrialConfig
from tuner.core.goal import Goal
from tuner.core.trial import Purpose, TrialRecord, TrialState


class Verdict(StrEnum):
    """What all checks say together."""

    CERTIFIED = "certified"
    NOT_CERTIFIED = "not certified"
    UNDECIDED = "undecided"


_VERDICTS = {
    Outcome.PASSED: Verdict.CERTIFIED,
    Outcome.FAILED: Verdict.NOT_CERTIFIED,
    Outcome.UNDECIDED: Verdict.UNDECIDED,
}


_WOULD = "A firm verdict would probably take"
_COMMAND = "--resume RUN --certify"
_REMEDY = "a wider margin, another target or a quieter machine would help, in a new run"


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """What a certificate must know of the device.

    Attributes:
        memory_gib: All it has; None when it does not say.
        guide_speedup: Lowest and highest the guide promises for this card; None: it does not name it.
    """

    memory_gib: float | None = None
    guide_speedup: tuple[float, float] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificate:
    """What was proved of a configuration, and what was not.

    Attributes:
        config: The configuration.
        baseline: What it was compared with.
        terms: What was to be proved.
        look: When it was judged, and at which level; None: not yet.
        num_run: Pairs that have been run, judged or not.
        is_over: Whether its study has ended.
        seeds: Of the pairs that were judged.
        disturbed: Those of them in which others disturbed a run, and how, in words.
        checks: The four, in the guide's order, and the study's limits if it has some.
        claims: The audit of what the guide promises, of the recommendation and of its own row.
        cost_s: Seconds its runs occupied a worker.
        round_s: Seconds one more pair would take; None when none was run.
    """

    config: TrialConfig
    baseline: TrialConfig
    terms: Terms
    look: Look | None
    num_run: int
    is_over: bool
    seeds: tuple[int, ...]
    disturbed: Mapping[int, str]
    checks: tuple[Check, ...]
    claims: tuple[Claim, ...]
    cost_s: float
    round_s: float | None

    @property
    def verdict(self) -> Verdict:
        """Certified when nothing that can be measured here failed or is undecided."""
        return _VERDICTS[worst([check.outcome for check in self.checks])]

    @property
    def speedup(self) -> tuple[float, float, float] | None:
        """The objective's ratio, baseline over winner, and its interval's bounds; None when not known."""
        ratio, low, high = (self._timing.get(name) for name in ("ratio", "ratio_low", "ratio_high"))
        return None if ratio is None or low is None or high is None else (ratio, low, high)

    @property
    def num_timed(self) -> int:
        """Pairs that the ratio is of: those that nobody disturbed."""
        return int(self._timing.get("num_pairs") or 0)

    @property
    def _timing(self) -> Mapping[str, float | None]:
        return next(check.figures for check in self.checks if check.key == "time")

    @property
    def firm_terms(self) -> Terms:
        """The terms under which it goes on until it is firm."""
        return self.terms.firm(self.num_run, is_over=self.is_over)

    @property
    def more_pairs(self) -> int | None:
        """Further pairs to the look that probably decides it; None: unknown, or none does."""
        needed = self._pairs_needed
        if needed is None:
            return None
        later = self.terms.later(self.num_run, is_over=self.is_over)
        return next((look.num_pairs - self.num_run for look in later if look.num_pairs >= needed), None)

    @property
    def _is_hopeless(self) -> bool:
        """Whether `next_run` has given it up before its last look."""
        is_given_up = self.terms.until_firm and self.look is not None and self.look.num_pairs == self.num_run
        return is_given_up and self.num_run > self.terms.looked and len(self.disturbed) == len(self.seeds)

    @property
    def _pairs_needed(self) -> int | None:
        """Pairs in all that what is undecided would probably take; None when that cannot be said."""
        if self.verdict is not Verdict.UNDECIDED:
            return None
        if self.look is None:
            return self.num_run + 1  # the next look, whichever it is
        needed = [c.pairs_needed for c in self.checks if c.outcome is Outcome.UNDECIDED]
        known = [num for num in needed if num is not None]
        return max(known) if len(known) == len(needed) else None

    @property
    def basis(self) -> str:
        """What it rests on, in words."""
        said = f"on {len(self.seeds)} fresh pair{'' if len(self.seeds) == 1 else 's'} of runs"
        is_between = self.look is not None and self.look.num_pairs < self.num_run
        return f"{said}, of {self.num_run} that were run" if is_between else said

    @property
    def sentence(self) -> str:
        """The verdict in one sentence, with what it would take where it is undecided."""
        return f"{self.verdict.value.capitalize()} {self.basis}: {self.details}"

    @property
    def details(self) -> str:
        """What decided, or is undecided and what that would take."""
        if self.verdict is Verdict.CERTIFIED:
            said = "; ".join(check.text for check in self.checks if check.key in ("time", "nrmse"))
            lacks = [c.title for c in self.checks if c.outcome is Outcome.NOT_MEASURABLE]
            return said + "".join(f"; not measurable here: {t}" for t in lacks) + "."
        wanted = Outcome.FAILED if self.verdict is Verdict.NOT_CERTIFIED else Outcome.UNDECIDED
        said = "; ".join(f"{c.title}: {c.text}" for c in self.checks if c.outcome is wanted)
        return f"{said}. {self.what_it_takes}".rstrip()

    @property
    def what_it_takes(self) -> str:
        """To decide what is undecided, in words; empty when nothing is."""
        if self.verdict is not Verdict.UNDECIDED:
            return ""
        return self._why_not_more or self._how_many_more

    @property
    def _why_not_more(self) -> str:
        """Why more pairs would not be run, or not help, and what would; empty when they would."""
        if self.look is None and not self.is_over and not self.terms.until_firm:
            return "It is judged when the run has come to its end (--resume RUN)."
        most = LOOKS[-1]
        if not self.terms.later(self.num_run, is_over=self.is_over):
            return f"--certify runs {most} pairs at most, and {self.num_run} have been run: {_REMEDY}."
        if self._is_hopeless:
            return "Others disturbed every pair: a new run with --certify, on an idle device, would tell."
        if self._pairs_needed is not None and self.more_pairs is None:
            return f"{_WOULD} more than the {most} pairs that --certify runs: {_REMEDY}."
        return ""

    @property
    def _how_many_more(self) -> str:
        if self.more_pairs is None:
            return f"It takes more pairs, on an idle device ({_COMMAND}); how many cannot be said yet."
        word = "pair" if self.more_pairs == 1 else "pairs"
        minutes = "" if self.round_s is None else f", about {self.more_pairs * self.round_s / 60:.2g} min"
        would = _WOULD if self.look else "The next look takes"
        return f"{would} {self.more_pairs} more {word}{minutes} ({_COMMAND})."

    def as_dict(self) -> dict[str, Any]:
        """The certificate for programs; no value is infinite."""
        return {
            "verdict": self.verdict.value,
            "sentence": self.sentence,
            "config": self.config.as_dict(),
            "baseline": self.baseline.as_dict(),
            "terms": asdict(self.terms),
            "level": self.look.level if self.look else None,
            "looks": [asdict(look) for look in self.terms.looks],
            "num_pairs_run": self.num_run,
            "seeds": list(self.seeds),
            "disturbed": [{"seed": seed, "by": by} for seed, by in self.disturbed.items()],
            "checks": [_finite(asdict(check)) for check in self.checks],
            "more_pairs": self.more_pairs,
            "more_s": None if not self.more_pairs or not self.round_s else self.more_pairs * self.round_s,
            "cost_s": self.cost_s,
            "guide_audit": [asdict(claim) for claim in self.claims],
        }


def certify(  # noqa: PLR0913 - what a certificate depends on; everything after the first five is named
    records: Sequence[TrialRecord],
    winner: TrialConfig,
    baseline: TrialConfig,
    goal: Goal,
    terms: Terms,
    *,
    guide: TrialConfig | None = None,
    device: Device | None = None,
    is_over: bool = True,
) -> Certificate:
    """What the certifying runs among the records prove of `winner`.

    Args:
        records: Of every trial of the study.
        winner: The recommended configuration.
        baseline: What it is compared with.
        goal: What the study wants.
        terms: What is to be proved.
        guide: The guide's row, to be audited; None: there is none.
        device: What they ran on.
        is_over: Whether the study has ended, see `Terms.look`.
    """
    device = device or Device()
    rounds = Rounds.of(records)
    num_run = len(rounds.seeds_of(winner))
    look = terms.look(num_run, is_over=is_over)
    pairs = rounds.pairs(baseline, winner, look.num_pairs if look else 0)
    level = look.level if look else SINGLE_LEVEL
    mine = [r for r in records if r.config == winner and r.state is not TrialState.RUNNING]
    certifying = [r for r in records if r.purpose is Purpose.CERTIFY]
    later = terms.later(num_run, is_over=is_over)
    next_level = later[0].level if later else level
    tests = [
        check_utilisation(pairs, level, next_level),
        check_objective(pairs, goal, level, next_level),
        _or_broken(check_nrmse(pairs, goal, level, terms.nrmse_margin_pct, next_level), mine),
    ]
    if look is None and num_run:
        said = f"not judged yet, {num_run} pair{'s were' if num_run > 1 else ' was'} run so far"
        tests = [replace(t, text=said) if t.outcome is Outcome.UNDECIDED else t for t in tests]
    both = rounds.pairs(baseline, winner)
    return Certificate(
        config=winner,
        baseline=baseline,
        terms=terms,
        look=look,
        num_run=num_run,
        is_over=is_over,
        seeds=tuple(pair.winner.seed for pair in pairs),
        disturbed={pair.winner.seed: pair.disturbance for pair in pairs if not pair.is_clean},
        checks=(
            *tests,
            check_memory(mine, device.memory_gib),
            *([check_limits(pairs, goal)] if goal.limits else []),
        ),
        claims=(
            unchanged(pairs, level),
            *(audit(rounds.pairs(baseline, guide), device.guide_speedup) if guide else ()),
        ),
        cost_s=sum(map(wall_s, certifying)),
        round_s=fmean(wall_s(p.baseline) + wall_s(p.winner) for p in both) if both else None,
    )


def _or_broken(check: Check, runs: Sequence[TrialRecord]) -> Check:
    """The check of NRMSE; failed when a run of the winner diverged, whatever the others say."""
    diverged = sum(run.state is TrialState.INFEASIBLE and run.constraint == "finite" for run in runs)
    if not diverged:
        return check
    text = f"{diverged} of {len(runs)} runs diverged"
    return Check(key=check.key, title=check.title, outcome=Outcome.FAILED, text=text)


def _finite(values: dict[str, Any]) -> dict[str, Any]:
    """A check whose bounds from a single pair are infinite has none."""
    figures = values["figures"].items()
    return values | {"figures": {k: None if v is None or math.isinf(v) else v for k, v in figures}}
