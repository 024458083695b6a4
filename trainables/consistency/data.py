"""Training, held-out and final pairs, split by trajectory, in units of the training deviation.

Knows how trajectories become pairs. Does not know operator, teacher or student.

Shape legend: S pairs, N grid points.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from trainables.consistency import burgers
from trainables.consistency.options import WINDOWS_PER_TRAJECTORY, StageOptions

FRAME_INTERVAL = 0.1
HORIZON_FRAMES = 3
"""A pair is (u(t), u(t + 0.3)) with t in {0, .1, .2, .3}."""

SOLVER_REFINEMENT = 2
SPLITS = ("train", "eval", "final")
"""``final`` is for final reports only: no choice of any kind may look at it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pairs:
    """Inputs and targets of one split.

    Attributes:
        u: u(t), float32 (S, N).
        u_next: u(t + 0.3), float32 (S, N).
    """

    u: Tensor
    u_next: Tensor


def make_splits(options: StageOptions) -> dict[str, Pairs]:
    """Solves Burgers' equation for every split and scales by the training standard deviation.

    Each split has its own random stream, so the held-out pairs stay the same when the number of
    training samples changes, and no trajectory is in two splits.
    """
    raw = {split: _pairs(split, options) for split in SPLITS}
    train = raw["train"]
    scale = torch.cat([train.u, train.u_next]).std()
    return {
        split: Pairs(u=(p.u / scale).float(), u_next=(p.u_next / scale).float()) for split, p in raw.items()
    }


def _pairs(split: str, options: StageOptions) -> Pairs:
    """The pairs of one split in physical units, float64, trajectory by trajectory."""
    num_train = options.num_samples // WINDOWS_PER_TRAJECTORY
    num = num_train if split == "train" else options.num_eval_trajectories
    rng = np.random.default_rng([options.data_seed, SPLITS.index(split)])
    u0 = burgers.initial_conditions(num, SOLVER_REFINEMENT * options.grid_points, rng)
    num_frames = WINDOWS_PER_TRAJECTORY + HORIZON_FRAMES
    frames = burgers.solve(u0, num_frames=num_frames, frame_interval=FRAME_INTERVAL)
    frames = frames[..., ::SOLVER_REFINEMENT]  # (num, 7, N)
    before, after = frames[:, :WINDOWS_PER_TRAJECTORY], frames[:, HORIZON_FRAMES:]
    return Pairs(u=before.flatten(0, 1), u_next=after.flatten(0, 1))
