"""The quality target a configuration must meet, absolute or relative to the measured baseline.

Knows how a target is written and when it is met; which trials are judged by it is `recommend`'s
business.
"""

from __future__ import annotations

import difflib
import math
from dataclasses import dataclass, replace

from tuner.core.bounds import Bound, read_bound
from tuner.core.metric import DEFAULT_NAME, MAXIMIZE, MINIMIZE, NRMSE, Metric
from tuner.errors import SpecError


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A bound on the quality figure, such as `nrmse < 0.095` or `nrmse <= 1.04 * baseline`.

    Attributes:
        text: The target, as written.
        bound: The upper bound on the models' scale, or the factor on the baseline's measured NRMSE.
        is_relative: True when `bound` is a factor on the baseline.
        is_strict: True for `<` and `>`.
        metric: The figure that is bounded, its scale made about the bound.
    """

    text: str
    bound: float
    is_relative: bool = False
    is_strict: bool = True
    metric: Metric = NRMSE

    @classmethod
    def parse(cls, text: str, metric: Metric = NRMSE) -> Target:
        """Reads a target from text.

        Args:
            text: The target, as written.
            metric: The study's quality figure.

        Raises:
            SpecError: The text has neither of the two forms, is not on the metric or against its goal, or its
                bound is not one of the metric's range.
        """
        operators = ("<", "<=") if metric == NRMSE else ("<", "<=", ">", ">=")
        read = read_bound(text, what="target", fix=_fix(metric), operators=operators)
        _check(read, text, metric)
        metric = metric if read.is_relative else metric.about(read.value)
        return cls(
            text=text.strip(),
            bound=read.value if read.is_relative else metric.on_scale(read.value),
            is_relative=read.is_relative,
            is_strict="=" not in read.operator,
            metric=metric,
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


def _check(read: Bound, text: str, metric: Metric) -> None:
    """Refuses a bound that does not go with the metric."""
    fix = _fix(metric)
    if read.metric != metric.name:
        is_near = metric != NRMSE and difflib.get_close_matches(read.metric, [metric.name])
        raise SpecError(
            f"the target is on {read.metric!r}, but only {metric.name} is reported as quality.",
            f"did you mean {metric.name!r}? Else {fix}" if is_near else fix,
        )
    if read.operator.startswith(">") != metric.is_maximized:
        side, goal = ("below", MAXIMIZE) if read.operator.startswith(">") else ("above", MINIMIZE)
        raise SpecError(
            f"the target {text!r} bounds {metric.name} from {side}, but metric.goal is {metric.goal}.",
            f"{fix[:-1]}; or set metric.goal: {goal}.",
        )
    if read.is_relative and not metric.is_identity:
        raise SpecError(
            f"the target {text!r} is a multiple of the baseline's {metric.name}, which means nothing where "
            f"{'metric.goal is maximize' if metric.is_maximized else 'metric.range is any'}.",
            fix,
        )
    if not math.isfinite(read.value):
        raise SpecError(f"the bound of the target {text!r} is not finite.", fix)
    if metric.is_identity and read.value <= 0:
        raise SpecError(
            f"the bound of the target {text!r} is not positive.",
            fix if metric == NRMSE else f"{fix[:-1]}; or set metric.range: any.",
        )


def _fix(metric: Metric) -> str:
    """Returns the forms that a target on the metric may have."""
    if metric.is_identity:
        bound = "0.095" if metric.name == DEFAULT_NAME else "0.5"
        return f"write `{metric.name} < {bound}` or `{metric.name} <= 1.04 * baseline`."
    return f"write an absolute bound: `{metric.name} {'>= 0.9' if metric.is_maximized else '< -3.2'}`."
