"""The stopping rules, and how a study names them.

A rule judges what a trial could still become at full budget, never how it compares with others at
the same epoch: on two objectives, the fastest trial always survives a comparison by raw dominance.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tuner.core.goal import Objective, objective_at_best
from tuner.core.measurement import Status
from tuner.core.plugins import make
from tuner.core.trial import TrialRecord
from tuner.errors import SpecError
from tuner.scheduling.contract import Continue, Decision, Evidence, Stop, StoppingRule


@dataclass(frozen=True, slots=True)
class NoStopping:
    """Every trial runs to its full budget."""

    def decide(self, trial: TrialRecord, evidence: Evidence) -> Decision:
        """Continues, always."""
        return Continue()


@dataclass(frozen=True, slots=True, kw_only=True)
class FeasibleAndFaster:
    """Stops a trial once it can no longer be both feasible and better than the incumbent.

    Better is faster, unless the evidence names another objective.

    After the last epoch nothing is stopped: all of it has been paid for.

    Attributes:
        min_probability: That its configuration meets the target, below which a trial is stopped.
        time_margin: Share by which it must be slower than the incumbent (or worse in another objective), at
            best, before that may stop it.

    Raises:
        SpecError: An option is not a number in its range.
    """

    min_probability: float = 0.05
    time_margin: float = 0.05

    def __post_init__(self) -> None:
        _require("min_probability", self.min_probability, (int, float), at_least=0)
        _require("time_margin", self.time_margin, (int, float), at_least=0)

    def decide(self, trial: TrialRecord, evidence: Evidence) -> Decision:
        """Feasibility first, then time."""
        if trial.last is None or trial.last.status is not Status.OK or trial.epoch >= trial.num_epochs:
            return Continue()
        reason = self._too_poor(trial, evidence) or self._too_costly(trial, evidence)
        return Stop(reason) if reason else Continue()

    def _too_costly(self, trial: TrialRecord, evidence: Evidence) -> str:
        incumbent, objective = evidence.incumbent, evidence.objective
        if incumbent is None:
            return ""
        to_beat = incumbent.time_s if objective is Objective.TIME else evidence.to_beat
        at_best = objective_at_best(trial, objective, evidence.threshold)
        if to_beat is None or at_best is None or at_best <= to_beat * (1 + self.time_margin):
            return ""
        unit, worse = objective.unit, _WORSE[objective]
        return (
            f"projected {_amount(at_best)} {unit} {worse} the incumbent's "
            f"{_amount(to_beat)} {unit} ({incumbent.config})"
        )

    def _too_poor(self, trial: TrialRecord, evidence: Evidence) -> str:
        if evidence.probability is None or evidence.threshold is None:
            return ""
        if evidence.probability >= self.min_probability:
            return ""
        return (
            f"NRMSE {trial.nrmse:.4f} after epoch {trial.epoch}: it meets the target "
            f"{evidence.threshold:.4f} with {100 * evidence.probability:.1f} % probability"
        )


_WORSE = {
    Objective.TIME: "at full budget, slower than",
    Objective.TIME_TO_TARGET: "until the target is reached, later than",
    Objective.ENERGY: "at full budget, more energy than",
}


def make_rule(name: str, options: Mapping[str, Any] | None = None) -> StoppingRule:
    """The stopping rule a study names: `feasible_and_faster`, `none`, or `module:Class`.

    Raises:
        SpecError: The name or an option is wrong.
    """
    rule = make("stopping rule", name, known=RULES, options=options or {})
    if not callable(getattr(rule, "decide", None)):
        raise SpecError(
            f"the stopping rule {name!r} has no method decide(trial, evidence).",
            "see tuner.scheduling.contract.StoppingRule.",
        )
    return rule  # type: ignore[no-any-return]  # a Protocol: having decide() is being one


RULES = {"feasible_and_faster": FeasibleAndFaster, "none": NoStopping}


def _require(name: str, value: object, kind: type | tuple[type, ...], *, at_least: float) -> None:
    if isinstance(value, bool) or not isinstance(value, kind) or not value >= at_least:  # type: ignore[operator]
        what = "a whole number" if kind is int else "a number"
        raise SpecError(
            f"the stopping rule's option {name}={value!r} is not {what} of at least {at_least}.",
            f"write for example {name}: {FeasibleAndFaster.__dataclass_fields__[name].default}.",
        )


def _amount(value: float) -> str:
    return f"{value:.0f}" if value >= 1000 else f"{value:.3g}"
