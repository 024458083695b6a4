"""The certificate: the checks on what is recommended, their verdict, and what a firmer one would cost."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from statistics import fmean
from typing import Any

from tuner.core.certificate.audit import Claim, audit
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
from tuner.core.certificate.terms import Terms
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
        seeds: Of the pairs.
        checks: The four, in the guide's order, and the study's limits if it has some.
        claims: The audit of the guide's row.
        cost_s: Seconds its runs occupied a worker.
        round_s: Seconds one more pair would take; None when none was run.
    """

    config: TrialConfig
    baseline: TrialConfig
    terms: Terms
    seeds: tuple[int, ...]
    checks: tuple[Check, ...]
    claims: tuple[Claim, ...]
    cost_s: float
    round_s: float | None

    @property
    def verdict(self) -> Verdict:
        """Certified when nothing that can be measured here failed or is undecided."""
        return _VERDICTS[worst([check.outcome for check in self.checks])]

    @property
    def more_pairs(self) -> int | None:
        """Further pairs that would probably decide what is undecided; None when that cannot be said."""
        open_checks = [check for check in self.checks if check.outcome is Outcome.UNDECIDED]
        if not open_checks or any(check.pairs_needed is None for check in open_checks):
            return None
        return max(1, max(check.pairs_needed or 0 for check in open_checks) - len(self.seeds))

    @property
    def basis(self) -> str:
        """What it rests on, in words."""
        return f"on {len(self.seeds)} fresh pair{'' if len(self.seeds) == 1 else 's'} of runs"

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
        if self.more_pairs is None or self.round_s is None:
            return "It takes more pairs, on an idle device (--certify); how many cannot be said yet."
        return (
            f"A firm verdict would probably take {self.more_pairs} more pairs, "
            f"about {self.more_pairs * self.round_s / 60:.2g} min (--certify)."
        )

    def as_dict(self) -> dict[str, Any]:
        """The certificate for programs; no value is infinite."""
        return {
            "verdict": self.verdict.value,
            "sentence": self.sentence,
            "config": self.config.as_dict(),
            "baseline": self.baseline.as_dict(),
            "terms": asdict(self.terms),
            "level": self.terms.level,
            "looks": list(self.terms.looks),
            "seeds": list(self.seeds),
            "checks": [_finite(asdict(check)) for check in self.checks],
            "more_pairs": self.more_pairs,
            "more_s": None if not self.more_pairs or not self.round_s else self.more_pairs * self.round_s,
            "cost_s": self.cost_s,
            "guide_audit": [asdict(claim) for claim in self.claims],
        }


def certify(
    records: Sequence[TrialRecord],
    winner: TrialConfig,
    baseline: TrialConfig,
    goal: Goal,
    terms: Terms,
    *,
    guide: TrialConfig | None = None,
    device: Device | None = None,
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
    """
    device = device or Device()
    rounds = Rounds.of(records)
    pairs, level = rounds.pairs(baseline, winner), terms.level
    mine = [r for r in records if r.config == winner and r.state is not TrialState.RUNNING]
    certifying = [r for r in records if r.purpose is Purpose.CERTIFY]
    return Certificate(
        config=winner,
        baseline=baseline,
        terms=terms,
        seeds=tuple(pair.winner.seed for pair in pairs),
        checks=(
            check_utilisation(pairs, level),
            check_objective(pairs, goal, level),
            _or_broken(check_nrmse(pairs, goal, level, terms.nrmse_margin_pct), mine),
            check_memory(mine, device.memory_gib),
            *([check_limits(pairs, goal)] if goal.limits else []),
        ),
        claims=audit(rounds.pairs(baseline, guide), device.guide_speedup) if guide else (),
        cost_s=sum(map(wall_s, certifying)),
        round_s=fmean(wall_s(p.baseline) + wall_s(p.winner) for p in pairs) if pairs else None,
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
