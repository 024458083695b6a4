"""What a calibration says: means, paired differences, noise, early epochs, cost law, the table.

Knows statistics of finished trials. Does not run or draw anything.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
from scipy import stats

from benchmarks.cost_law import CostLaw, errors_pct
from tuner.core.config import TrialConfig
from tuner.core.objectives import Target
from tuner.core.workload import Workload

Key = tuple[int, int, int, int]
"""batch_size, micro_batch, num_taus, accum_steps."""
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class QualityRun:
    """A finished trial.

    Attributes:
        key: Its configuration.
        seed: Its seed.
        nrmses: Held-out NRMSE after each epoch.
        final_nrmse: NRMSE on the third split; None unless a final report was asked for.
    """

    key: Key
    seed: int
    nrmses: tuple[float, ...]
    final_nrmse: float | None = None


@dataclass(frozen=True, kw_only=True)
class Calibration:
    """Trials of a grid on common seeds, and seconds per epoch.

    Attributes:
        runs: Every configuration on the same seeds; the first configuration is the baseline.
        epoch_times_s: Least seconds per epoch, of these and of further configurations.
        target: What feasible means.
        num_samples: Training samples an epoch.
    """

    runs: tuple[QualityRun, ...]
    epoch_times_s: Mapping[Key, float]
    target: Target
    num_samples: int

    @cached_property
    def keys(self) -> list[Key]:
        """Configurations, the baseline first."""
        return list(dict.fromkeys(run.key for run in self.runs))

    def runs_of(self, key: Key) -> list[QualityRun]:
        """The trials of a configuration, by seed."""
        return sorted((run for run in self.runs if run.key == key), key=lambda run: run.seed)

    def nrmses(self, key: Key) -> Floats:
        """Final NRMSE by seed."""
        return np.array([run.nrmses[-1] for run in self.runs_of(key)])

    def paired_pct(self, key: Key) -> Floats:
        """NRMSE against the baseline's on the same seed, in percent."""
        return errors_pct(self.nrmses(key), self.nrmses(self.keys[0]))

    @property
    def paired_sd_pct(self) -> float:
        """Standard deviation of a paired difference, pooled over configurations."""
        return float(np.sqrt(np.mean([self.paired_pct(key).var(ddof=1) for key in self.keys[1:]])))

    @property
    def seed_sd_pct(self) -> float:
        """Standard deviation between seeds within a configuration, pooled, in percent of the mean."""
        relative = [self.nrmses(key).std(ddof=1) / self.nrmses(key).mean() for key in self.keys]
        return 100.0 * float(np.sqrt(np.mean(np.square(relative))))

    def is_feasible(self, key: Key) -> bool:
        """Whether the mean NRMSE meets the target."""
        return self.target.is_met(self.nrmses(key).mean(), self.nrmses(self.keys[0]).mean())

    def is_decided(self, key: Key) -> bool:
        """Whether the 95 % confidence interval of the mean lies on one side of the target."""
        values = self.nrmses(key)
        half = stats.t.ppf(0.975, len(values) - 1) * values.std(ddof=1) / math.sqrt(len(values))
        limit = self.target.threshold(float(self.nrmses(self.keys[0]).mean()))
        return limit is not None and bool(abs(values.mean() - limit) > half)

    @property
    def rank_correlations(self) -> list[float]:
        """Spearman's correlation, over all trials, of NRMSE after epoch k with the last: k = 1, 2, ..."""
        curves = np.array([run.nrmses for run in self.runs])  # (trials, epochs)
        return [float(stats.spearmanr(early, curves[:, -1]).statistic) for early in curves.T[:-1]]

    @cached_property
    def work(self) -> list[Workload]:
        """Work of what was timed, in the order of ``epoch_times_s``."""
        configs = [
            TrialConfig(batch_size=b, micro_batch=m, num_taus=t, accum_steps=a)
            for b, m, t, a in self.epoch_times_s
        ]
        return [Workload(config=config, num_samples=self.num_samples) for config in configs]

    @cached_property
    def cost_law(self) -> CostLaw:
        """Fitted to every configuration that was timed."""
        return CostLaw.fit(self.work, list(self.epoch_times_s.values()))

    @property
    def cost_law_errors_pct(self) -> Floats:
        """How far the law is from what it was fitted to."""
        return errors_pct(self.cost_law.predict(self.work), list(self.epoch_times_s.values()))

    def summary(self) -> dict[str, float | int]:
        """The figures that are tracked."""
        baseline = self.nrmses(self.keys[0])
        return {
            "baseline_nrmse_mean": round(float(baseline.mean()), 5),
            "baseline_nrmse_sd": round(float(baseline.std(ddof=1)), 5),
            "paired_sd_pct": round(self.paired_sd_pct, 2),
            "feasible_share_pct": round(100.0 * sum(map(self.is_feasible, self.keys)) / len(self.keys), 1),
            "num_seeds": len(baseline),
        }


def markdown_table(calibration: Calibration) -> str:
    """The table that docs/stage.md shows, and the lines under it."""
    rows = [
        "| batch, micro, taus, accum | NRMSE, mean ± sd | against baseline, paired ± se | s/epoch | target |",
        "|---|---|---|---|---|",
    ]
    return "\n".join(
        [*rows, *(_row(calibration, key) for key in calibration.keys), "", *_notes(calibration), ""]
    )


def _row(calibration: Calibration, key: Key) -> str:
    values, paired = calibration.nrmses(key), calibration.paired_pct(key)
    against = f"{paired.mean():+.1f} ± {paired.std(ddof=1) / math.sqrt(len(paired)):.1f} %"
    verdict = "in" if calibration.is_feasible(key) else "out"
    cells = [
        ", ".join(map(str, key)),
        f"{_short(values.mean())} ± {_short(values.std(ddof=1))}",
        "baseline" if key == calibration.keys[0] else against,
        f"{calibration.epoch_times_s[key]:.2f}",
        verdict if calibration.is_decided(key) else f"{verdict}, not decided",
    ]
    return f"| {' | '.join(cells)} |"


def _notes(calibration: Calibration) -> list[str]:
    seeds = [run.seed for run in calibration.runs_of(calibration.keys[0])]
    correlations = ", ".join(f"{value:.2f}" for value in calibration.rank_correlations)
    errors = np.abs(calibration.cost_law_errors_pct)
    return [
        f"- Seeds {seeds[0]}-{seeds[-1]}. Standard deviation, pooled: {calibration.seed_sd_pct:.2f} % within "
        f"a configuration, {calibration.paired_sd_pct:.2f} % of a paired difference.",
        "- *Not decided*: the 95 % interval of the mean (t, these seeds) holds the bound of "
        f"`{calibration.target.text}`.",
        "- Rank correlation of the NRMSE after epoch k = 1, 2, ... with the last, over all trials: "
        f"{correlations}.",
        f"- Cost law over {len(errors)} configurations: {calibration.cost_law}; error "
        f"{np.median(errors):.1f} % in the median, {errors.max():.1f} % at most.",
    ]


def _short(value: float) -> str:
    """Four decimals without the leading zero: .0909."""
    return f"{value:.4f}".removeprefix("0")
