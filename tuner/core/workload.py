"""The work that a configuration means: the guide's cost mathematics, with its rounding made explicit.

Counts only; how long they take is the cost model's business. Two counts of the guide are easily
mixed up: `num_forward_passes` (launches when noise levels are looped over: 3,330 -> 2,004, -40 %)
and `num_sample_evals` (the arithmetic, samples x noise levels: 10,000 -> 8,000, -20 %).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

from foundation.arrays import Floats
from tuner.core.config import TrialConfig
from tuner.core.study_sections import StageSpec

Sizes = TypeVar("Sizes", int, Floats)
"""One batch size, or those of many points."""


def num_batches(num_samples: int, batch_size: Sizes) -> Sizes:
    """Batches an epoch, `floor(num_samples / batch_size + 1/2)`: 333 and 167 in the guide.

    The guide writes `num_samples / batch_size` and rounds; half a batch is rounded up. Every
    batch is full, and the bundled stage uses the same rule.

    Args:
        num_samples: Number of samples in an epoch.
        batch_size: Samples a batch, as many as there are points.
    """
    return (2 * num_samples + batch_size) // (2 * batch_size)


def num_micro_batches(batch_size: Sizes, micro_batch: Sizes, rows_per_sample: int = 1) -> Sizes:
    """Chunks that a batch of `batch_size * rows_per_sample` rows is cut into; the last may be smaller."""
    return -(-batch_size * rows_per_sample // micro_batch)


@dataclass(frozen=True, slots=True, kw_only=True)
class Workload:
    """The work of one epoch of `num_samples` samples under `config`.

    Attributes:
        config: The configuration.
        num_samples: Samples an epoch.
        rows_per_sample: Rows that the stage makes of a sample; micro-batches are cut from a batch's rows.

    Raises:
        ValueError: `num_samples` is so small that not even one batch is run.
    """

    config: TrialConfig
    num_samples: int
    rows_per_sample: int = 1

    def __post_init__(self) -> None:
        if self.num_iterations < 1:
            raise ValueError(
                f"num_samples={self.num_samples} are not half a batch of {self.config.batch_size}."
            )

    @property
    def num_iterations(self) -> int:
        """Batches an epoch; see `num_batches`."""
        return num_batches(self.num_samples, self.config.batch_size)

    @property
    def num_chunks(self) -> int:
        """Micro-batches an epoch: launches when all noise levels of a chunk go through at once."""
        size, micro = self.config.batch_size, self.config.micro_batch
        return self.num_iterations * num_micro_batches(size, micro, self.rows_per_sample)

    @property
    def num_forward_passes(self) -> int:
        """The guide's forward passes, `iterations x micro_batches_per_iter x num_taus`.

        Launches when noise levels are looped over; vectorised, they are `num_chunks`.
        """
        return self.num_chunks * self.config.num_taus

    @property
    def num_sample_evals(self) -> int:
        """The guide's arithmetic, `num_samples x num_taus`: 10,000 -> 8,000; times the rows of a sample."""
        return self.num_samples * self.rows_per_sample * self.config.num_taus

    @property
    def num_rows(self) -> int:
        """Rows that whole batches really execute: 9,990 and 8,016 in the guide's two examples."""
        rows = self.config.batch_size * self.rows_per_sample
        return self.num_iterations * rows * self.config.num_taus

    @property
    def memory_units(self) -> int:
        """Rows in memory at once, `micro_batch x num_taus`: what memory is proportional to."""
        return self.config.micro_batch * self.config.num_taus

    def num_optimizer_steps(self, num_epochs: int) -> int:
        """Optimizer steps of a whole run, `ceil(iterations x num_epochs / accum_steps)`.

        Accumulated gradients are carried over an epoch's end; the last, incomplete group counts.
        """
        return -(-self.num_iterations * num_epochs // self.config.accum_steps)


def workload(config: TrialConfig, stage: StageSpec) -> Workload:
    """The work of one epoch of a study's stage."""
    return Workload(config=config, num_samples=stage.num_samples, rows_per_sample=stage.rows_per_sample)


def change_pct(before: float, after: float) -> float:
    """The relative change in percent: -20 from 5 to 4.

    Raises:
        ValueError: `before` is zero.
    """
    if before == 0:
        raise ValueError("no relative change from zero")
    return 100 * (after - before) / before
