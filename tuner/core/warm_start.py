"""NRMSE results of another run: the part of its knowledge that does not depend on the card.

Values only: a warm start is kept in the journal of the run that uses it, so that this rebuilds it exactly.
Holds no times, no memory and nothing of what did not fit.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tuner.core.config import TrialConfig
from tuner.core.trial import TrialRecord, TrialState


@dataclass(frozen=True, slots=True, kw_only=True)
class WarmStartRun:
    """One trial of an earlier run.

    Attributes:
        source: The run, as reports name it; runs of one source share an unknown offset.
        config: The configuration of the run.
        seed: Seed of the stage.
        curve: NRMSE by epoch, ascending, at least one.
    """

    source: str
    config: TrialConfig
    seed: int
    curve: tuple[tuple[int, float], ...]

    @property
    def epoch(self) -> int:
        """The last epoch it reported."""
        return self.curve[-1][0]

    @property
    def nrmse(self) -> float:
        """NRMSE after the epoch."""
        return self.curve[-1][1]


@dataclass(frozen=True, slots=True, kw_only=True)
class WarmStart:
    """NRMSE records of an earlier run.

    Attributes:
        source: The run, as reports name it.
        device: Name of the device it ran on.
        num_epochs: The full budget, there and here.
        runs: Its trials, and those that it had taken from a run before it.
        num_left_out: Trials with an NRMSE that the space of this study cannot express.
    """

    source: str
    device: str
    num_epochs: int
    runs: tuple[WarmStartRun, ...]
    num_left_out: int = 0

    @property
    def num_full(self) -> int:
        """Runs at full budget."""
        return sum(run.epoch == self.num_epochs for run in self.runs)

    @property
    def provenance(self) -> dict[str, Any]:
        """Returns the origins and numbers of runs, as plain JSON values."""
        return {
            "run": self.source,
            "device": self.device,
            "num_runs": len(self.runs),
            "num_full": self.num_full,
            "num_left_out": self.num_left_out,
        }

    def fresh_seed(self, seed: int) -> int:
        """Returns `seed`, or the first above all used ones: a seed used twice may be one sample, not two."""
        used = {run.seed for run in self.runs}
        return max(used) + 1 if any(known >= seed for known in used) else seed

    def as_dict(self) -> dict[str, Any]:
        """Returns the prior as plain JSON values; `from_dict` reads it back."""
        runs = [
            {
                "source": run.source,
                "config": run.config.as_dict(),
                "seed": run.seed,
                "curve": [list(point) for point in run.curve],
            }
            for run in self.runs
        ]
        return {
            "source": self.source,
            "device": self.device,
            "num_epochs": self.num_epochs,
            "num_left_out": self.num_left_out,
            "runs": runs,
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> WarmStart:
        """Reads what `as_dict` gave."""
        runs = tuple(
            WarmStartRun(
                source=run["source"],
                config=TrialConfig.from_dict(run["config"]),
                seed=run["seed"],
                curve=tuple((int(epoch), float(nrmse)) for epoch, nrmse in run["curve"]),
            )
            for run in values["runs"]
        )
        return cls(**{**values, "runs": runs})


def warm_start_run(record: TrialRecord, source: str) -> WarmStartRun | None:
    """Returns what a trial taught about NRMSE, whether or not it ended; None if nothing.

    What diverged or ran out of memory is left out: its curve does not lead to an end.
    """
    curve = tuple(sorted(record.nrmse_curve.items()))
    if not curve or record.state is TrialState.INFEASIBLE:
        return None
    return WarmStartRun(source=source, config=record.config, seed=record.seed, curve=curve)
