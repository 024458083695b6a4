"""The rungs of the stage's speed ladder: from naive to fast, one trick at a time, at equal loss.

Each rung is the one before it and one trick more. The first steps are ``Naive`` with single tricks of
``Fast``, which exist here alone; from vectorised levels on they are ``Fast``'s own. Knows how implementations
are put together. Does not know clocks.
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
"""An implementation of teacher, parameters, operator and s_r."""

BASELINE: dict[str, Any] = {"batch_size": 6, "micro_batch": 3, "num_taus": 5}
TUNED: dict[str, Any] = {"batch_size": 24, "micro_batch": 24, "num_taus": 2}


class NotFetched(Naive):
    """No loss is waited for."""

    def add_gradient(self, part: Part, chunk: slice, share: float) -> Tensor | float:
        """As naive, without ``.item()``."""
        return self._add_chunk_gradient(part, chunk, share)


class OperatorKept(NotFetched):
    """The operator was asked once, before training."""

    reads: ClassVar[tuple[str, ...]] = ("cond", "residual")

    def _pairs(self, part: Part, chunk: slice) -> tuple[Tensor, Tensor]:
        return part.rows["residual"][chunk], part.rows["cond"][chunk]


class FusedAdam(OperatorKept):
    """The optimizer is one kernel for all parameters."""

    def __init__(
        self, teacher: FieldNet, params: DistillParams, operator: Operator, residual_std: float
    ) -> None:
        super().__init__(teacher, params, operator, residual_std)
        self.optimizer = torch.optim.Adam(
            self.student.parameters(), lr=0.0, betas=schedules.ADAM_BETAS, fused=True
        )


class ForeachAverages(FusedAdam):
    """An average is one call for all parameters."""

    def _move_averages(self, target_decay: float, evaluation_decay: float) -> None:
        student: list[Tensor] = list(self.student.parameters())
        torch._foreach_lerp_(list(self.target.parameters()), student, 1.0 - target_decay)
        torch._foreach_lerp_(list(self.evaluated.parameters()), student, 1.0 - evaluation_decay)


class TargetPerChunk(Fast):
    """Teacher for a whole part, but the target network only for the chunk at hand."""

    def _targets(self, part: Part, chunk: slice) -> Tensor:
        with torch.no_grad():
            return self._targets_of(part, chunk)


class RungEngine(DistillationEngine):
    """The product's engine with the implementation of a rung.

    Args:
        teacher: D, on the device that trains.
        train: The training split, there too.
        params: What is tuned.
        make: The implementation.
        operator: u -> u_hat.
        residual_std: s_r.
        num_epochs: Length of the run.
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
    """A training split on the host, pair by pair."""

    def __init__(self, train: Split) -> None:
        self._train = train.to("cpu")

    def __len__(self) -> int:
        return len(self._train.u_next)

    def __getitem__(self, i: int) -> dict[str, Tensor]:
        return {"cond": self._train.cond[i], "u_next": self._train.u_next[i]}


class LoaderEngine(RungEngine):
    """Batches come from a DataLoader, which puts them together pair by pair; the draws are the same."""

    def draw(self, epoch: int) -> Iterator[Part]:
        """Batch by batch."""
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
    """One implementation of one configuration.

    Attributes:
        name: What it adds.
        make: Its implementation.
        params: Its configuration.
        engine: Its engine.
        follows: Whether it is the rung before and one trick more.
        same_loss: Whether its loss must be that of every other rung of the configuration.
    """

    name: str
    make: Make
    params: dict[str, Any] = field(default_factory=BASELINE.copy)
    engine: type[RungEngine] = RungEngine
    follows: bool = True
    same_loss: bool = True


def by_autograd(kind: type[Fast] = Fast, *, flat: bool = True, ahead: bool = True) -> Make:
    """``Fast`` with some of its tricks, by autograd and without graphs."""
    tricks = Tricks(flat=flat, ahead=ahead, by_hand=False, graphs=False)
    return lambda teacher, params, _operator, _std: kind(teacher, params, tricks)


def fast(teacher: FieldNet, params: DistillParams, _operator: Operator, _std: float) -> Implementation:
    """All tricks."""
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
"""From the slowest way people write it on; what each adds is all that sets it apart from the rung before."""
