"""Constrained engineering designs as tables: what BoTorch ships of them, on a grid (botorch).

Pressure vessel, welded beam, spring, speed reducer: cost is to be minimised under constraints. The cost,
raised to the power that makes the dearest point ten times the cheapest, plays the part of time; the worst
violation, under a bound as it is drawn for the other public problems, that of NRMSE, with a training's noise
between seeds.
"""

from __future__ import annotations

import importlib.util
from functools import cache

import numpy as np

from tuner.core.lattice import Lattice
from tuner.core.parameters import Discrete
from tuner.simulate.hardware import Floats
from tuner.simulate.noise import generator

LEVELS = {"PressureVessel": 8, "WeldedBeamSO": 8, "TensionCompressionString": 16, "SpeedReducer": 3}
"""Values of each of a design's 4, 4, 3 and 7 parameters: 2,187 to 4,096 points."""

NUM_SEEDS, NOISE = 4, 0.009
"""Seeds of the table, and the relative deviation between them: the bundled stage's (docs/stage.md)."""

SPREAD = 10.0
"""The longest time over the shortest."""


def names() -> list[str]:
    """The designs, none where the package is not installed."""
    return list(LEVELS) if importlib.util.find_spec("botorch") else []


@cache
def lattice(name: str) -> Lattice:
    """A design's grid; micro_batch and num_taus, which every study has, have one value and no meaning."""
    axes = [
        Discrete(name=f"x{k}", values=tuple(np.linspace(low, high, LEVELS[name] + 1)[1:].tolist()))
        for k, (low, high) in enumerate(_design(name)._bounds)
    ]
    others = (("batch_size", 8), ("micro_batch", 8), ("num_taus", 1))
    return Lattice([*axes, *(Discrete(name=other, values=(value,)) for other, value in others)])


@cache
def table(name: str) -> tuple[Floats, Floats]:
    """exp(worst violation) and time of every point, each of shape (points, seeds).

    A constraint is measured in its median absolute value over the grid; violations end at 2 of these.
    """
    import torch

    design, grid = _design(name), lattice(name)
    columns = [grid.columns[f"x{k}"] for k in range(design.dim)]
    points = torch.as_tensor(np.column_stack(columns), dtype=torch.float64)
    slack = design.evaluate_slack_true(points).numpy()  # (points, constraints), met where >= 0
    worst = np.max(-slack / np.median(np.abs(slack), axis=0), axis=1)
    cost = design.evaluate_true(points).numpy()
    noise = 1 + NOISE * generator(name, 0).standard_normal((len(worst), NUM_SEEDS))
    losses = np.exp(np.minimum(worst, 2.0))[:, None] * noise
    times = (cost / cost.min()) ** (np.log(SPREAD) / np.log(cost.max() / cost.min()))
    return losses, np.repeat(times[:, None], NUM_SEEDS, axis=1)


def _design(name: str):  # type: ignore[no-untyped-def]  # botorch may not be there
    from botorch.test_functions import synthetic

    return getattr(synthetic, name)()
