"""Decaying 2-D turbulence in vorticity form, by a pseudo-spectral integrating-factor RK4 solver.

    w_t + v . grad w = nu lap w,   v = (psi_y, -psi_x),   lap psi = -w,   periodic on [0, 2 pi]^2.

Runs on any device. Knows the equation and its random initial fields. Does not know about pairs,
splits or networks.

Shape legend: B trajectories, M solver points along each axis, K = M // 2 + 1, F frames.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

VISCOSITY = 1e-2
"""Viscosity nu; with velocities of rms 1 and eddies of wavenumber 4 the Reynolds number is about 150."""

PEAK_WAVENUMBER = 4.0
MAX_WAVENUMBER = 10
MIN_SOLVER_POINTS = 64

COURANT = 1.0
"""Time step times M: a step is 1 / 64 with 64 points, 1 / 192 with 192; RK4 is stable to 8 / max |v|."""

# Points solved at once, over all trajectories of a chunk: a few hundred MiB of work arrays.
_CHUNK_POINTS = 2**21


def initial_conditions(num: int, num_points: int, rng: np.random.Generator) -> Tensor:
    """Draws Gaussian vorticity fields with velocities of rms 1.

    The energy spectrum is E(k) ~ k^4 exp(-2 (k / 4)^2), on wavenumbers up to 10 along each axis, so
    that a field is the same function whatever the grid.

    Args:
        num: Number of trajectories B.
        num_points: Solver points M along each axis, more than 20.
        rng: The source of all randomness.

    Returns:
        w(x, y, 0), float64 of shape (B, M, M).
    """
    top = MAX_WAVENUMBER
    noise = rng.standard_normal((num, 2 * top + 1, top + 1, 2))
    kx, ky = np.arange(-top, top + 1)[:, None], np.arange(top + 1)[None, :]
    k = np.sqrt(kx**2 + ky**2)
    # E(k) = pi k |v_k|^2 and |w_k| = k |v_k|, hence |w_k|^2 ~ k E(k).
    amplitude = np.sqrt(k**5 * np.exp(-2.0 * (k / PEAK_WAVENUMBER) ** 2))
    spectrum = np.zeros((num, num_points, num_points // 2 + 1), dtype=np.complex128)
    rows = np.arange(-top, top + 1) % num_points
    spectrum[:, rows, : top + 1] = amplitude * (noise[..., 0] + 1j * noise[..., 1])
    vorticity = torch.fft.irfft2(torch.from_numpy(spectrum), s=(num_points, num_points))
    speed = (2.0 * energy(vorticity)).sqrt()
    scaled: Tensor = vorticity / speed[:, None, None]
    return scaled


def solve(
    w0: Tensor,
    *,
    num_frames: int,
    frame_interval: float,
    viscosity: float = VISCOSITY,
    time_step: float | None = None,
) -> Tensor:
    """Integrates the vorticity equation and keeps equally spaced frames.

    Fourth-order Runge-Kutta on the integrating-factor form (diffusion exact), with the 2/3 rule
    against aliasing (Canuto et al., Spectral Methods, 2006, sections 3.3 and D.2).

    Args:
        w0: Initial vorticity, float64 (B, M, M), M even.
        num_frames: F, including the initial frame.
        frame_interval: Time between frames.
        viscosity: nu.
        time_step: Upper bound of the step; ``COURANT / M`` unless given.

    Returns:
        Frames of shape (B, F, M, M), float64, on the device of ``w0``.
    """
    num_points = w0.shape[-1]
    steps = math.ceil(frame_interval / (time_step or COURANT / num_points) - 1e-9)
    system = _System.new(num_points, viscosity, frame_interval / steps, w0.device)
    chunks = torch.split(w0, max(1, _CHUNK_POINTS // num_points**2))
    return torch.cat([_solve_chunk(c, num_frames, steps, system) for c in chunks])


def energy(w: Tensor) -> Tensor:
    """Returns the mean kinetic energy <|v|^2> / 2 of vorticity fields (..., M, M) -> (...)."""
    num_points = w.shape[-1]
    kx, ky = _wavenumbers(num_points, w.device)
    inverse = _inverse_laplacian(kx, ky)
    stream = torch.fft.irfft2(inverse * torch.fft.rfft2(w), s=(num_points, num_points))
    mean: Tensor = 0.5 * (stream * w).mean(dim=(-2, -1))
    return mean


def enstrophy(w: Tensor) -> Tensor:
    """Returns the mean enstrophy <w^2> / 2 of vorticity fields (..., M, M) -> (...)."""
    return 0.5 * w.square().mean(dim=(-2, -1))


@dataclass(frozen=True, slots=True, kw_only=True)
class _System:
    """The constant operators of one grid and step, in Fourier space.

    Attributes:
        dt: The time step.
        half: Factors of diffusion over half a step (M, K).
        to_fields: Multipliers of w that give v_x, v_y, w_x and w_y: (4, M, K).
        kept: -1 where the 2/3 rule keeps a mode, else 0 (M, K).
    """

    dt: float
    half: Tensor
    to_fields: Tensor
    kept: Tensor

    @classmethod
    def new(cls, num_points: int, viscosity: float, dt: float, device: torch.device) -> _System:
        kx, ky = _wavenumbers(num_points, device)
        inverse = _inverse_laplacian(kx, ky)
        limit = num_points / 3.0
        kept = (kx.abs() < limit) & (ky < limit)
        to_fields = torch.stack([1j * ky * inverse, -1j * kx * inverse, 1j * kx + 0 * ky, 1j * ky + 0 * kx])
        return cls(
            dt=dt,
            half=torch.exp(-viscosity * (kx**2 + ky**2) * (dt / 2.0)),
            to_fields=to_fields * kept,
            kept=-kept.to(torch.float64),
        )

    def slope(self, spectrum: Tensor) -> Tensor:
        """Returns the transform of -v . grad w for w of transform ``spectrum`` (B, M, K)."""
        num_points = spectrum.shape[-2]
        fields = torch.fft.irfft2(spectrum[:, None] * self.to_fields, s=(num_points, num_points))
        vx, vy, wx, wy = fields.unbind(dim=1)  # (B, M, M) each
        rate: Tensor = self.kept * torch.fft.rfft2(vx * wx + vy * wy)
        return rate

    def step(self, spectrum: Tensor) -> Tensor:
        """Advances by one step of integrating-factor RK4."""
        dt, half = self.dt, self.half
        a = self.slope(spectrum)
        decayed = half * spectrum
        b = self.slope(decayed + (0.5 * dt) * (half * a))
        c = self.slope(decayed + (0.5 * dt) * b)
        d = self.slope(half * (decayed + dt * c))
        after: Tensor = half * (decayed + (dt / 6.0) * (half * a + 2.0 * (b + c))) + (dt / 6.0) * d
        return after


def _solve_chunk(w0: Tensor, num_frames: int, steps: int, system: _System) -> Tensor:
    """Does what ``solve`` does, for a batch small enough for its work arrays."""
    num_points = w0.shape[-1]
    spectrum = torch.fft.rfft2(w0)  # (B, M, K)
    frames = [w0]
    for _ in range(num_frames - 1):
        for _ in range(steps):
            spectrum = system.step(spectrum)
        frames.append(torch.fft.irfft2(spectrum, s=(num_points, num_points)))
    return torch.stack(frames, dim=1)


def _wavenumbers(num_points: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Returns k_x (M, 1) and k_y (1, K) of the half spectrum, float64."""
    kx = torch.fft.fftfreq(num_points, 1.0 / num_points, dtype=torch.float64, device=device)
    ky = torch.fft.rfftfreq(num_points, 1.0 / num_points, dtype=torch.float64, device=device)
    return kx[:, None], ky[None, :]


def _inverse_laplacian(kx: Tensor, ky: Tensor) -> Tensor:
    """Returns 1 / k^2, and 0 for the mean: psi = w / k^2 (M, K)."""
    squared = kx**2 + ky**2
    return torch.where(squared > 0.0, 1.0 / squared.clamp(min=1.0), torch.zeros_like(squared))
