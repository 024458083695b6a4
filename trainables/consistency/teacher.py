"""Makes what all trials of a study share: the weak operator, its residuals, and the teacher.

Knows how operator and teacher are trained. Does not know the student, the cache or Ray.

Shape legend: R rows (a training batch), S pairs, N grid points.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor

from trainables.consistency.data import SPLITS, Pairs, make_splits
from trainables.consistency.networks import FieldNet, GridNet, TokenNet, fields_per_pass, teacher_denoise
from trainables.consistency.options import StageOptions
from trainables.consistency.precision import arithmetic
from trainables.consistency.schedules import SIGMA_MAX, SIGMA_MIN, ema_decay, warm_up_cosine

LEARNING_RATE = 3e-3
OPERATOR_BATCH = 64
TEACHER_BATCH = 48
TURBULENCE_TEACHER_BATCH = 8
"""Rows in a batch, about a gigabyte each: the teacher trains on any card that can train the student."""

TEACHER_WARM_UP_STEPS = 50
TEACHER_EMA_LIMIT = 0.995
LOG_SIGMA_STD = 1.4
"""Deviation of ln sigma ~ N(0, 1.4), clamped to [SIGMA_MIN, SIGMA_MAX] (Karras et al., 2022, table 1)."""

Weights = dict[str, Tensor]


@dataclass(frozen=True, slots=True, kw_only=True)
class Split:
    """The data of one split, as distillation needs them.

    Attributes:
        cond: u and u_hat, the operator's prediction of u_next, (S, N, 2).
        residual: r = (u_next - u_hat) / s_r, (S, N).
        u_next: The truth, (S, N).
    """

    cond: Tensor
    residual: Tensor
    u_next: Tensor

    def to(self, device: str) -> Split:
        """Returns the same split on another device."""
        return Split(
            cond=self.cond.to(device),
            residual=self.residual.to(device),
            u_next=self.u_next.to(device),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class DistillationProblem:
    """Everything that is made once and shared by all trials.

    Attributes:
        splits: ``train``, ``eval`` and ``final``.
        residual_std: s_r, the training standard deviation of u_next - u_hat.
        teacher: The teacher's averaged weights.
        operator: The operator's weights, for those who want u_hat made anew.
    """

    splits: dict[str, Split]
    residual_std: float
    teacher: Weights
    operator: Weights


def make_problem(options: StageOptions, device: str) -> DistillationProblem:
    """Makes data, operator and teacher from ``options.data_seed``; tensors come back on the CPU.

    Runs on one thread: the networks are too small for more, and sums then have one order, so the
    result does not depend on how many cores the machine has. Networks are trained in TF32 where a card has
    it; what the operator predicts is fp32, as who asks it again gets it.
    """
    with _one_thread():
        pairs = make_splits(options, device)
        with arithmetic("tf32", device):
            operator = train_operator(pairs["train"], options, device)
        with arithmetic("fp32", device):
            predictions = {name: _predict(operator, pairs[name].u, device) for name in SPLITS}
        train = pairs["train"]
        residual_std = float((train.u_next - predictions["train"]).std())
        splits = {n: _split(pairs[n], predictions[n], residual_std) for n in SPLITS}
        with arithmetic("tf32", device):
            teacher = train_teacher(splits["train"], options, device)
    weights = {name: value.detach() for name, value in operator.state_dict().items()}
    return DistillationProblem(splits=splits, residual_std=residual_std, teacher=teacher, operator=weights)


def new_network(options: StageOptions) -> FieldNet:
    """Returns a network of the teacher's, hence the student's, architecture."""
    kind = GridNet if options.num_dims == 2 else TokenNet
    return kind(channels=3, width=options.teacher_width, depth=options.teacher_depth, with_sigma=True)


def train_operator(train: Pairs, options: StageOptions, device: str) -> FieldNet:
    """Trains the operator u -> u_hat by mean squared error; weak on purpose (few steps)."""
    net = _seeded(options.data_seed, 0, lambda: new_operator(options)).to(device)
    fields = torch.stack([train.u, train.u_next], dim=-1).to(device)  # (S, N, 2)
    generator = torch.Generator().manual_seed(2 * options.data_seed)
    optimizer = torch.optim.Adam(net.parameters(), lr=LEARNING_RATE)
    for step in range(options.operator_steps):
        batch = _shifted_batch(fields, OPERATOR_BATCH, generator, options.num_dims)
        loss = (net(batch[..., :1]) - batch[..., 1]).square().mean()
        lr = LEARNING_RATE * warm_up_cosine(step, total_steps=options.operator_steps, warm_up_steps=1)
        _descend(optimizer, loss, lr)
    return net.cpu()


def train_teacher(train: Split, options: StageOptions, device: str) -> Weights:
    """Trains the denoiser D as EDM does (Karras et al., 2022, eq. 2 and 8) and averages it.

    Returns:
        The averaged weights, on the CPU.
    """
    net = _seeded(options.data_seed, 1, lambda: new_network(options)).to(device)
    average = [p.detach().clone() for p in net.parameters()]
    fields = torch.cat([train.residual[..., None], train.cond], dim=-1).to(device)  # (S, N, 3)
    generator = torch.Generator().manual_seed(2 * options.data_seed + 1)
    optimizer = torch.optim.Adam(net.parameters(), lr=LEARNING_RATE, betas=(0.9, 0.999))
    size = TURBULENCE_TEACHER_BATCH if options.problem == "turbulence2d" else TEACHER_BATCH
    for step in range(options.teacher_steps):
        batch = _shifted_batch(fields, size, generator, options.num_dims)
        lr = LEARNING_RATE * warm_up_cosine(
            step, total_steps=options.teacher_steps, warm_up_steps=TEACHER_WARM_UP_STEPS
        )
        _descend(optimizer, _denoising_loss(net, batch, generator), lr)
        decay = ema_decay(step, limit=TEACHER_EMA_LIMIT)
        torch._foreach_lerp_(average, [p.detach() for p in net.parameters()], 1.0 - decay)
    for parameter, mean in zip(net.parameters(), average, strict=True):
        parameter.data.copy_(mean)
    return {name: value.cpu() for name, value in net.state_dict().items()}


def _denoising_loss(net: FieldNet, batch_rn3: Tensor, generator: torch.Generator) -> Tensor:
    """Returns the mean of (s^2 + 1) / s^2 |D(r + s z, s) - r|^2 over a batch of (r, u, u_hat)."""
    rows, points, _ = batch_rn3.shape
    device = batch_rn3.device
    log_sigma = LOG_SIGMA_STD * torch.randn(rows, generator=generator)
    sigma = log_sigma.exp().clamp(SIGMA_MIN, SIGMA_MAX).to(device)  # (R,)
    noise = torch.randn(rows, points, generator=generator).to(device)  # (R, N)
    clean = batch_rn3[..., 0]
    denoised = teacher_denoise(net, clean + sigma[:, None] * noise, sigma, batch_rn3[..., 1:])
    weight = 1.0 + sigma.pow(-2)  # (R,)
    return (weight * (denoised - clean).square().mean(dim=-1)).mean()


def _shifted_batch(fields_snc: Tensor, size: int, generator: torch.Generator, num_dims: int = 1) -> Tensor:
    """Draws a batch (size, N, C), each sample rolled by its own random number of points along each axis."""
    num, points, channels = fields_snc.shape
    index = torch.randint(num, (size,), generator=generator)
    side = math.isqrt(points) if num_dims == 2 else points
    positions = torch.zeros(size, 1, dtype=torch.int64)
    for _ in range(num_dims):
        shift = torch.randint(side, (size, 1), generator=generator)
        axis = (torch.arange(side) + shift) % side  # (size, side)
        positions = (positions[..., None] * side + axis[:, None]).flatten(1)  # at last (size, N)
    gather = positions[..., None].expand(-1, -1, channels)
    device = fields_snc.device
    return fields_snc[index.to(device)].gather(1, gather.to(device))


def _descend(optimizer: torch.optim.Optimizer, loss: Tensor, lr: float) -> None:
    """Does one optimizer step of size ``lr`` down the gradient of ``loss``."""
    for group in optimizer.param_groups:
        group["lr"] = lr
    optimizer.zero_grad(set_to_none=True)
    loss.backward()  # type: ignore[no-untyped-call]
    optimizer.step()


def new_operator(options: StageOptions) -> FieldNet:
    """Returns a network of the operator's architecture."""
    kind = GridNet if options.num_dims == 2 else TokenNet
    return kind(channels=1, width=options.operator_width, depth=options.operator_depth, with_sigma=False)


@torch.no_grad()
def _predict(operator: FieldNet, u: Tensor, device: str) -> Tensor:
    """Predicts u_hat for a whole split, (S, N)."""
    operator.to(device)
    chunks = torch.split(u, fields_per_pass(u.shape[1]))
    predictions = torch.cat([operator(chunk[..., None].to(device)).cpu() for chunk in chunks])
    operator.cpu()
    return predictions


def _split(pairs: Pairs, u_hat: Tensor, residual_std: float) -> Split:
    return Split(
        cond=torch.stack([pairs.u, u_hat], dim=-1),
        residual=(pairs.u_next - u_hat) / residual_std,
        u_next=pairs.u_next,
    )


def _seeded(data_seed: int, stream: int, make: Callable[[], FieldNet]) -> FieldNet:
    """Returns a network with weights from the seed alone; the global generator stays as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(2 * data_seed + stream)
        return make()


@contextmanager
def _one_thread() -> Iterator[None]:
    """Runs the body on one torch thread."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
