"""Whether runs bear out what a stage says its NRMSE does not depend on.

Runs that differ only there are pooled, and a configuration may be qualified by those of its siblings.
Each two siblings verify the claim, with the same seeds if they have any in common: what they differ by beyond
the luck of a seed contradicts it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from statistics import fmean

from tuner.core.config import TrialConfig
from tuner.core.metric import NRMSE, Metric
from tuner.core.trial import TrialRecord

SEED_SD = 0.01
"""Relative deviation of NRMSE between seeds while runs say no more; docs/stage.md has .9 %."""

MAX_DEVIATIONS = 4.0
"""Standard errors of a mean difference beyond which the claim is not believed."""

Rest = tuple[tuple[str, object], ...]
Runs = dict[int, float]
"""The ln NRMSE of a configuration's runs, by seed."""


class Siblings:
    """Full-budget runs, by all parameters but those that, says the stage, cannot change NRMSE.

    Args:
        invariant_to: The parameters to which NRMSE is said to be invariant.
        metric: The study's quality figure, which the reason names.
    """

    def __init__(self, invariant_to: Iterable[str], metric: Metric = NRMSE) -> None:
        self._claimed, self._metric = tuple(invariant_to), metric
        self._groups: dict[Rest, dict[TrialConfig, Runs]] = {}
        self._squares, self._freedom = 0.0, 0  # of runs about the mean of their configuration

    def contradiction_by(self, record: TrialRecord) -> str:
        """Takes a full-budget run; in words, why the claim is not believed if that run contradicts it."""
        rest = tuple(item for item in sorted(record.config.as_dict().items()) if item[0] not in self._claimed)
        group = self._groups.setdefault(rest, {})
        mine, value = group.setdefault(record.config, {}), math.log(record.nrmse)
        if mine and record.seed not in mine:
            self._squares += (value - fmean(mine.values())) ** 2 * len(mine) / (len(mine) + 1)
            self._freedom += 1
        mine[record.seed] = value
        for other, theirs in group.items():
            shared = sorted(mine.keys() & theirs.keys())
            ours, others = ([runs[s] for s in shared or sorted(runs)] for runs in (mine, theirs))
            gap, scale = fmean(ours) - fmean(others), math.sqrt(1 / len(ours) + 1 / len(others))
            if abs(gap) > MAX_DEVIATIONS * self._seed_sd * scale:
                change_pct = self._metric.change_pct(100 * math.expm1(gap))
                seeds = "the same seeds" if shared else "other seeds"
                return (
                    f"{self._metric.label} depends on {', '.join(self._claimed)} after all: with {seeds}, "
                    f"{record.config} has {change_pct:+.1f} %{self._metric.of_what} against {other}, "
                    "so their runs are not pooled any more"
                )
        return ""

    @property
    def _seed_sd(self) -> float:
        measured = math.sqrt(self._squares / self._freedom) if self._freedom > 2 else 0.0
        return max(SEED_SD, measured)
