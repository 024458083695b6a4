"""The stopping rules by name, and how a study names them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tuner.core.plugins import make
from tuner.core.trial import TrialRecord
from tuner.errors import SpecError
from tuner.scheduling.asha import Asha
from tuner.scheduling.contract import Continue, Decision, Evidence, StoppingRule
from tuner.scheduling.feasible_and_faster import FeasibleAndFaster
from tuner.scheduling.moasha import Moasha


@dataclass(frozen=True, slots=True)
class NoStopping:
    """The rule `none`: every trial runs to its full budget."""

    def decide(self, trial: TrialRecord, evidence: Evidence) -> Decision:
        """Continues, always."""
        return Continue()


RULES = {"feasible_and_faster": FeasibleAndFaster, "moasha": Moasha, "asha": Asha, "none": NoStopping}


def make_rule(name: str, options: Mapping[str, Any] | None = None) -> StoppingRule:
    """The stopping rule a study names: one of `RULES`, or `module:Class`.

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
