"""The epoch loop of distillation: parts, chunks, accumulation, schedules and counters.

What a chunk computes, and how fast, is the implementation's affair. Knows schedules and the
cost mathematics. Does not know Ray, files or clocks.

Shape legend: M samples of an epoch, J noise levels per sample (num_taus), N grid points.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from trainables.consistency import schedules
from trainables.consistency.draws import EpochNoise, epoch_order
from trainables.consistency.fast import Tricks
from trainables.consistency.feeding import Feed, batches_per_part
from trainables.consistency.hand_written import new_fast
from trainables.consistency.implementation import Implementation, Part
from trainables.consistency.naive import Naive, Operator
from trainables.consistency.networks import FieldNet
from trainables.consistency.params import DistillParams
from trainables.consistency.precision import arithmetic
from trainables.consistency.teacher import Split
from trainables.trial import EpochCounts


class DistillationEngine:
    """Student, target and evaluation networks with their optimizer; one call trains one epoch.

    Args:
        teacher: D, on the device that trains; gets frozen.
        train: The training split, on that device or on the host.
        params: The parameters to tune.
        seed: Seed of data order and noise.
        num_epochs: Length of the run; fixes the learning-rate schedule.
        operator: u -> u_hat; asked again for every chunk by ``implementation: naive``, else unused.
        residual_std: s_r, for the same purpose.
        tricks: The tricks that ``implementation: fast`` uses; for benchmarks.
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
        self._device = next(teacher.parameters()).device
        self._num_samples, self._num_points = train.residual.shape
        self._params = params
        self._seed = seed
        self._num_epochs = num_epochs
        self._impl: Implementation
        if params.implementation == "naive":
            assert operator is not None, "naive makes u_hat anew"
            self._impl = Naive(teacher, params, operator, residual_std)
        else:
            self._impl = new_fast(teacher, params, tricks or Tricks())
        self._feed = Feed({name: getattr(train, name) for name in self._impl.reads}, self._device)
        self.iterations = params.batches_in_epoch(self._num_samples)
        self._total_steps = schedules.total_optimizer_steps(num_epochs * self.iterations, params.accum_steps)
        self._num_steps = 0
        self._num_pending = 0  # batches accumulated since the last optimizer step
        self._num_chunks = self._num_sample_evals = 0

    @property
    def parts_in_epoch(self) -> float:
        """Number of full-size parts in the first epoch; a smaller last part counts as a fraction."""
        length = self._params.samples_in_epoch(self._num_samples)
        return length / min(length, self._samples_per_part(self._params.taus_in(1)))

    @property
    def student(self) -> FieldNet:
        """The trained network f, started from the teacher's weights."""
        return self._impl.student

    @property
    def evaluated(self) -> FieldNet:
        """The student's long average, the network whose NRMSE counts."""
        return self._impl.evaluated

    def warm_up(self) -> None:
        """Runs throw-away forward and backward passes in the real shapes; changes nothing."""
        before, counters = self._impl.gradients(), (self._num_chunks, self._num_sample_evals)
        size = min(self._params.batch_size, self._num_samples)
        with self._impl.capturing():
            for num_taus in sorted({self._params.num_taus, *self._params.tau_schedule}):
                z, levels = torch.zeros(size, num_taus, self._num_points), torch.ones(size, num_taus)
                part = self._feed.part(torch.arange(size), z, levels, 0.5 * levels)
                self.backward_chunk(self.prepare(part), 0)
        self._impl.set_gradients(before)
        self._num_chunks, self._num_sample_evals = counters

    def train_epoch(
        self,
        epoch: int,
        on_step: Callable[[], object] = lambda: None,
        data_wait: Callable[[], AbstractContextManager[object]] = nullcontext,
    ) -> EpochCounts:
        """Trains epoch ``epoch`` (from 1) and says what was executed.

        Args:
            epoch: Number of the epoch, from 1.
            on_step: Called after every optimizer step.
            data_wait: Entered while the host draws, gathers and copies the next part.

        Whether that is the work of the cost mathematics is for the caller to compare.
        """
        params, parts = self._params, self.draw(epoch)
        total_loss: Tensor | float = 0.0
        before = (self._num_chunks, self._num_sample_evals, self._num_steps)
        while (part := _next(parts, data_wait)) is not None:
            part = self.prepare(part)
            for first in range(0, len(part.s1), params.batch_size):
                for start in self.chunk_starts(part, first):
                    total_loss = total_loss + self.backward_chunk(part, start)
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

    def draw(self, epoch: int) -> Iterator[Part]:
        """Draws order, noise levels and noise of an epoch, part by part; none depend on ``micro_batch``."""
        params = self._params
        length, num_taus = params.samples_in_epoch(self._num_samples), params.taus_in(epoch)
        order = epoch_order(self._num_samples, length, seed=self._seed, epoch=epoch)
        noise = EpochNoise(seed=self._seed, epoch=epoch)
        v = noise.positions(length, num_taus)
        s1, s0 = schedules.sigma_pairs(
            schedules.levels(v, strategy=params.tau_strategy, batch_size=params.batch_size)
        )
        size = self._samples_per_part(num_taus)
        for start in range(0, length, size):
            cut = slice(start, min(start + size, length))
            z = noise.fields(cut.stop - start, num_taus, self._num_points)
            yield self._feed.part(order[cut], z, s1[cut], s0[cut])

    def prepare(self, part: Part) -> Part:
        """Returns the part with the results that the implementation computes for all of it at once."""
        with arithmetic(self._params.precision, self._device.type):
            return replace(part, prepared=self._impl.prepare(part))

    def chunk_starts(self, part: Part, first: int) -> range:
        """Returns the first samples of all chunks in the batch that begins at sample ``first``."""
        stop = min(first + self._params.batch_size, len(part.s1))
        return range(first, stop, self._params.micro_batch)

    def backward_chunk(self, part: Part, start: int) -> Tensor | float:
        """Adds the gradient of the micro-batch at ``start``; returns its share of the mean loss."""
        params = self._params
        num_samples, num_taus = part.s1.shape
        chunk = slice(start, min(start + params.micro_batch, num_samples))
        first = start // params.batch_size * params.batch_size
        size = min(params.batch_size, num_samples - first)  # of this batch; smaller if ragged
        share = 1.0 / (size * params.accum_steps * num_taus)
        self._num_chunks += 1
        self._num_sample_evals += part.s1[chunk].numel()
        with arithmetic(params.precision, self._device.type):
            return self._impl.add_gradient(part, chunk, share)

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
        """Returns everything that the next epoch depends on, including gradients not yet applied."""
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
        """Continues from the point at which ``state_dict`` was taken."""
        self.student.load_state_dict(state["student"])
        self._impl.target.load_state_dict(state["target"])
        self.evaluated.load_state_dict(state["evaluated"])
        self._impl.load_optimizer(state["optimizer"])
        self._impl.set_gradients(state["gradients"])
        self._num_steps = state["num_steps"]
        self._num_pending = state["num_pending"]

    def _samples_per_part(self, num_taus: int) -> int:
        size = self._params.batch_size
        return size * batches_per_part(size, num_taus, self._num_points)


def _next(parts: Iterator[Part], data_wait: Callable[[], AbstractContextManager[object]]) -> Part | None:
    """Waits for the next part and returns it; None at the end."""
    with data_wait():
        return next(parts, None)
