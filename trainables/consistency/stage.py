"""ConsistencyStage: consistency distillation of a PDE surrogate as a trial for Ray Tune.

Joins problem, engine and evaluation to the contract of ``MeasuredTrainable``. Holds no algorithm.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor

from trainables.base import MeasuredTrainable
from trainables.consistency import burgers, cache, data, networks, precision, schedules, teacher, turbulence
from trainables.consistency.engine import DistillationEngine
from trainables.consistency.evaluation import evaluation_noise, one_step_nrmse
from trainables.consistency.feeding import stays_on_host
from trainables.consistency.networks import FieldNet
from trainables.consistency.options import StageOptions, check_study
from trainables.consistency.params import DistillParams
from trainables.consistency.precision import arithmetic
from trainables.consistency.teacher import DistillationProblem, Split
from trainables.consistency.units import EpochUnits
from trainables.trial import EpochCounts, TimeUnit

__all__ = ["ConsistencyStage", "check_study"]

# Every file whose text decides what the cached problem contains.
_PROBLEM_SOURCES = (burgers, data, networks, precision, schedules, teacher, turbulence)
# Options that say where things are, not what they are.
_PLACES = ("cache_dir", "data_device")


class ConsistencyStage(MeasuredTrainable):
    """Consistency distillation as docs/stage.md specifies it, on CPU or CUDA.

    Parameters of a trial: ``DistillParams``. Options of a study: ``StageOptions``.
    """

    # Noise and order are drawn per epoch, before the cut into micro-batches; both compute one loss.
    quality_invariant_to: ClassVar[tuple[str, ...]] = ("micro_batch", "implementation")
    resumable: ClassVar[bool] = True

    @classmethod
    def prepare(cls, options: Mapping[str, Any]) -> None:
        """Makes data, operator and teacher, unless they are in the cache."""
        load_problem(StageOptions.parse(options))

    @classmethod
    def device_kind(cls, options: Mapping[str, Any]) -> str:
        """Returns ``cuda`` if the options allow it and there is one, else ``cpu``."""
        return StageOptions.parse(options).resolved_device()

    @classmethod
    def evaluates_start(cls, options: Mapping[str, Any]) -> bool:
        """Says True: the student starts as the teacher, whose NRMSE without distilling is worth knowing."""
        return True

    @classmethod
    def quality_options(cls, options: Mapping[str, Any]) -> dict[str, Any]:
        """Returns all options, defaults and problem settled, except where things are kept or computed."""
        return StageOptions.parse(options).of_quality()

    def build(self, params: Mapping[str, Any], seed: int, options: Mapping[str, Any]) -> None:
        """Loads the problem and starts the student as the teacher."""
        self._options = StageOptions.parse(options)
        self._params = DistillParams.parse(params, num_samples=self._options.num_samples)
        self._device = self._options.resolved_device()
        self._problem = load_problem(self._options)
        self._engine = DistillationEngine(
            load_teacher(self._problem, self._options).to(self._device),
            self._placed(self._problem.splits["train"]),
            self._params,
            seed=seed,
            num_epochs=self.num_epochs,
            operator=load_operator(self._problem, self._options, self._device),
            residual_std=self._problem.residual_std,
        )
        self._held_out = self._problem.splits["eval"].to(self._device)

    def warm_up(self) -> None:
        """Runs three chunks and throws them away."""
        for _ in range(3):
            self._engine.warm_up()

    def train_epoch(self, epoch: int) -> EpochCounts:
        """Trains one epoch."""
        return self._engine.train_epoch(
            epoch, on_step=self.step_timer.mark, data_wait=self.step_timer.data_wait
        )

    def expected_counts(self, epoch: int) -> EpochCounts:
        """Returns the work of an epoch by the guide's cost mathematics."""
        return self._params.expected_counts(self._options.num_samples, epoch, num_epochs=self.num_epochs)

    def evaluate(self) -> dict[str, float]:
        """Returns the NRMSE of one-step prediction on the held-out split."""
        return {"nrmse": self._nrmse_on(self._held_out)}

    def evaluate_final(self) -> dict[str, float]:
        """Returns the NRMSE on the third split. For final reports only: no choice may depend on it."""
        return {"nrmse": self._nrmse_on(self._problem.splits["final"].to(self._device))}

    def time_units(self) -> tuple[TimeUnit, ...]:
        """Returns the two units of an epoch: the draws of a part, and an optimizer step with its batches."""
        return EpochUnits(self._engine, self._params).units()

    def state_dict(self) -> dict[str, Any]:
        """Returns the engine's state."""
        return self._engine.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continues from ``state``."""
        self._engine.load_state_dict(state)

    def release(self) -> None:
        """Drops engine and data."""
        for name in ("_engine", "_problem", "_held_out"):
            self.__dict__.pop(name, None)

    def _placed(self, train: Split) -> Split:
        """Returns the training split on the device, or on the host if it is to be streamed from there."""
        if self._device == "cpu":
            return train
        num_bytes = train.cond.nbytes + train.residual.nbytes + train.u_next.nbytes
        on_host = stays_on_host(self._options.data_device, num_bytes, torch.cuda.mem_get_info()[0])
        return train if on_host else train.to(self._device)

    def _nrmse_on(self, split: Split) -> float:
        num_pairs, num_points = split.residual.shape
        z = evaluation_noise(num_pairs, num_points, self._options.data_seed).to(self._device)
        with arithmetic("fp32", self._device):
            return one_step_nrmse(self._engine.evaluated, split, z, self._problem.residual_std)


def load_problem(options: StageOptions) -> DistillationProblem:
    """Returns the problem of these options, from the cache or made now (about ten seconds)."""
    device = options.resolved_device()
    constants = {k: v for k, v in asdict(options).items() if k not in _PLACES} | {"device": device}
    key = cache.cache_key(constants, [Path(str(m.__file__)) for m in _PROBLEM_SOURCES])

    def make() -> dict[str, Any]:
        return asdict(teacher.make_problem(options, device))

    content = cache.load_or_make(options.cache_path(), key, make)
    splits = {name: Split(**split) for name, split in content["splits"].items()}
    return DistillationProblem(**(content | {"splits": splits}))


def load_teacher(problem: DistillationProblem, options: StageOptions) -> FieldNet:
    """Returns the teacher's network with its trained weights, on the CPU."""
    network = teacher.new_network(options)
    network.load_state_dict(problem.teacher)
    return network


def load_operator(
    problem: DistillationProblem, options: StageOptions, device: str
) -> Callable[[Tensor], Tensor]:
    """Returns the trained operator u (R, N) -> u_hat (R, N) on ``device``."""
    network = teacher.new_operator(options)
    network.load_state_dict(problem.operator)
    network.to(device).requires_grad_(False)
    return lambda u: network(u[..., None])
