"""Estimates what a card draws while a stage trains: supposed watts, and the joules that result.

Two powers: one while rows are computed, a lower one while the card waits for the host. Suppositions, not
measurements; a CPU, and a card whose board power is not known, report no energy, as real ones may not.
"""

from __future__ import annotations

from foundation.arrays import Floats
from tuner.core.hardware import HardwareProfile
from tuner.simulate.hardware import Columns, HardwareLaw

BOARD_POWER_W = {"a100_40gb": 400.0, "h100_80gb": 700.0, "rtx4090": 450.0}
"""Board power by the data sheets of the SXM cards and of the RTX 4090, by hardware profile."""

LOAD_SHARE = 0.8
"""Share of the board's power while rows are computed, supposed."""

WAITING_SHARE = 0.3
"""Share of the board's power while a process waits on the host, supposed."""


def epoch_energy_j(
    profile: HardwareProfile, law: HardwareLaw, columns: Columns, num_samples: int, rows_per_sample: int = 1
) -> Floats | None:
    """Joules of an epoch of every point, shape (points,); None where the power is not known."""
    board_w = BOARD_POWER_W.get(profile.name)
    if board_w is None:
        return None
    time_s, rows_s = (f(columns, num_samples, rows_per_sample) for f in (law.epoch_time_s, law.epoch_rows_s))
    return board_w * (WAITING_SHARE * time_s + (LOAD_SHARE - WAITING_SHARE) * rows_s)
