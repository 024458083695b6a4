"""Defines the rungs of the stage's speed ladder: from naive to fast, one trick at a time, at equal loss.

Each rung adds one trick to the rung before it. The first rungs are ``Naive`` with single tricks of ``Fast``,
and exist only here. From vectorised levels on, the rungs are ``Fast`` itself. This module puts
implementations together. It times nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from trainables.consistency import schedules
from trainables.consistency.draws import epoch_order
from trainables.consistency.engine import DistillationEngine
from trainables.consistency.fast import Fast, Tricks
from trainables.consistency.feeding import Feed
from trainables.consistency.hand_written import new_fast
from trainables.consistency.implementation import Implementation, Part
from trainables.consistency.naive import Naive, Operator
from trainables.consistency.networks import FieldNet
from trainables.consistency.params import DistillParams
from trainables.consistency.teacher import Split

Make = Callable[[FieldNet, DistillParams, Operator, float], Implementation]
"""A function that makes an implementation from the teacher, the parameters, the operator and s_r."""

BASELINE: dict[str, Any] = {"batch_size": 6, "micro_batch": 3, "num_taus": 5}
TUNED: dict[str, Any] = {"batch_size": 24, "micro_batch": 24, "num_taus": 2}


class NotFetched(Naive):
    """*Naive*, without waiting for any loss."""

    def add_gradient(self, part: Part, chunk: slice, share: float) -> Tensor | float:
        """Adds a chunk's gradient as *naive* does, without ``.item()``."""
        return self._add_chunk_gradient(part, chunk, share)


class OperatorKept(NotFetched):
    """The rung before, with the operator's outputs computed once, before training."""

    reads: ClassVar[tuple[str, ...]] = ("cond", "residual")

    def _pairs(self, part: Part, chunk: slice) -> tuple[Tensor, Tensor]:
        return part.rows["residual"][chunk], part.rows["cond"][chunk]


class FusedAdam(OperatorKept):
    """The rung before, with an optimizer that is one kernel for all parameters."""

    def __init__(
        self, teacher: FieldNet, params: DistillParams, operator: Operator, residual_std: float
    ) -> None:
        super().__init__(teacher, params, operator, residual_std)
        self.optimizer = torch.optim.Adam(
            self.student.parameters(), lr=0.0, betas=schedules.ADAM_BETAS, fused=True
        )


class ForeachAverages(FusedAdam):
    """The rung before, with an average that is one call for all parameters."""

    def _move_averages(self, target_decay: float, evaluation_decay: float) -> None:
        student: list[Tensor] = list(self.student.parameters())
        torch._foreach_lerp_(list(self.target.parameters()), student, 1.0 - target_decay)
        torch._foreach_lerp_(list(self.evaluated.parameters()), student, 1.0 - evaluation_decay)


class TargetPerChunk(Fast):
    """*Fast*, with the teacher run for a whole part but the target network only for the current chunk."""

    def _targets(self, part: Part, chunk: slice) -> Tensor:
        with torch.no_grad():
            return self._targets_of(part, chunk)


class RungEngine(DistillationEngine):
    """The product's engine with the implementation of a rung.

    Args:
        teacher: Teacher network D, on the device that trains.
        train: Training split, on the same device.
        params: Parameters that are tuned.
        make: Function that makes the implementation.
        operator: Operator that maps u to u_hat.
        residual_std: Standard deviation s_r of the residuals.
        num_epochs: Number of epochs of the run.
    """

    def __init__(
        self,
        teacher: FieldNet,
        train: Split,
        params: DistillParams,
        *,
        make: Make,
        operator: Operator,
        residual_std: float,
        num_epochs: int,
    ) -> None:
        super().__init__(
            teacher,
            train,
            params,
            seed=0,
            num_epochs=num_epochs,
            operator=operator,
            residual_std=residual_std,
        )
        self._train = train
        self._impl = make(teacher, params, operator, residual_std)
        self._feed = Feed({name: getattr(train, name) for name in self._impl.reads}, self._device)


class _Pairs(Dataset[dict[str, Tensor]]):
    """A data set that gives a training split pair by pair, from the host's memory."""

    def __init__(self, train: Split) -> None:
        self._train = train.to("cpu")

    def __len__(self) -> int:
        return len(self._train.u_next)

    def __getitem__(self, i: int) -> dict[str, Tensor]:
        return {"cond": self._train.cond[i], "u_next": self._train.u_next[i]}


class LoaderEngine(RungEngine):
    """An engine whose batches come from a DataLoader, pair by pair. The random draws are the same."""

    def draw(self, epoch: int) -> Iterator[Part]:
        """Yields the parts of an epoch, one for each batch."""
        size, length = self._params.batch_size, self._params.samples_in_epoch(self._num_samples)
        order = epoch_order(self._num_samples, length, seed=self._seed, epoch=epoch)
        batches = iter(DataLoader(_Pairs(self._train), size, sampler=order.tolist()))
        for part in super().draw(epoch):
            for first in range(0, len(part.s1), size):
                cut = slice(first, first + size)
                rows = {name: value.to(self._device) for name, value in next(batches).items()}
                yield Part(rows=rows, z=part.z[cut], s1=part.s1[cut], s0=part.s0[cut])


@dataclass(frozen=True, slots=True, kw_only=True)
class Rung:
    """One implementation with one configuration.

    Attributes:
        name: Name of the trick that the rung adds.
        make: Function that makes the implementation.
        params: Configuration that is trained.
        engine: Class of the engine.
        follows: Whether the rung is the one before it plus one trick.
        same_loss: Whether its loss must equal that of the configuration's other rungs.
    """

    name: str
    make: Make
    params: dict[str, Any] = field(default_factory=BASELINE.copy)
    engine: type[RungEngine] = RungEngine
    follows: bool = True
    same_loss: bool = True


def by_autograd(kind: type[Fast] = Fast, *, flat: bool = True, ahead: bool = True) -> Make:
    """Returns a maker of ``Fast`` with some of its tricks, with gradients by autograd and without graphs."""
    tricks = Tricks(flat=flat, ahead=ahead, by_hand=False, graphs=False)
    return lambda teacher, params, _operator, _std: kind(teacher, params, tricks)


def fast(teacher: FieldNet, params: DistillParams, _operator: Operator, _std: float) -> Implementation:
    """Makes ``Fast`` with all of its tricks."""
    return new_fast(teacher, params, Tricks())


NAIVE = Rung(name="naive", make=Naive)
FAST = Rung(name="+ gradient by hand (CPU) or graphs (CUDA) = fast", make=fast)
TUNED_FAST = Rung(name="fast, tuned", make=fast, params=TUNED)
LADDER = (
    Rung(name="naive through a DataLoader", make=Naive, engine=LoaderEngine, follows=False),
    NAIVE,
    Rung(name="+ no .item()", make=NotFetched),
    Rung(name="+ operator kept", make=OperatorKept),
    Rung(name="+ fused Adam", make=FusedAdam),
    Rung(name="+ averages by foreach", make=ForeachAverages),
    Rung(name="+ levels vectorised", make=by_autograd(flat=False, ahead=False)),
    Rung(name="+ weights, gradients, averages one tensor each", make=by_autograd(ahead=False)),
    Rung(name="+ teacher per part", make=by_autograd(TargetPerChunk)),
    Rung(name="+ target per batch", make=by_autograd()),
    FAST,
    Rung(name="fast in bf16", make=fast, params=BASELINE | {"precision": "bf16"}, same_loss=False),
    Rung(name="naive, tuned", make=Naive, params=TUNED, follows=False),
    TUNED_FAST,
)
"""All rungs, from the slowest way in which people write the training. A rung that follows another
differs from it only in the trick that it adds."""
