"""What is known of the CPU study's groups of configurations: means, what is decided, what to measure next.

A group is what shares its NRMSE: batch_size, num_taus and accum_steps. Pure; trains and times nothing.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from benchmarks.calibration_results import Key, QualityRun
from benchmarks.search_results import grouped
from benchmarks.trial_log import params_of
from tuner.core.config import TrialConfig
from tuner.simulate.hardware import hardware_law
from tuner.spec import StudySpec

Group = tuple[int, int, int]
"""batch_size, num_taus, accum_steps."""

FEW_SEEDS, MOST_SEEDS = 4, 20
STANDARD_ERRORS = 3.0
"""So far from the target is a decided mean."""
SLOW_RATIO = 2.0
FIRST_FRESH_SEED = 10_000
"""From here on seeds check recommendations; neither the grid, a search nor a certificate uses them."""


def group_of(key: Key) -> Group:
    """The group of a configuration."""
    batch_size, _, num_taus, accum_steps = key
    return batch_size, num_taus, accum_steps


def key_of(config: TrialConfig) -> Key:
    """A configuration as a key."""
    return config.batch_size, config.micro_batch, config.num_taus, config.accum_steps


def trained_key(group: Group) -> Key:
    """What stands for a group: all of a batch at once."""
    batch_size, num_taus, accum_steps = group
    return batch_size, batch_size, num_taus, accum_steps


def groups_of(study: StudySpec) -> dict[Group, float]:
    """Every group of a study and its seconds an epoch (docs/explanation/simulation.md), the fastest first."""
    groups = list(dict.fromkeys(group_of(key_of(config)) for config in study.lattice))
    columns = {name: np.array(column) for name, column in params_of_all(map(trained_key, groups)).items()}
    seconds = hardware_law(study.hardware).epoch_time_s(columns, study.stage.num_samples)
    return {groups[k]: float(seconds[k]) for k in np.argsort(seconds, kind="stable")}


def params_of_all(keys: Iterable[Key]) -> dict[str, list[int]]:
    """Columns of parameters."""
    rows = [params_of(key) for key in keys]
    return {name: [row[name] for row in rows] for name in rows[0]}


@dataclass(frozen=True, kw_only=True)
class Grid:
    """What is known of the groups' NRMSE.

    Attributes:
        groups: All there are, and about how many seconds an epoch of each takes; the fastest first.
        limit: The NRMSE to stay under.
        nrmses: Final NRMSE by group and seed; of seeds before `FIRST_FRESH_SEED` only.
    """

    groups: Mapping[Group, float]
    limit: float
    nrmses: Mapping[Group, Mapping[int, float]] = field(default_factory=dict)

    @classmethod
    def of(
        cls, groups: Mapping[Group, float], limit: float, runs: Iterable[QualityRun], num_epochs: int
    ) -> Grid:
        """From trials; those of another length and fresh seeds are left out."""
        nrmses: dict[Group, dict[int, float]] = {}
        for run in runs:
            if len(run.nrmses) == num_epochs and run.seed < FIRST_FRESH_SEED:
                nrmses.setdefault(group_of(run.key), {})[run.seed] = run.nrmses[-1]
        return cls(groups=groups, limit=limit, nrmses=nrmses)

    def num_seeds(self, group: Group) -> int:
        """Seeds that a group has."""
        return len(self.nrmses.get(group, {}))

    def mean(self, group: Group) -> float:
        """Mean NRMSE of a group that has any."""
        return float(np.mean(list(self.nrmses[group].values())))

    @property
    def pooled_sd(self) -> float:
        """Standard deviation between seeds within a group; infinite until some group has two."""
        of_all = [list(values.values()) for values in self.nrmses.values() if len(values) > 1]
        return float(np.sqrt(np.mean([np.var(v, ddof=1) for v in of_all]))) if of_all else math.inf

    def standard_error(self, group: Group) -> float:
        """Of the mean: by the pooled or the group's own deviation, whichever is larger."""
        values = list(self.nrmses[group].values())
        own = float(np.std(values, ddof=1)) if len(values) > 1 else 0.0
        return max(own, self.pooled_sd) / math.sqrt(len(values))

    def is_feasible(self, group: Group) -> bool:
        """Whether the mean meets the target."""
        return self.num_seeds(group) > 0 and self.mean(group) < self.limit

    def errors_away(self, group: Group) -> float:
        """How many standard errors the mean is from the target; 0 without any seed."""
        if not self.num_seeds(group) or not math.isfinite(self.standard_error(group)):
            return 0.0
        return abs(self.mean(group) - self.limit) / self.standard_error(group)

    def is_decided(self, group: Group) -> bool:
        """Whether there are a few seeds and the mean is `STANDARD_ERRORS` from the target."""
        return self.num_seeds(group) >= FEW_SEEDS and self.errors_away(group) > STANDARD_ERRORS

    def wanted(self, most_seeds: int) -> tuple[Group, int] | None:
        """The group that is furthest from decided, and its next seed; None when all have what they need.

        First one seed of each; then what takes more than `SLOW_RATIO` times the least comes after the others.
        """
        slow_s = SLOW_RATIO * min(self.groups.values(), default=0.0)
        needy = [g for g in self.groups if self.num_seeds(g) < most_seeds and not self.is_decided(g)]
        if not needy:
            return None
        group = min(
            needy, key=lambda g: (self.num_seeds(g) > 0, self.groups[g] > slow_s, self.errors_away(g))
        )
        return group, next(seed for seed in range(most_seeds) if seed not in self.nrmses.get(group, {}))


def write_table(
    path: Path, study: StudySpec, runs: Iterable[QualityRun], times_s: Mapping[Key, float]
) -> int:
    """Writes every timed configuration with its group's trials for `benchmarks.search --table`; how many."""
    by_group = grouped(
        (r for r in runs if len(r.nrmses) == study.stage.num_epochs), lambda r: group_of(r.key)
    )
    rows = [
        {"config": list(key), "seed": run.seed, "nrmse": list(run.nrmses), "epoch_time_s": times_s[key]}
        for key in map(key_of, study.lattice)
        if key in times_s
        for run in by_group.get(group_of(key), [])
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return len(rows)


def markdown(grid: Grid, times_s: Mapping[Key, float]) -> str:
    """Every group that has trials, the fastest first; its fastest micro_batch where times are known."""
    lines = [
        "| batch, taus, accum | NRMSE, mean ± se (seeds) | target | fastest micro_batch, s/epoch |",
        "|---|---|---|---|",
    ]
    fastest = best_keys(times_s)
    known = [group for group in grid.groups if grid.num_seeds(group)]
    for group in sorted(known, key=lambda g: times_s[fastest[g]] if g in fastest else math.inf):
        mean, error, seeds = grid.mean(group), grid.standard_error(group), grid.num_seeds(group)
        verdict = "in" if grid.is_feasible(group) else "out"
        timed = f"{fastest[group][1]}: {times_s[fastest[group]]:.3f}" if group in fastest else ""
        decided = "" if grid.is_decided(group) else ", not decided"
        shown = ", ".join(map(str, group))
        width = f"{error:.5f}" if math.isfinite(error) else "?"
        lines.append(f"| {shown} | {mean:.5f} ± {width} ({seeds}) | {verdict}{decided} | {timed} |")
    return "\n".join(lines)


def best_keys(times_s: Mapping[Key, float]) -> dict[Group, Key]:
    """The fastest configuration of every group that was timed."""
    by_group = grouped(times_s, group_of)
    return {group: min(keys, key=lambda key: times_s[key]) for group, keys in by_group.items()}
