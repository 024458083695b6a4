"""Computes what a card would take: a law of time and memory, from a hardware profile's figures.

Two regimes. For a CUDA card, the guide's: a row of the stage costs about 0.9 GiB, and the constants are
chosen so that the guide's own rows come out (tests state them). For a CPU, what docs/stage.md measured. A law
is a supposition about hardware nobody has measured here: whatever is made from it is *simulated*.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from foundation.arrays import Floats
from tuner.core.hardware import HardwareProfile
from tuner.core.workload import num_batches, num_micro_batches
from tuner.errors import SpecError

Columns = Mapping[str, npt.NDArray[np.generic]]
"""Each parameter's value in every point, shape (points,), as `Lattice.columns`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HardwareLaw:
    """Computes seconds and GiB of the stage on one device.

    An epoch is `batch_s` a batch, `step_s` an optimizer step, `launch_s` a micro-batch, `row_s` a row (sample
    times noise level); a micro-batch of fewer than `saturation_rows` rows takes as long as one of so many. A
    batch takes `loader_s` at least.

    Attributes:
        tile_rows: Rows of a micro-batch are rounded up to a multiple of this.
        base_gib: Memory that does not depend on the configuration.
        row_gib: Memory of one row of a micro-batch.
        memory_gib: Memory of the device in GiB; infinity if running out is not to be simulated.
        noise_pct: Standard deviation of a run's time, percent.
    """

    batch_s: float
    step_s: float
    launch_s: float
    row_s: float
    saturation_rows: float = 0.0
    loader_s: float = 0.0
    tile_rows: int = 1
    base_gib: float
    row_gib: float
    memory_gib: float = math.inf
    noise_pct: float = 0.7

    def epoch_time_s(self, columns: Columns, num_samples: int, rows_per_sample: int = 1) -> Floats:
        """Training seconds of an epoch of every point, shape (points,)."""
        batch, micro, _, accum = guide_columns(columns)
        chunk_s = self.launch_s + self._chunk_rows_s(columns)
        batch_s = self.batch_s + self.step_s / accum
        batch_s += chunk_s * num_micro_batches(batch, micro, rows_per_sample)
        seconds: Floats = num_batches(num_samples, batch) * np.maximum(batch_s, self.loader_s)
        return seconds

    def epoch_rows_s(self, columns: Columns, num_samples: int, rows_per_sample: int = 1) -> Floats:
        """The part of `epoch_time_s` in which rows are computed, shape (points,)."""
        batch, micro, _, _ = guide_columns(columns)
        chunks = num_batches(num_samples, batch) * num_micro_batches(batch, micro, rows_per_sample)
        seconds: Floats = chunks * self._chunk_rows_s(columns)
        return seconds

    def _chunk_rows_s(self, columns: Columns) -> Floats:
        _, micro, taus, _ = guide_columns(columns)
        rows = np.ceil(micro * taus / self.tile_rows) * self.tile_rows
        seconds: Floats = self.row_s * np.maximum(rows, self.saturation_rows)
        return seconds

    def peak_memory_gib(self, columns: Columns) -> Floats:
        """Peak memory of every point, shape (points,)."""
        _, micro, taus, _ = guide_columns(columns)
        peak: Floats = self.base_gib + self.row_gib * micro * taus
        return peak


def guide_columns(columns: Columns) -> tuple[Floats, Floats, Floats, Floats]:
    """Returns batch_size, micro_batch, num_taus, accum_steps as floats; accum_steps is 1 unless it varies."""
    batch, micro, taus = (columns[name].astype(np.float64) for name in _NAMES)
    accum = columns["accum_steps"].astype(np.float64) if "accum_steps" in columns else np.ones(len(batch))
    return batch, micro, taus, accum


_NAMES = ("batch_size", "micro_batch", "num_taus")

_A100_TFLOPS = 156.0
_A100 = HardwareLaw(
    batch_s=119 / 333,  # of the baseline's 350 s an epoch (35 min for 6 epochs): 34 % batches,
    step_s=140 / 333,  # 40 % optimizer steps,
    launch_s=35 / 666,  # 10 % launches,
    row_s=56 / 9990,  # 16 % rows
    saturation_rows=8.0,
    base_gib=7.5,  # 6.0 GiB resident and 1.5 GiB of context, workspace, gradients
    row_gib=0.887,  # of the first 2-D network, counted; an H100 showed 3 % more: docs/log/index.md
)
_CPU = HardwareLaw(  # docs/stage.md, "Calibration"
    batch_s=0.0,
    step_s=154e-6,
    launch_s=412e-6,
    row_s=34.9e-6,
    base_gib=0.456,
    row_gib=36 / 2**20,
    noise_pct=1.5,
)


def hardware_law(profile: HardwareProfile) -> HardwareLaw:
    """The law of a profile's device.

    A CUDA card's rows scale with its TF32 peak, and so does the number of rows that saturate it; batches,
    steps and launches are the host's work, alike on all cards. Memory is the card's.

    Raises:
        SpecError: A CUDA profile lacks a figure the law needs.
    """
    if profile.kind != "cuda":
        return _CPU
    for name in ("peak_tf32_tflops", "memory_gib"):
        if getattr(profile, name) is None:
            raise SpecError(
                f"the hardware profile {profile.name!r} has no {name}, without which it cannot be simulated.",
                f"add {name}: {{value: ..., source: ...}} to it.",
            )
    assert profile.peak_tf32_tflops is not None  # just checked
    assert profile.memory_gib is not None
    ratio = profile.peak_tf32_tflops.value / _A100_TFLOPS
    return replace(
        _A100,
        row_s=_A100.row_s / ratio,
        saturation_rows=_A100.saturation_rows * ratio,
        memory_gib=profile.memory_gib.value,
    )
