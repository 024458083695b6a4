"""The epoch loop of distillation: order, noise, chunks, accumulation, schedules and counters.

What a chunk computes, and how fast, is the implementation's affair. Knows seeds, schedules and the
cost mathematics. Does not know Ray, files or clocks.

Shape legend: M samples of an epoch, J noise levels per sample (num_taus), N grid points.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from trainables.consistency import schedules
from trainables.consistency.implementations import (
    EpochData,
    Fast,
    Implementation,
    Naive,
    Operator,
    Tricks,
)
from trainables.consistency.networks import FieldNet
from trainables.consistency.params import DistillParams
from trainables.consistency.teacher import Split
from trainables.trial import EpochCounts


def epoch_order(num_samples: int, length: int, *, seed: int, epoch: int) -> Tensor:
    """Concatenated random permutations of the samples, cut to ``length`` indices."""
    generator = _generator(seed, epoch, stream=0)
    repeats = -(-length // num_samples)
    orders = [torch.randperm(num_samples, generator=generator) for _ in range(repeats)]
    return torch.cat(orders)[:length]


def epoch_noise(num_samples: int, num_taus: int, *grid: int, seed: int, epoch: int) -> tuple[Tensor, Tensor]:
    """Draws v ~ U (M, J) and z ~ N (M, J, grid), on the CPU so that every device sees the same."""
    generator = _generator(seed, epoch, stream=1)
    v = torch.rand(num_samples, num_taus, generator=generator)
    z = torch.randn(num_samples, num_taus, *grid, generator=generator)
    return v, z


def _generator(seed: int, epoch: int, *, stream: int) -> torch.Generator:
    """A generator for one purpose in one epoch of one seed."""
    state = np.random.SeedSequence([seed, epoch, stream]).generate_state(1, np.uint64)
    return torch.Generator().manual_seed(int(state[0]) >> 1)


class DistillationEngine:
    """Student, target and evaluation networks with their optimizer; one call trains one epoch.

    Args:
        teacher: D; gets frozen.
        train: The training split, on the device.
        params: What is tuned.
        seed: Seed of data order and noise.
        num_epochs: Length of the run; fixes the learning-rate schedule.
        operator: u -> u_hat; asked again for every chunk by ``implementation: naive``, else unused.
        residual_std: s_r, for the same purpose.
        tricks: What ``implementation: fast`` does; for benchmarks.
    """

    def __init__(  # noqa: PLR0913 - the parts of a trial; everything after the first three is named
        self,
        teacher: FieldNet,
        train: Split,
        params: DistillParams,
        *,
        seed: int,
        num_epochs: int,
        operator: Operator | None = None,
        residual_std: float = 1.0,
        tricks: Tricks | None = None,
    ) -> None:
        self._train = train
        self._params = params
        self._seed = seed
        self._num_epochs = num_epochs
        self._impl: Implementation
        if params.implementation == "naive":
            assert operator is not None, "naive makes u_hat anew"
            self._impl = Naive(teacher, train, params, operator, residual_std)
        else:
            self._impl = Fast(teacher, train, params, tricks or Tricks())
        self.iterations = params.batches_in_epoch(self._num_samples)
        self._total_steps = schedules.total_optimizer_steps(num_epochs * self.iterations, params.accum_steps)
        self._num_steps = 0
        self._num_pending = 0  # batches accumulated since the last optimizer step
        self._num_chunks = self._num_sample_evals = 0

    @property
    def student(self) -> FieldNet:
        """The trained network f, started from the teacher's weights."""
        return self._impl.student

    @property
    def evaluated(self) -> FieldNet:
        """Its average, the network whose NRMSE counts."""
        return self._impl.evaluated

    def warm_up(self) -> None:
        """Throw-away forward and backward passes of the real shapes; changes nothing."""
        before, counters = self._impl.gradients(), (self._num_chunks, self._num_sample_evals)
        size = min(self._params.batch_size, self._num_samples)
        for num_taus in sorted({self._params.num_taus, *self._params.tau_schedule}):
            levels = torch.ones(size, num_taus, device=self._device)
            grid = self._train.residual.shape[1:]
            data = EpochData(
                order=torch.arange(size, device=self._device),
                z=torch.zeros(size, num_taus, *grid, device=self._device),
                s1=levels,
                s0=0.5 * levels,
            )
            with arithmetic(self._params.precision, self._device.type):
                data = replace(data, prepared=self._impl.prepare(data))
            self.backward_chunk(data, 0)
        self._impl.set_gradients(before)
        self._num_chunks, self._num_sample_evals = counters

    def train_epoch(self, epoch: int, on_step: Callable[[], object] = lambda: None) -> EpochCounts:
        """Trains epoch ``epoch`` (from 1) and says what was executed.

        Calls ``on_step`` after every optimizer step. Whether that is the work of the cost mathematics
        is for the caller to compare.
        """
        params = self._params
        data = self.draw(epoch)
        total_loss: Tensor | float = 0.0
        before = (self._num_chunks, self._num_sample_evals, self._num_steps)
        num_samples = data.order.shape[0]
        for first in range(0, num_samples, params.batch_size):
            for start in range(first, min(first + params.batch_size, num_samples), params.micro_batch):
                total_loss = total_loss + self.backward_chunk(data, start)
            self._num_pending += 1
            if self._num_pending == params.accum_steps:
                self.optimizer_step()
                on_step()
        if epoch == self._num_epochs and self._num_pending:
            self.optimizer_step()
            on_step()
        return EpochCounts(
            num_chunks=self._num_chunks - before[0],
            num_sample_evals=self._num_sample_evals - before[1],
            num_optimizer_steps=self._num_steps - before[2],
            loss=float(total_loss) * params.accum_steps / self.iterations,
        )

    def draw(self, epoch: int) -> EpochData:
        """Order, noise levels and noise of a whole epoch; none depend on ``micro_batch``."""
        params = self._params
        length, num_taus = params.samples_in_epoch(self._num_samples), params.taus_in(epoch)
        order = epoch_order(self._num_samples, length, seed=self._seed, epoch=epoch)
        grid = self._train.residual.shape[1:]
        v, z = epoch_noise(length, num_taus, *grid, seed=self._seed, epoch=epoch)
        s1, s0 = schedules.sigma_pairs(
            schedules.levels(v, strategy=params.tau_strategy, batch_size=params.batch_size)
        )
        dtype = self._train.residual.dtype
        data = EpochData(
            order=order.to(self._device),
            z=_to(z, self._device, dtype),
            s1=_to(s1, self._device, dtype),
            s0=_to(s0, self._device, dtype),
        )
        with arithmetic(params.precision, self._device.type):
            return replace(data, prepared=self._impl.prepare(data))

    def backward_chunk(self, data: EpochData, start: int) -> Tensor | float:
        """Adds the gradient of the micro-batch at ``start``; returns its share of the mean loss."""
        params = self._params
        num_samples, num_taus = data.s1.shape
        chunk = slice(start, min(start + params.micro_batch, num_samples))
        first = start // params.batch_size * params.batch_size
        size = min(params.batch_size, num_samples - first)  # of this batch; smaller if ragged
        share = 1.0 / (size * params.accum_steps * num_taus)
        self._num_chunks += 1
        self._num_sample_evals += data.s1[chunk].numel()
        with arithmetic(params.precision, self._device.type):
            return self._impl.add_gradient(data, chunk, share)

    def optimizer_step(self) -> None:
        """Applies the accumulated gradient, then moves both averages."""
        size = self._params.effective_batch_size
        lr = schedules.learning_rate(
            self._num_steps,
            total_steps=self._total_steps,
            effective_batch_size=size,
            scaling=self._params.lr_scaling,
        )
        decays = schedules.averaging_decays(
            self._num_steps, effective_batch_size=size, unit=self._params.ema_unit
        )
        self._impl.step(lr, *decays)
        self._num_steps += 1
        self._num_pending = 0

    def state_dict(self) -> dict[str, Any]:
        """Everything that the next epoch depends on, including gradients not yet applied."""
        return {
            "student": self.student.state_dict(),
            "target": self._impl.target.state_dict(),
            "evaluated": self.evaluated.state_dict(),
            "optimizer": self._impl.optimizer.state_dict(),
            "gradients": self._impl.gradients(),
            "num_steps": self._num_steps,
            "num_pending": self._num_pending,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continues where ``state_dict`` was taken."""
        self.student.load_state_dict(state["student"])
        self._impl.target.load_state_dict(state["target"])
        self.evaluated.load_state_dict(state["evaluated"])
        self._impl.optimizer.load_state_dict(state["optimizer"])
        self._impl.set_gradients(state["gradients"])
        self._num_steps = state["num_steps"]
        self._num_pending = state["num_pending"]

    @property
    def _device(self) -> torch.device:
        return self._train.residual.device

    @property
    def _num_samples(self) -> int:
        return self._train.residual.shape[0]


@contextmanager
def arithmetic(precision: str, device: str) -> Iterator[None]:
    """Runs the body in ``fp32``, ``tf32`` (CUDA only) or ``bf16`` autocast; leaves nothing behind."""
    if precision == "bf16":
        with torch.autocast(device, dtype=torch.bfloat16):
            yield
    elif precision == "tf32" and device == "cuda":
        before = torch.get_float32_matmul_precision()
        torch.set_float32_matmul_precision("high")
        try:
            yield
        finally:
            torch.set_float32_matmul_precision(before)
    else:
        yield


def _to(x: Tensor, device: torch.device, dtype: torch.dtype) -> Tensor:
    """Moves without waiting: from pinned memory where there is a card."""
    if device.type == "cuda":
        x = x.pin_memory()
    return x.to(device, dtype, non_blocking=True)
