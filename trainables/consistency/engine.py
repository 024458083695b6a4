"""The epoch loop of distillation: noise, chunks, accumulation, optimizer and averages.

All noise levels of a micro-batch are rows of one launch. Knows tensors, counters and schedules.
Does not know Ray, files or clocks.

Shape legend: M samples of an epoch, J noise levels per sample (num_taus), N grid points,
R = micro_batch x J rows of one launch.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from trainables.consistency import schedules
from trainables.consistency.loss import Rows, consistency_loss
from trainables.consistency.networks import TokenNet
from trainables.consistency.options import DistillParams
from trainables.consistency.teacher import Split
from trainables.trial import EpochCounts


@dataclass(frozen=True, slots=True, kw_only=True)
class EpochData:
    """What one epoch trains on, all drawn before it is cut into chunks.

    Attributes:
        residual: Clean residuals in training order (M, N).
        cond: u and u_hat (M, N, 2).
        z: Noise (M, J, N).
        s1: Student's noise levels (M, J).
        s0: Levels one schedule step below (M, J).
    """

    residual: Tensor
    cond: Tensor
    z: Tensor
    s1: Tensor
    s0: Tensor


def epoch_order(num_samples: int, length: int, *, seed: int, epoch: int) -> Tensor:
    """Concatenated random permutations of the samples, cut to ``length`` indices."""
    generator = _generator(seed, epoch, stream=0)
    repeats = -(-length // num_samples)
    orders = [torch.randperm(num_samples, generator=generator) for _ in range(repeats)]
    return torch.cat(orders)[:length]


def epoch_noise(
    num_samples: int, num_taus: int, num_points: int, *, seed: int, epoch: int
) -> tuple[Tensor, Tensor]:
    """Draws v ~ U (M, J) and z ~ N (M, J, N), on the CPU so that every device sees the same."""
    generator = _generator(seed, epoch, stream=1)
    v = torch.rand(num_samples, num_taus, generator=generator)
    z = torch.randn(num_samples, num_taus, num_points, generator=generator)
    return v, z


def _generator(seed: int, epoch: int, *, stream: int) -> torch.Generator:
    """A generator for one purpose in one epoch of one seed."""
    state = np.random.SeedSequence([seed, epoch, stream]).generate_state(1, np.uint64)
    return torch.Generator().manual_seed(int(state[0]) >> 1)


class DistillationEngine:
    """Student, target and evaluation networks with their optimizer; one call trains one epoch.

    Attributes:
        student: The trained network f, started from the teacher's weights.
        evaluated: Its average, the network whose NRMSE counts.

    Args:
        teacher: D, frozen.
        train: The training split, on the device.
        params: Batch sizes and noise levels.
        seed: Seed of data order and noise.
        num_epochs: Length of the run; fixes the learning-rate schedule.
    """

    def __init__(
        self, teacher: TokenNet, train: Split, params: DistillParams, *, seed: int, num_epochs: int
    ) -> None:
        self._teacher = teacher.requires_grad_(False)
        self.student = copy.deepcopy(teacher).requires_grad_(True)
        self._target = copy.deepcopy(teacher)
        self.evaluated = copy.deepcopy(teacher)
        self._train = train
        self._params = params
        self._seed = seed
        self._num_epochs = num_epochs
        num_samples = train.residual.shape[0]
        self.iterations = schedules.iterations_per_epoch(num_samples, params.batch_size)
        self._total_steps = schedules.total_optimizer_steps(num_epochs * self.iterations, params.accum_steps)
        self._optimizer = torch.optim.Adam(
            self.student.parameters(), lr=0.0, betas=schedules.ADAM_BETAS, fused=True
        )
        self._num_steps = 0
        self._num_pending = 0  # batches accumulated since the last optimizer step

    def warm_up(self) -> None:
        """One throw-away forward and backward of the real chunk shape; changes nothing."""
        rows = self._params.micro_batch * self._params.num_taus
        index = torch.arange(rows, device=self._device) % self._train.residual.shape[0]
        s1 = torch.ones(rows, device=self._device)
        residual = self._train.residual[index]
        noisy = Rows(
            residual=residual,
            cond=self._train.cond[index],
            z=torch.zeros_like(residual),
            s1=s1,
            s0=0.5 * s1,
        )
        loss = consistency_loss(self.student, self._target, self._teacher, noisy)
        torch.autograd.grad(loss, list(self.student.parameters()))

    def train_epoch(self, epoch: int) -> EpochCounts:
        """Trains epoch ``epoch`` (from 1) and says what was executed."""
        params = self._params
        data = self.draw(epoch)
        total_loss = torch.zeros((), device=self._device)
        num_chunks = num_sample_evals = 0
        steps_before = self._num_steps
        for first in range(0, data.residual.shape[0], params.batch_size):
            for start in range(first, first + params.batch_size, params.micro_batch):
                total_loss += self.backward_chunk(data, start)
                num_chunks += 1
                num_sample_evals += params.micro_batch * params.num_taus
            self._num_pending += 1
            if self._num_pending == params.accum_steps:
                self._optimizer_step()
        if epoch == self._num_epochs and self._num_pending:
            self._optimizer_step()
        return EpochCounts(
            num_chunks=num_chunks,
            num_sample_evals=num_sample_evals,
            num_optimizer_steps=self._num_steps - steps_before,
            loss=float(total_loss) * params.accum_steps / self.iterations,
        )

    def draw(self, epoch: int) -> EpochData:
        """Data order, noise levels and noise of a whole epoch; none depend on ``micro_batch``."""
        num_samples, num_points = self._train.residual.shape
        length = self.iterations * self._params.batch_size
        order = epoch_order(num_samples, length, seed=self._seed, epoch=epoch).to(self._device)
        v, z = epoch_noise(length, self._params.num_taus, num_points, seed=self._seed, epoch=epoch)
        s1, s0 = schedules.sigma_pairs(schedules.stratified_levels(v))
        return EpochData(
            residual=self._train.residual[order],
            cond=self._train.cond[order],
            z=z.to(self._device),
            s1=s1.to(self._device),
            s0=s0.to(self._device),
        )

    def backward_chunk(self, data: EpochData, start: int) -> Tensor:
        """Adds the gradient of the micro-batch at ``start``; returns its share of the mean loss."""
        params = self._params
        chunk = slice(start, start + params.micro_batch)
        rows = Rows(
            residual=data.residual[chunk].repeat_interleave(params.num_taus, dim=0),
            cond=data.cond[chunk].repeat_interleave(params.num_taus, dim=0),
            z=data.z[chunk].flatten(0, 1),
            s1=data.s1[chunk].flatten(),
            s0=data.s0[chunk].flatten(),
        )
        share = 1.0 / (params.effective_batch_size * params.num_taus)
        loss = share * consistency_loss(self.student, self._target, self._teacher, rows)
        loss.backward()  # type: ignore[no-untyped-call]
        return loss.detach()

    def state_dict(self) -> dict[str, Any]:
        """Everything that the next epoch depends on, including gradients not yet applied."""
        return {
            "student": self.student.state_dict(),
            "target": self._target.state_dict(),
            "evaluated": self.evaluated.state_dict(),
            "optimizer": self._optimizer.state_dict(),
            "gradients": [p.grad for p in self.student.parameters()],
            "num_steps": self._num_steps,
            "num_pending": self._num_pending,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continues where ``state_dict`` was taken."""
        self.student.load_state_dict(state["student"])
        self._target.load_state_dict(state["target"])
        self.evaluated.load_state_dict(state["evaluated"])
        self._optimizer.load_state_dict(state["optimizer"])
        for parameter, gradient in zip(self.student.parameters(), state["gradients"], strict=True):
            parameter.grad = None if gradient is None else gradient.to(self._device)
        self._num_steps = state["num_steps"]
        self._num_pending = state["num_pending"]

    @property
    def _device(self) -> torch.device:
        return self._train.residual.device

    def _optimizer_step(self) -> None:
        """Applies the accumulated gradient, then moves both averages."""
        lr = schedules.learning_rate(
            self._num_steps,
            total_steps=self._total_steps,
            effective_batch_size=self._params.effective_batch_size,
        )
        for group in self._optimizer.param_groups:
            group["lr"] = lr
        self._optimizer.step()
        self._optimizer.zero_grad(set_to_none=True)
        decay = schedules.ema_decay(self._num_steps, limit=schedules.EVALUATION_DECAY)
        _average_into(self._target, self.student, schedules.TARGET_DECAY)
        _average_into(self.evaluated, self.student, decay)
        self._num_steps += 1
        self._num_pending = 0


@torch.no_grad()
def _average_into(average: TokenNet, network: TokenNet, decay: float) -> None:
    """Moves every parameter: average <- decay average + (1 - decay) network."""
    torch._foreach_lerp_(list(average.parameters()), list(network.parameters()), 1.0 - decay)
