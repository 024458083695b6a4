"""Shapes of curves that the harder instances add: late crossings, and the reporting sets' own.

A shape is a factor on the final NRMSE by epoch, 1 at the last (`tuner.simulate.curves`).
"""

from __future__ import annotations

import numpy as np

from foundation.arrays import Floats
from tuner.simulate.curves import CURVES, Curve
from tuner.simulate.harder.shapes import scales
from tuner.simulate.hardware import Columns
from tuner.simulate.quality import Rng


def crossing_late(columns: Columns, excess: Floats, num_epochs: int, rng: Rng) -> Floats:
    """What ends better looks worse for two thirds of the training, and overtakes at its end."""
    epochs = np.arange(1, num_epochs + 1)
    decay = np.exp(-epochs / rng.uniform(1.2, 2.2))
    left = np.clip((0.95 - epochs / num_epochs) / 0.35, 0.0, 1.0)
    against = rng.uniform(1.6, 2.4) * (excess - np.median(excess))[:, None] * left
    factors: Floats = 1 + rng.uniform(0.5, 1.0) * (decay - decay[-1]) - np.clip(against, -0.15, 0.15)
    return factors


def power_decay(columns: Columns, excess: Floats, num_epochs: int, rng: Rng) -> Floats:
    """A power of the epoch, slower with many noise levels."""
    epochs = np.arange(1, num_epochs + 1)
    power = rng.uniform(0.6, 1.4) * np.exp(-rng.uniform(0.0, 0.06) * (scales(columns).taus - 4))
    share = (num_epochs / epochs) ** power[:, None] - 1
    factors: Floats = 1 + rng.uniform(0.03, 0.12) * share
    return factors


def turning(columns: Columns, excess: Floats, num_epochs: int, rng: Rng) -> Floats:
    """Everything drops late, when the learning rate does; what drops most has looked the worst until then."""
    at = np.arange(1, num_epochs + 1) / num_epochs
    turn = rng.uniform(0.6, 0.8)
    before = 1 / (1 + np.exp(rng.uniform(15, 30) * (at - turn)))
    order = np.argsort(np.argsort(-excess)) / max(len(excess) - 1, 1)  # 1 for what ends best
    drop = rng.uniform(0.04, 0.08) + rng.uniform(0.05, 0.12) * order
    factors: Floats = power_decay(columns, excess, num_epochs, rng) + drop[:, None] * (before - before[-1])
    return factors


DEVELOP_CURVES: dict[str, Curve] = CURVES | {"crossing_late": crossing_late}
REPORT_CURVES: dict[str, Curve] = {"power_decay": power_decay, "turning": turning}
