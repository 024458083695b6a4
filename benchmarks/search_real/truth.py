"""Statistics of the CPU study's groups of configurations: means, what is decided, what to measure next.

The configurations of a group share batch_size, num_taus and accum_steps, and so their NRMSE. This module
trains and times nothing.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from benchmarks.search.results import grouped
from benchmarks.training.trial_log import Key, QualityRun, params_of
from tuner.core.config import TrialConfig
from tuner.core.study import StudySpec
from tuner.simulate.hardware import hardware_law

Group = tuple[int, int, int]
"""A group of configurations: batch_size, num_taus, accum_steps."""

FEW_SEEDS, MOST_SEEDS = 4, 20
STANDARD_ERRORS = 3.0
"""A mean is decided if it is more than this many standard errors from the target."""
SLOW_RATIO = 2.0
FIRST_FRESH_SEED = 10_000
"""Seeds from here on check recommendations. Neither the grid nor a search nor a certificate uses them."""


def group_of(key: Key) -> Group:
    """Returns the group of a configuration."""
    batch_size, _, num_taus, accum_steps = key
    return batch_size, num_taus, accum_steps


def key_of(config: TrialConfig) -> Key:
    """Returns a configuration as a key."""
    return config.batch_size, config.micro_batch, config.num_taus, config.accum_steps


def trained_key(group: Group) -> Key:
    """Returns the configuration that is trained for a group, with the whole batch as one micro-batch."""
    batch_size, num_taus, accum_steps = group
    return batch_size, batch_size, num_taus, accum_steps


def groups_of(study: StudySpec) -> dict[Group, float]:
    """Returns every group of a study with its predicted seconds per epoch, the fastest first.

    The prediction is the simulator's law of the hardware (docs/explanation/simulation.md).
    """
    groups = list(dict.fromkeys(group_of(key_of(config)) for config in study.lattice))
    columns = {name: np.array(column) for name, column in params_of_all(map(trained_key, groups)).items()}
    seconds = hardware_law(study.hardware).epoch_time_s(columns, study.stage.num_samples)
    return {groups[k]: float(seconds[k]) for k in np.argsort(seconds, kind="stable")}


def params_of_all(keys: Iterable[Key]) -> dict[str, list[int]]:
    """Returns the parameters of several configurations as columns by name."""
    rows = [params_of(key) for key in keys]
    return {name: [row[name] for row in rows] for name in rows[0]}


@dataclass(frozen=True, kw_only=True)
class Grid:
    """The measured NRMSE of the groups, and what follows from it.

    Attributes:
        groups: All groups with the approximate seconds of an epoch, the fastest first.
        limit: NRMSE to stay under.
        nrmses: Final NRMSE by group and seed, only of seeds before `FIRST_FRESH_SEED`.
    """

    groups: Mapping[Group, float]
    limit: float
    nrmses: Mapping[Group, Mapping[int, float]] = field(default_factory=dict)

    @classmethod
    def of(
        cls, groups: Mapping[Group, float], limit: float, runs: Iterable[QualityRun], num_epochs: int
    ) -> Grid:
        """Makes a grid from trials. It leaves out fresh seeds and trials of another number of epochs."""
        nrmses: dict[Group, dict[int, float]] = {}
        for run in runs:
            if len(run.nrmses) == num_epochs and run.seed < FIRST_FRESH_SEED:
                nrmses.setdefault(group_of(run.key), {})[run.seed] = run.nrmses[-1]
        return cls(groups=groups, limit=limit, nrmses=nrmses)

    def num_seeds(self, group: Group) -> int:
        """Returns the number of seeds that a group has."""
        return len(self.nrmses.get(group, {}))

    def mean(self, group: Group) -> float:
        """Returns the mean NRMSE of a group, which must have at least one seed."""
        return float(np.mean(list(self.nrmses[group].values())))

    @property
    def pooled_sd(self) -> float:
        """The standard deviation between seeds, pooled over the groups; infinite until some group has two."""
        of_all = [list(values.values()) for values in self.nrmses.values() if len(values) > 1]
        return float(np.sqrt(np.mean([np.var(v, ddof=1) for v in of_all]))) if of_all else math.inf

    def standard_error(self, group: Group) -> float:
        """Returns the standard error of a group's mean, by the larger of its own and the pooled deviation."""
        values = list(self.nrmses[group].values())
        own = float(np.std(values, ddof=1)) if len(values) > 1 else 0.0
        return max(own, self.pooled_sd) / math.sqrt(len(values))

    def is_feasible(self, group: Group) -> bool:
        """Returns whether a group's mean meets the target."""
        return self.num_seeds(group) > 0 and self.mean(group) < self.limit

    def errors_away(self, group: Group) -> float:
        """Returns how many standard errors a group's mean is from the target; 0 without any seed."""
        if not self.num_seeds(group) or not math.isfinite(self.standard_error(group)):
            return 0.0
        return abs(self.mean(group) - self.limit) / self.standard_error(group)

    def is_decided(self, group: Group) -> bool:
        """Returns whether a group has a few seeds and its mean is `STANDARD_ERRORS` from the target."""
        return self.num_seeds(group) >= FEW_SEEDS and self.errors_away(group) > STANDARD_ERRORS

    def wanted(self, most_seeds: int) -> tuple[Group, int] | None:
        """Returns the group that is furthest from decided and its next seed, or None if no group needs more.

        Every group first gets one seed. After that, groups that take more than `SLOW_RATIO` times as long as
        the fastest come after the others.
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
    """Writes every timed configuration with its group's trials, for `benchmarks.search --table`.

    Returns:
        The number of rows.
    """
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
    """Returns a table of the groups that have trials, the fastest first, with their fastest micro_batch."""
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
    """Returns the fastest configuration of every group that was timed."""
    by_group = grouped(times_s, group_of)
    return {group: min(keys, key=lambda key: times_s[key]) for group, keys in by_group.items()}
