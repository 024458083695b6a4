"""Viscous Burgers trajectories by a pseudo-spectral integrating-factor Runge-Kutta solver.

    u_t + (u^2 / 2)_x = nu u_xx,   periodic on [0, 1].

Knows the equation and its random initial conditions. Does not know about pairs, splits or networks.

Shape legend: B trajectories, M solver points, K = M // 2 + 1 wave numbers, F frames.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

VISCOSITY = 0.01
"""Viscosity nu, in units of (domain length)^2 per unit time."""

TIME_STEP = 1e-3
"""Solver step; with 128 points the solution changes by 4e-6 when it is halved."""

MAX_WAVENUMBER = 4
NUM_SINES = 2

# Trajectories solved at once: the work arrays of 100 x 128 points stay in a core's cache.
_CHUNK = 100


def initial_conditions(num: int, num_points: int, rng: np.random.Generator) -> Tensor:
    """Draws sums of two sines, PDEBench's family (Takamoto et al., 2022, section D.1).

    k ~ U{1..4}, amplitude ~ U[0, 1], phase ~ U[0, 2 pi].

    Args:
        num: Number of trajectories B.
        num_points: Solver points M.
        rng: The source of all randomness.

    Returns:
        u(x, 0), float64 of shape (B, M).
    """
    shape = (num, NUM_SINES, 1)
    wavenumber = rng.integers(1, MAX_WAVENUMBER + 1, size=shape)
    amplitude = rng.uniform(0.0, 1.0, size=shape)
    phase = rng.uniform(0.0, 2.0 * math.pi, size=shape)
    x = np.arange(num_points) / num_points  # (M,)
    sines = amplitude * np.sin(2.0 * math.pi * wavenumber * x + phase)  # (B, 2, M)
    return torch.from_numpy(sines.sum(axis=1))


def solve(
    u0: Tensor,
    *,
    num_frames: int,
    frame_interval: float,
    viscosity: float = VISCOSITY,
    time_step: float = TIME_STEP,
) -> Tensor:
    """Integrates Burgers' equation and keeps equally spaced frames.

    Fourth-order Runge-Kutta on the integrating-factor form (diffusion exact), with the 2/3 rule
    against aliasing (Canuto et al., Spectral Methods, 2006, sections 3.3 and D.2).

    Args:
        u0: Initial values, float64 (B, M), M even.
        num_frames: F, including the initial frame.
        frame_interval: Time between frames.
        viscosity: nu.
        time_step: Upper bound of the step; it is shortened to divide ``frame_interval``.

    Returns:
        Frames of shape (B, F, M), float64.
    """
    chunks = torch.split(u0, _CHUNK)
    return torch.cat([_solve_chunk(c, num_frames, frame_interval, viscosity, time_step) for c in chunks])


def _solve_chunk(
    u0: Tensor, num_frames: int, frame_interval: float, viscosity: float, time_step: float
) -> Tensor:
    """Does what ``solve`` does, for a batch small enough to stay in cache."""
    num_points = u0.shape[-1]
    steps = math.ceil(frame_interval / time_step - 1e-9)
    dt = frame_interval / steps
    k = 2.0 * math.pi * torch.arange(num_points // 2 + 1, dtype=torch.float64)  # (K,)
    half = torch.exp(-viscosity * k**2 * (dt / 2.0))  # (K,) diffusion over half a step
    kept = k <= 2.0 / 3.0 * k[-1]
    flux = torch.where(kept, -0.5j * k, torch.zeros((), dtype=torch.complex128))  # (K,)

    spectrum = torch.fft.rfft(u0)  # (B, K)
    frames = [u0]
    for _ in range(num_frames - 1):
        for _ in range(steps):
            spectrum = _rk4_step(spectrum, flux, half, dt, num_points)
        frames.append(torch.fft.irfft(spectrum, n=num_points))
    return torch.stack(frames, dim=1)


def _rk4_step(spectrum: Tensor, flux: Tensor, half: Tensor, dt: float, num_points: int) -> Tensor:
    """Advances by one step of integrating-factor RK4: spectrum (B, K), flux and half (K,)."""

    def slope(s: Tensor) -> Tensor:
        u = torch.fft.irfft(s, n=num_points)
        rate: Tensor = flux * torch.fft.rfft(u * u)
        return rate

    a = slope(spectrum)
    decayed = half * spectrum
    b = slope(decayed + (0.5 * dt) * (half * a))
    c = slope(decayed + (0.5 * dt) * b)
    d = slope(half * (decayed + dt * c))
    after: Tensor = half * (decayed + (dt / 6.0) * (half * a + 2.0 * (b + c))) + (dt / 6.0) * d
    return after
