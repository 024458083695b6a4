"""Training, held-out and final pairs, split by trajectory, in units of the training deviation.

Knows how trajectories become pairs. Does not know operator, teacher or student.

Shape legend: S pairs, N points of a field (a 2-D one is flattened), F frames.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from trainables.consistency import burgers, turbulence
from trainables.consistency.options import WINDOWS_PER_TRAJECTORY, StageOptions

FRAME_INTERVAL = 0.1
HORIZON_FRAMES = 3
"""A pair is (u(t), u(t + 0.3)) with t in {0, .1, .2, .3}."""

SOLVER_REFINEMENT = 2
_NUM_FRAMES = WINDOWS_PER_TRAJECTORY + HORIZON_FRAMES
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


def make_splits(options: StageOptions, device: str = "cpu") -> dict[str, Pairs]:
    """Solves the equation for every split and scales by the training standard deviation.

    Each split has its own random stream, so the held-out pairs stay the same when the number of
    training samples changes, and no trajectory is in two splits. Turbulence is solved on ``device``;
    the pairs are on the CPU.
    """
    raw = {split: _pairs(split, options, device) for split in SPLITS}
    train = raw["train"]
    scale = torch.cat([train.u, train.u_next]).std()
    return {
        split: Pairs(u=(p.u / scale).float(), u_next=(p.u_next / scale).float()) for split, p in raw.items()
    }


def _pairs(split: str, options: StageOptions, device: str) -> Pairs:
    """Returns the pairs of one split in physical units, float64, trajectory by trajectory."""
    num_train = options.num_samples // WINDOWS_PER_TRAJECTORY
    num = num_train if split == "train" else options.num_eval_trajectories
    rng = np.random.default_rng([options.data_seed, SPLITS.index(split)])
    solve = _turbulence_frames if options.problem == "turbulence2d" else _burgers_frames
    frames = solve(num, options.grid_points, rng, device)  # (num, 7, N)
    before, after = frames[:, :WINDOWS_PER_TRAJECTORY], frames[:, HORIZON_FRAMES:]
    return Pairs(u=before.flatten(0, 1), u_next=after.flatten(0, 1))


def _burgers_frames(num: int, grid_points: int, rng: np.random.Generator, _device: str) -> Tensor:
    """Solves for frames (num, F, N) of Burgers trajectories, on the CPU in about two seconds."""
    u0 = burgers.initial_conditions(num, SOLVER_REFINEMENT * grid_points, rng)
    frames = burgers.solve(u0, num_frames=_NUM_FRAMES, frame_interval=FRAME_INTERVAL)
    return frames[..., ::SOLVER_REFINEMENT]


def _turbulence_frames(num: int, grid_points: int, rng: np.random.Generator, device: str) -> Tensor:
    """Solves for frames (num, F, N) of vorticity, N = grid_points^2, row by row."""
    refinement = max(1, turbulence.MIN_SOLVER_POINTS // grid_points)
    w0 = turbulence.initial_conditions(num, refinement * grid_points, rng).to(device)
    frames = turbulence.solve(w0, num_frames=_NUM_FRAMES, frame_interval=FRAME_INTERVAL)
    return frames[..., ::refinement, ::refinement].flatten(2).cpu()
