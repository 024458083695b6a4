"""Turns BoTorch's constrained engineering designs into tables on a grid.

The designs are a pressure vessel, a welded beam, a spring and a speed reducer. Each asks for the least cost
under constraints. The cost stands for time: it is raised to the power that makes the dearest point ten times
as dear as the cheapest. The worst violation stands for NRMSE, with the noise that a training has between
seeds and with a bound that is drawn as for the other public problems.
"""

from __future__ import annotations

import importlib.util
from functools import cache

import numpy as np

from foundation.arrays import Floats
from tuner.core.lattice import Lattice
from tuner.core.parameters import Discrete
from tuner.simulate.noise import generator

LEVELS = {"PressureVessel": 8, "WeldedBeamSO": 8, "TensionCompressionString": 16, "SpeedReducer": 3}
"""Number of values of each parameter. The designs have 4, 4, 3 and 7 parameters: 2,187 to 4,096 points."""

NUM_SEEDS, NOISE = 4, 0.009
"""Number of seeds in the table, and the relative deviation between them, which is the bundled stage's
(docs/stage.md)."""

SPREAD = 10.0
"""The ratio of the longest time to the shortest."""


def names() -> list[str]:
    """Returns the names of the designs, or none if botorch is not installed."""
    return list(LEVELS) if importlib.util.find_spec("botorch") else []


@cache
def lattice(name: str) -> Lattice:
    """Returns a design's grid. Every study has micro_batch and num_taus; here they have one value."""
    axes = [
        Discrete(name=f"x{k}", values=tuple(np.linspace(low, high, LEVELS[name] + 1)[1:].tolist()))
        for k, (low, high) in enumerate(_design(name)._bounds)
    ]
    others = (("batch_size", 8), ("micro_batch", 8), ("num_taus", 1))
    return Lattice([*axes, *(Discrete(name=other, values=(value,)) for other, value in others)])


@cache
def table(name: str) -> tuple[Floats, Floats]:
    """Returns exp(worst violation) and the time of every point, each of shape (points, seeds).

    A violation is measured in units of the constraint's median absolute value over the grid, and is cut off
    at 2 of them.
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
