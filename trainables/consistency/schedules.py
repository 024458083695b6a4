"""Noise levels, learning rate and averaging horizons: pure functions of counters.

Knows formulas and their constants. Does not know networks, data or devices.

The constants here define the stage (docs/stage.md): they are fenced, not options, because a tuner
free to change them would tune the problem away.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

SIGMA_MIN = 0.02
SIGMA_MAX = 10.0
RHO = 7.0
"""Curvature of the noise levels (Karras et al., 2022, eq. 5)."""

NUM_INTERVALS = 3
"""Number of steps H; a student step spans 1 / H of the schedule. Coarse: see docs/stage.md, limits."""

MIN_LEVEL = 1e-3
"""Smallest u at which the student is trained; at 0 the target would be the input itself."""

LEARNING_RATE = 2.3e-3
REFERENCE_BATCH = 6
WARM_UP_STEPS = 20
ADAM_BETAS = (0.9, 0.99)
TARGET_DECAY = 0.95
"""Decay mu of the target network, per optimizer step (Song et al., 2023, eq. 8)."""

EVALUATION_DECAY = 0.99


def sigma_of(u: Tensor) -> Tensor:
    """Returns the noise level at schedule position u in [0, 1], any shape (Karras et al., 2022, eq. 5).

    sigma(u) = (s_min^(1/7) + u (s_max^(1/7) - s_min^(1/7)))^7
    """
    low, high = SIGMA_MIN ** (1.0 / RHO), SIGMA_MAX ** (1.0 / RHO)
    # In float64, so that the ends, rounded to float32, are SIGMA_MIN and SIGMA_MAX to the last bit:
    # only then is f(x, sigma(0)) = x.
    sigma: Tensor = (low + u.double() * (high - low)).pow(RHO)
    return sigma.clamp(SIGMA_MIN, SIGMA_MAX).to(u.dtype)


def stratified_levels(v: Tensor) -> Tensor:
    """Returns one position u_j = (j + v_j) / num_taus in each of num_taus equal strata.

    Args:
        v: Uniform draws in [0, 1), shape (samples, num_taus).

    Returns:
        Positions in [0, 1], same shape.
    """
    num_taus = v.shape[-1]
    u: Tensor = (torch.arange(num_taus, dtype=v.dtype, device=v.device) + v) / num_taus
    return u


def levels(v: Tensor, *, strategy: str, batch_size: int) -> Tensor:
    """Returns the schedule positions of an epoch's samples; see ``DistillParams.tau_strategy``.

    Args:
        v: Uniform draws in [0, 1), shape (samples, num_taus), samples in training order.
        strategy: ``stratified``, ``shared`` (the draws of a batch's first sample) or ``random``.
        batch_size: Samples that share levels.

    Returns:
        Positions in [0, 1], same shape.
    """
    if strategy == "random":
        return v
    if strategy == "shared":
        v = v[torch.arange(v.shape[0], device=v.device) // batch_size * batch_size]
    return stratified_levels(v)


def sigma_pairs(u: Tensor) -> tuple[Tensor, Tensor]:
    """Returns the student's noise level and the one a step of 1 / H below it (Song et al., 2023, eq. 6).

    Args:
        u: Schedule positions, any shape.

    Returns:
        (s1, s0), same shapes, with s1 > s0 >= SIGMA_MIN.
    """
    s1 = sigma_of(u.clamp(min=MIN_LEVEL))
    s0 = sigma_of((u - 1.0 / NUM_INTERVALS).clamp(min=0.0))
    return s1, s0


def total_optimizer_steps(num_batches: int, accum_steps: int) -> int:
    """Returns the number of optimizer steps in a whole run; the last, partial accumulation is flushed."""
    return math.ceil(num_batches / accum_steps)


def learning_rate(
    step: int, *, total_steps: int, effective_batch_size: int, scaling: str = "linear"
) -> float:
    """Returns the learning rate of optimizer step ``step`` (from 0): scaling rule, warm-up, cosine to 0.

    ``scaling`` is the power of effective_batch_size / 6: ``linear`` 1, ``sqrt`` 1/2, ``none`` 0.
    """
    power: float = {"linear": 1.0, "sqrt": 0.5, "none": 0.0}[scaling]
    peak: float = LEARNING_RATE * (effective_batch_size / REFERENCE_BATCH) ** power
    return peak * warm_up_cosine(step, total_steps=total_steps, warm_up_steps=WARM_UP_STEPS)


def warm_up_cosine(step: int, *, total_steps: int, warm_up_steps: int) -> float:
    """Returns a linear warm-up over ``warm_up_steps`` times a cosine over ``total_steps`` to 0."""
    warm_up = min(1.0, (step + 1) / warm_up_steps)
    return warm_up * 0.5 * (1.0 + math.cos(math.pi * step / total_steps))


def averaging_decays(step: int, *, effective_batch_size: int, unit: str) -> tuple[float, float]:
    """Returns the decays of target and evaluation network at optimizer step ``step`` (from 0).

    In units of ``step`` they are what the stage was calibrated with. In units of ``sample`` a step
    of E samples forgets as much as E / 6 steps of the reference batch, so that every batch size averages
    over as many samples.
    """
    if unit == "step":
        return TARGET_DECAY, ema_decay(step, limit=EVALUATION_DECAY)
    ratio = effective_batch_size / REFERENCE_BATCH
    return TARGET_DECAY**ratio, ema_decay(step * ratio, limit=EVALUATION_DECAY) ** ratio


def ema_decay(step: float, *, limit: float) -> float:
    """Returns the averaging decay min(limit, (1 + k) / (10 + k)) at step k (from 0): short at first."""
    return min(limit, (1.0 + step) / (10.0 + step))
