"""Quality laws on which a search may be developed; forms and functions are in no other set.

Like every law (`tuner.simulate.quality`) they give a relative excess of NRMSE; only differences count.
"""

from __future__ import annotations

import numpy as np

from foundation.arrays import Floats
from tuner.simulate.harder.shapes import drawn_step, learning_rate_doublings, scales, unit_box
from tuner.simulate.hardware import Columns
from tuner.simulate.quality import QualityLaw, Rng


def hinges(columns: Columns, rng: Rng) -> Floats:
    """Additive: each parameter is free up to a drawn value, and costs evenly beyond it."""
    s = scales(columns)
    beyond = np.maximum(s.b - rng.uniform(0.3, 1.5), 0)
    return (
        rng.uniform(0.012, 0.035) * beyond
        + rng.uniform(0.004, 0.02) * s.a
        + rng.uniform(0.004, 0.012) * np.maximum(rng.uniform(3.5, 5.5) - s.taus, 0)
    )


def noise_to_signal(columns: Columns, rng: Rng) -> Floats:
    """The root of two squares, of the effective batch and of the lack of noise levels: not additive."""
    s = scales(columns)
    size = rng.uniform(0.5, 1.2) * np.maximum(s.le, 0)
    lack = rng.uniform(2.0, 6.0) / s.taus
    return rng.uniform(0.015, 0.03) * np.sqrt(0.3 + size**2 + lack**2)


def rotated_valley(columns: Columns, rng: Rng) -> Floats:
    """A quadratic valley whose axes lie oblique in batch_size, num_taus and accum_steps."""
    s = scales(columns)
    axes = np.linalg.qr(rng.normal(size=(3, 3)))[0]
    offset = unit_box(s.b, s.taus, s.a) - rng.uniform(-0.6, 0.6, 3)
    weights = np.sort(rng.uniform(0.0, 0.035, 3))
    law: Floats = ((offset @ axes) ** 2) @ weights
    return law + rng.uniform(0.0, 0.006) * s.b


def terraces(columns: Columns, rng: Rng) -> Floats:
    """Steps up and down in batch_size * num_taus, and a slope in accumulation."""
    s = scales(columns)
    law = rng.uniform(0.004, 0.012) * s.a + rng.uniform(0.002, 0.008) * s.b
    for _ in range(5):
        law = law + rng.normal(0.006, 0.012) * drawn_step(s.batch * s.taus, rng)
    return law


def patchwork(columns: Columns, rng: Rng) -> Floats:
    """Constant in the cells of a random partition, which is cut three times; nothing physical."""
    s = scales(columns)
    axes, cell = (s.b, s.taus, s.a), np.zeros(len(s.b), dtype=np.intp)
    for _ in range(3):
        for part in np.unique(cell):
            column = axes[int(rng.choice(3, p=(0.45, 0.35, 0.2)))]
            cell = np.where((cell == part) & drawn_step(column, rng), cell.max() + 1, cell)
    law: Floats = rng.normal(0, 0.022, cell.max() + 1)[cell]
    return law + 0.004 * s.b


def bumps(columns: Columns, rng: Rng) -> Floats:
    """A sum of a dozen hills and hollows at random places; nothing physical."""
    s = scales(columns)
    box = unit_box(s.b, s.taus, s.a)
    centres = rng.uniform(-1, 1, size=(12, 3))
    squared = ((box[:, None, :] - centres) ** 2).sum(axis=2)
    law: Floats = np.exp(-squared / (2 * rng.uniform(0.3, 0.6) ** 2)) @ rng.normal(0, 0.025, 12)
    return law + 0.004 * s.b


def small_chunks(columns: Columns, rng: Rng) -> Floats:
    """The law `hinges`, and micro_batch matters: small ones are worse or better, by its reciprocal root."""
    sign = 1.0 if rng.uniform() < 0.7 else -1.0
    return hinges(columns, rng) + sign * rng.uniform(0.015, 0.04) / np.sqrt(scales(columns).micro)


def tuned_hinges(columns: Columns, rng: Rng) -> Floats:
    """The law `hinges`, with a quadratic bowl in the learning rate that moves with batch_size; bf16 costs."""
    lr, s = learning_rate_doublings(columns), scales(columns)
    best = rng.uniform(-0.4, 0.3) + rng.uniform(0.1, 0.5) * s.b
    is_low = columns["precision"] == "bf16"
    few = rng.uniform(0.0, 0.01) / s.taus
    bowl = rng.uniform(0.006, 0.014) * (lr - best) ** 2
    law: Floats = hinges(columns, rng) + bowl + is_low * (rng.uniform(0.0, 0.01) + few)
    return law


DEVELOP_LAWS: dict[str, QualityLaw] = {
    law.__name__: law
    for law in (
        hinges,
        noise_to_signal,
        rotated_valley,
        terraces,
        patchwork,
        bumps,
        small_chunks,
        tuned_hinges,
    )
}
