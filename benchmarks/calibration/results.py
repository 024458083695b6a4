"""Statistics of a calibration: means, paired differences, noise, early epochs, the cost law, the table.

This module computes statistics of finished trials. It runs and draws nothing.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy import stats

from benchmarks.training.cost_law import CostLaw, Floats, errors_pct
from benchmarks.training.trial_log import Key, QualityRun
from tuner.core.config import TrialConfig
from tuner.core.objectives import Target
from tuner.core.workload import Workload


@dataclass(frozen=True, kw_only=True)
class Calibration:
    """The trials of a grid on common seeds, and the seconds per epoch.

    Attributes:
        runs: Trials of every configuration on the same seeds; the first configuration is the baseline.
        epoch_times_s: Least seconds per epoch of these configurations, and of some that were only timed.
        target: Target that the mean NRMSE of a feasible configuration meets.
        num_samples: Number of training samples in an epoch.
    """

    runs: tuple[QualityRun, ...]
    epoch_times_s: Mapping[Key, float]
    target: Target
    num_samples: int

    @cached_property
    def keys(self) -> list[Key]:
        """The configurations that were trained, the baseline first."""
        return list(dict.fromkeys(run.key for run in self.runs))

    def runs_of(self, key: Key) -> list[QualityRun]:
        """Returns the trials of a configuration, sorted by seed."""
        return sorted((run for run in self.runs if run.key == key), key=lambda run: run.seed)

    def nrmses(self, key: Key) -> Floats:
        """Returns the final NRMSEs of a configuration, shape (seeds,)."""
        return np.array([run.nrmses[-1] for run in self.runs_of(key)])

    def paired_pct(self, key: Key) -> Floats:
        """Returns the final NRMSEs in percent above the baseline's on the same seed, shape (seeds,)."""
        return errors_pct(self.nrmses(key), self.nrmses(self.keys[0]))

    @property
    def paired_sd_pct(self) -> float:
        """Standard deviation of a paired difference in percent, pooled over the configurations."""
        return float(np.sqrt(np.mean([self.paired_pct(key).var(ddof=1) for key in self.keys[1:]])))

    @property
    def seed_sd_pct(self) -> float:
        """Standard deviation between a configuration's seeds in percent of its mean, pooled over all."""
        relative = [self.nrmses(key).std(ddof=1) / self.nrmses(key).mean() for key in self.keys]
        return 100.0 * float(np.sqrt(np.mean(np.square(relative))))

    def is_feasible(self, key: Key) -> bool:
        """Returns whether the mean NRMSE of a configuration meets the target."""
        return self.target.is_met(self.nrmses(key).mean(), self.nrmses(self.keys[0]).mean())

    def is_decided(self, key: Key) -> bool:
        """Returns whether the 95 % confidence interval of the mean NRMSE lies on one side of the target."""
        values = self.nrmses(key)
        half = stats.t.ppf(0.975, len(values) - 1) * values.std(ddof=1) / math.sqrt(len(values))
        limit = self.target.threshold(float(self.nrmses(self.keys[0]).mean()))
        return limit is not None and bool(abs(values.mean() - limit) > half)

    @property
    def rank_correlations(self) -> list[float]:
        """Spearman's correlation of NRMSE after epoch k = 1, 2, ... with the final one, over all trials."""
        curves = np.array([run.nrmses for run in self.runs])  # (trials, epochs)
        return [float(stats.spearmanr(early, curves[:, -1]).statistic) for early in curves.T[:-1]]

    @cached_property
    def work(self) -> list[Workload]:
        """The workloads of the timed configurations, in the order of ``epoch_times_s``."""
        configs = [
            TrialConfig(batch_size=b, micro_batch=m, num_taus=t, accum_steps=a)
            for b, m, t, a in self.epoch_times_s
        ]
        return [Workload(config=config, num_samples=self.num_samples) for config in configs]

    @cached_property
    def cost_law(self) -> CostLaw:
        """The cost law, fitted to every configuration that was timed."""
        return CostLaw.fit(self.work, list(self.epoch_times_s.values()))

    @property
    def cost_law_errors_pct(self) -> Floats:
        """The cost law's errors in percent of ``epoch_times_s``, in their order."""
        return errors_pct(self.cost_law.predict(self.work), list(self.epoch_times_s.values()))

    def summary(self) -> dict[str, float | int]:
        """Returns the figures of the line of JSON."""
        baseline = self.nrmses(self.keys[0])
        return {
            "baseline_nrmse_mean": round(float(baseline.mean()), 5),
            "baseline_nrmse_sd": round(float(baseline.std(ddof=1)), 5),
            "paired_sd_pct": round(self.paired_sd_pct, 2),
            "feasible_share_pct": round(100.0 * sum(map(self.is_feasible, self.keys)) / len(self.keys), 1),
            "num_seeds": len(baseline),
        }


def markdown_table(calibration: Calibration) -> str:
    """Returns the table that docs/stage.md shows, with the lines under it."""
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
    """Formats a value with four decimals and without the leading zero, such as .0909."""
    return f"{value:.4f}".removeprefix("0")
