"""The quality target a configuration must meet, absolute or relative to the measured baseline.

Knows how a target is written and when it is met; which trials are judged by it is `recommend`'s
business.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from tuner.core.bounds import read_bound
from tuner.errors import SpecError


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """An upper bound on NRMSE, such as `nrmse < 0.095` or `nrmse <= 1.04 * baseline`.

    Attributes:
        text: The target, as written.
        bound: The bound itself, or the factor on the baseline's measured NRMSE.
        is_relative: True when `bound` is a factor on the baseline.
        is_strict: True for `<`.
    """

    text: str
    bound: float
    is_relative: bool = False
    is_strict: bool = True

    @classmethod
    def parse(cls, text: str) -> Target:
        """Reads a target from text.

        Raises:
            SpecError: The text has neither of the two forms, or is not on nrmse, or its bound is not
                positive.
        """
        fix = "write `nrmse < 0.095` or `nrmse <= 1.04 * baseline`."
        read = read_bound(text, what="target", fix=fix, operators=("<", "<="))
        if read.metric != "nrmse":
            raise SpecError(f"the target is on {read.metric!r}, but only nrmse is reported as quality.", fix)
        if not (math.isfinite(read.value) and read.value > 0):
            raise SpecError(f"the bound of the target {text!r} is not positive.", fix)
        return cls(
            text=text.strip(),
            bound=read.value,
            is_relative=read.is_relative,
            is_strict=read.operator == "<",
        )

    def tightened(self, margin_pct: float) -> Target:
        """The target with its bound lowered by a margin, percent of it."""
        return replace(self, bound=self.bound * (1 - margin_pct / 100))

    def threshold(self, baseline_nrmse: float | None) -> float | None:
        """The bound as an NRMSE; None while it is relative and the baseline has not been measured."""
        if not self.is_relative:
            return self.bound
        return None if baseline_nrmse is None else self.bound * baseline_nrmse

    def is_met(self, nrmse: float, baseline_nrmse: float | None) -> bool:
        """True when `nrmse` is within the bound; False for NaN and while the bound is unknown."""
        threshold = self.threshold(baseline_nrmse)
        if threshold is None:
            return False
        return nrmse < threshold if self.is_strict else nrmse <= threshold
