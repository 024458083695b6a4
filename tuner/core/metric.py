"""The quality figure of a study: its own name, which way is better, and the scale on which models see it.

Search models, certificate, scheduling and statistics all work on one positive number, of which less is better
and whose relative changes mean something. Inside, that number is called `nrmse`, whatever the study measures.
Here a figure is put on that scale, once, where a report enters (`tuner.core.entrance`), and taken off it
where people and programs read it.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from statistics import stdev

from foundation import quality_name
from tuner.core.measurement import Measurement
from tuner.core.study_keys import study_key
from tuner.core.trial import TrialRecord

DEFAULT_NAME, STAGE_OPTION = quality_name.DEFAULT, quality_name.STAGE_OPTION


MINIMIZE, MAXIMIZE = "minimize", "maximize"
POSITIVE, ANY = "positive", "any"

MAX_EXPONENT = 25.0
"""Farthest from the bound, in sizes of the bound, that two values are told apart on the scale."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """The quality figure that trials report and the target bounds, under its own name.

    For `range: positive` the scale is the figure itself. For `range: any` a value v becomes
    z = exp(s (v - bound) / unit), with s = 1 where less is better and -1 where more is, and unit the size of
    the target's bound, |bound|, or 1 where that is 0. So the bound is 1 on the scale, better is below it, and
    a relative change of z is a change of v in parts of |bound|: 1 % of z is 0.01 |bound|. Farther than
    `MAX_EXPONENT` sizes from the bound, values are no longer told apart, so that z stays finite and positive.

    Attributes:
        name: The name under which stages report it, and under which it is shown.
        goal: `minimize` or `maximize`.
        range: `positive` if it is above 0 and its ratios mean something, or `any`.
        bound: The target's bound, about which the scale of `any` is made.
    """

    name: str = field(
        default=DEFAULT_NAME,
        metadata=study_key(
            "The figure's name: what the stage reports, and what the target and every output call it.",
            pattern=r"^[A-Za-z_][A-Za-z0-9_]*$",
        ),
    )
    goal: str = field(
        default=MINIMIZE,
        metadata=study_key("Whether less or more of it is better.", choices=(MINIMIZE, MAXIMIZE)),
    )
    range: str = field(
        default=POSITIVE,
        metadata=study_key(
            "`positive`: always above 0, and a ratio of two values means something, as for an error. `any`: "
            "it may be 0 or below; changes then count in parts of the target's size. `maximize` implies "
            "`any`, `minimize` implies `positive` unless `any` is written.",
            choices=(POSITIVE, ANY),
            may_be_none=True,
        ),
    )
    bound: float = 0.0

    def about(self, bound: float) -> Metric:
        """The metric with its scale about a target's bound; nothing changes where the range is positive."""
        return self if self.is_identity else replace(self, bound=bound)

    @property
    def is_default(self) -> bool:
        """Whether it is NRMSE, as in a study that says nothing of its metric."""
        return self.name == DEFAULT_NAME

    @property
    def is_identity(self) -> bool:
        """Whether the scale is the figure itself."""
        return self.range == POSITIVE

    @property
    def is_maximized(self) -> bool:
        """Whether more is better."""
        return self.goal == MAXIMIZE

    @property
    def label(self) -> str:
        """The name as texts and axes show it."""
        return quality_name.label(self.name)

    @property
    def unit(self) -> float:
        """The size of the bound, in which changes of a figure of any range are counted."""
        size = abs(self.bound)
        return size if size >= sys.float_info.min else 1.0  # a denormal number has no digits to count in

    def on_scale(self, value: float) -> float:
        """Puts a figure on the models' scale: positive, less is better. NaN stays NaN."""
        if self.is_identity or math.isnan(value):
            return value
        exponent = self.sign * (value - self.bound) / self.unit
        return math.exp(max(-MAX_EXPONENT, min(MAX_EXPONENT, exponent)))

    def value(self, nrmse: float) -> float:
        """Takes a number off the models' scale: the inverse of `on_scale` between its ends. NaN stays NaN."""
        if self.is_identity or not nrmse > 0:
            return nrmse if self.is_identity else self._past_the_end(nrmse)
        return self.bound + self.sign * self.unit * math.log(nrmse)

    def of(self, report: Measurement) -> float:
        """The figure's own value in a report."""
        told = report.reported_quality
        return self.value(report.nrmse) if told is None else told

    def newest(self, record: TrialRecord) -> float:
        """The figure's own value in a trial's newest report; NaN when there is none."""
        return self.of(record.last) if record.last else math.nan

    def curve(self, record: TrialRecord) -> dict[int, float]:
        """The figure's own value by epoch, epochs that went well only."""
        return {m.epoch: self.of(m) for m in record.measurements if m.epoch in record.nrmse_curve}

    def sd(self, records: Sequence[TrialRecord]) -> float | None:
        """The standard deviation of the figure's own value between runs; None for a single run."""
        return stdev(self.value(record.nrmse) for record in records) if len(records) > 1 else None

    def excess(self, nrmse: float, bound: float) -> float:
        """By how much one number on the scale is worse than another, in the figure's own unit."""
        return self.sign * (self.value(nrmse) - self.value(bound))

    def text(self, nrmse: float) -> str:
        """A number on the models' scale as the figure's own value, in digits for people."""
        return self.value_text(self.value(nrmse))

    def value_text(self, value: float) -> str:
        """The figure's own value in digits for people: NRMSE with four decimals, others with five digits."""
        return f"{value:.4f}" if self.is_default else f"{value:.5g}"

    def change_pct(self, change_pct: float) -> float:
        """A relative change on the scale as one of the figure: percent of itself, or of the bound's size."""
        return change_pct if self.is_identity else self.sign * self._worse_pct(change_pct)

    def room_pct(self, margin_pct: float) -> float:
        """A margin below a bound on the scale, percent, as one of the figure; positive on the better side."""
        return margin_pct if self.is_identity else -self._worse_pct(-margin_pct)

    @property
    def of_what(self) -> str:
        """The words that say of what a percentage is one; empty where it is of the figure itself."""
        if self.is_identity:
            return ""
        return " of the target's size" if self.bound else " of 1"

    @property
    def at_worst(self) -> str:
        """The words before a bound on a change for the worse, in the figure's own direction."""
        return "at least" if self.is_maximized else "at most"

    @property
    def sign(self) -> float:
        """1 where less is better, -1 where more is."""
        return -1.0 if self.is_maximized else 1.0

    def _worse_pct(self, change_pct: float) -> float:
        """A relative change on the scale, percent, in sizes of the bound; positive for the worse."""
        return 100 * math.log1p(change_pct / 100) if change_pct > -100 else -math.inf

    def _past_the_end(self, nrmse: float) -> float:
        """What 0 or less stands for: the best end of the scale, without limit."""
        return math.nan if math.isnan(nrmse) else -self.sign * math.inf


NRMSE = Metric()
"""The metric of a study that names none."""
