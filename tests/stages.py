"""A stage for tests of everything around a stage: cheap, deterministic, and able to fail on demand.

No torch, no training: an epoch sleeps by a small cost law, and NRMSE follows an analytic law of the
parameters. Name it ``tests.stages:SyntheticStage``.
"""

from __future__ import annotations

import math
import os
import signal
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from trainables.base import MeasuredTrainable
from trainables.telemetry.memory import UnreleasedMemoryError
from trainables.trial import EpochCounts, TimeUnit

Params = dict[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class SyntheticOptions:
    """Laws and failures of a ``SyntheticStage``.

    With batch, micro, taus, accum for the parameters and E = batch * accum:

        nrmse_final = a + b / taus + c * log2(E / 6) + noise_sd * n(seed, E, taus)
        nrmse(k) = nrmse_final * (1 + d * (num_epochs - k) / num_epochs)
        seconds per epoch = epoch_time_s * (launches * launch_cost + rows) / (the same at 6, 3, 5)

    where launches = iterations * batch / micro and rows = iterations * batch * taus: a larger
    micro_batch and fewer taus are faster. ``epoch_time_s`` is thus the baseline's time per epoch.

    With the defaults the target 0.095 is met by (6, 3, 5, 1) at .0900 and (12, 4, 4, 2) at .0940,
    and missed by (24, 24, 4, 2) at .0955 and (12, 12, 2, 1) at .0975.

    A failure is a dict: ``{"params": {...}, "kind": ..., "epoch": k}``. It happens to trials whose
    parameters contain ``params`` ({} is every trial), in epoch k from 1 (0: while building; default
    1). Kinds: ``oom`` (MemoryError), ``nan`` (NRMSE is NaN), ``nan_loss`` (training loss is NaN),
    ``raise`` (RuntimeError), ``kill`` (SIGKILL to the process itself), ``unreleased`` (the device's memory is
    still held when the next trial begins in this process; epoch 0), ``hang`` (for ever), ``hang_in_release``
    (the same when the trial is released; epoch 0). With ``"once": path`` it
    happens only while the file ``path`` does not exist, and creates it: a retry then succeeds.

    Attributes:
        a: See the law.
        b: See the law.
        c: See the law.
        d: See the law.
        noise_sd: Standard deviation of the seed's effect on NRMSE; 0 is none.
        num_samples: Training samples, for the counts.
        epoch_time_s: Seconds slept per epoch at the baseline (6, 3, 5).
        launch_cost: Cost of a launch in units of a row.
        failures: See above.
    """

    a: float = 0.086
    b: float = 0.02
    c: float = 0.0015
    d: float = 0.3
    noise_sd: float = 0.0
    num_samples: int = 2000
    epoch_time_s: float = 0.005
    launch_cost: float = 20.0
    failures: list[dict[str, Any]] = field(default_factory=list)


class SyntheticStage(MeasuredTrainable):
    """Sleeps and computes its laws; see ``SyntheticOptions``."""

    quality_invariant_to: ClassVar[tuple[str, ...]] = ("micro_batch",)

    # A process that begins with a probe releases before it builds.
    _options = SyntheticOptions()
    _params: Params = {}  # noqa: RUF012  # never written to

    def build(self, params: Mapping[str, Any], seed: int, options: Mapping[str, Any]) -> None:
        self._options = SyntheticOptions(**options)
        self._params = {"accum_steps": 1, **params}
        if self._params["batch_size"] % self._params["micro_batch"]:
            raise ValueError("parameter micro_batch does not divide batch_size")
        self._seed = seed
        self._done_epochs = 0
        self._num_batches = 0
        self._fail(0)

    def warm_up(self) -> None:
        pass

    def train_epoch(self, epoch: int) -> EpochCounts:
        self._fail(epoch)
        counts = work(self._params, self._options, self._num_batches, epoch == self.num_epochs)
        time.sleep(epoch_seconds(self._params, self._options))
        self._done_epochs = epoch
        self._num_batches += iterations(self._params, self._options)
        loss = math.nan if self._failing("nan_loss", epoch) else 1.0 / epoch
        return EpochCounts(**counts, loss=loss)

    def evaluate(self) -> dict[str, float]:
        if self._failing("nan", self._done_epochs):
            return {"nrmse": math.nan}
        law = nrmse_law(self._params, self._options, self._seed, self._done_epochs, self.num_epochs)
        return {"nrmse": law}

    def time_units(self) -> list[TimeUnit]:
        self._fail(1)
        share = epoch_seconds(self._params, self._options) / 10
        return [TimeUnit(name="tenth of an epoch", run=lambda: time.sleep(share), per_epoch=10)]

    def state_dict(self) -> dict[str, Any]:
        return {"done_epochs": self._done_epochs, "num_batches": self._num_batches}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self._done_epochs = state["done_epochs"]
        self._num_batches = state["num_batches"]

    def release(self) -> None:
        if self._failing("hang_in_release", 0):
            time.sleep(10**6)
        if self._failing("unreleased", 0):
            raise UnreleasedMemoryError("1.00 GiB of the last trial are still allocated.")

    def _fail(self, epoch: int) -> None:
        """Carries out the failures that do not end in a number."""
        if self._failing("oom", epoch):
            raise MemoryError("synthetic out of memory")
        if self._failing("raise", epoch):
            raise RuntimeError("synthetic failure")
        if self._failing("hang", epoch):
            time.sleep(10**6)
        if self._failing("kill", epoch):
            os.kill(os.getpid(), signal.SIGKILL)

    def _failing(self, kind: str, epoch: int) -> bool:
        return any(
            failure["kind"] == kind
            and failure.get("epoch", 1) == epoch
            and failure.get("params", {}).items() <= self._params.items()
            and _still_to_happen(failure)
            for failure in self._options.failures
        )


class ResumableStage(SyntheticStage):
    """The same, whose lost trials go on from a checkpoint.

    Its NRMSE is the law's, up to 1 % worse by all that was drawn from a generator in the epochs so far: who
    goes on without the right state shows it.
    """

    resumable: ClassVar[bool] = True

    def build(self, params: Mapping[str, Any], seed: int, options: Mapping[str, Any]) -> None:
        super().build(params, seed, options)
        self._generator, self._drawn = np.random.default_rng(seed), 0.0

    def train_epoch(self, epoch: int) -> EpochCounts:
        counts = super().train_epoch(epoch)
        self._drawn = 0.5 * (self._drawn + float(self._generator.random()))
        return counts

    def evaluate(self) -> dict[str, float]:
        return {"nrmse": super().evaluate()["nrmse"] * (1 + 0.01 * self._drawn)}

    def state_dict(self) -> dict[str, Any]:
        drawn = {"generator": self._generator.bit_generator.state, "drawn": self._drawn}
        return super().state_dict() | drawn

    def load_state_dict(self, state: dict[str, Any]) -> None:
        super().load_state_dict(state)
        self._generator.bit_generator.state, self._drawn = state["generator"], state["drawn"]


class SpoilsItsCheckpoint(ResumableStage):
    """Writes nonsense over its checkpoints, just before the failure that is to happen in an epoch."""

    def train_epoch(self, epoch: int) -> EpochCounts:
        for path in Path(self._spec.checkpoints).glob("epoch-*.pkl"):
            path.write_bytes(b"nonsense")
        return super().train_epoch(epoch)


def nrmse_law(params: Params, options: SyntheticOptions, seed: int, epoch: int, num_epochs: int) -> float:
    """NRMSE after ``epoch`` of ``num_epochs``."""
    effective = params["batch_size"] * params["accum_steps"]
    final = options.a + options.b / params["num_taus"] + options.c * math.log2(effective / 6)
    if options.noise_sd:
        rng = np.random.default_rng([seed, effective, params["num_taus"]])
        final += options.noise_sd * float(rng.standard_normal())
    return final * (1.0 + options.d * (num_epochs - epoch) / num_epochs)


def epoch_seconds(params: Params, options: SyntheticOptions) -> float:
    """Seconds one epoch sleeps."""
    baseline = {"batch_size": 6, "micro_batch": 3, "num_taus": 5, "accum_steps": 1}
    return options.epoch_time_s * _cost(params, options) / _cost(baseline, options)


def iterations(params: Params, options: SyntheticOptions) -> int:
    """Batches per epoch, halves rounded up."""
    return math.floor(options.num_samples / params["batch_size"] + 0.5)


def work(params: Params, options: SyntheticOptions, num_batches: int, is_last: bool) -> dict[str, int]:
    """Counts of one epoch that starts after ``num_batches``; accumulation crosses epochs."""
    batches = iterations(params, options)
    after = num_batches + batches
    accum = params["accum_steps"]
    steps = (-(-after // accum) if is_last else after // accum) - num_batches // accum
    samples = batches * params["batch_size"]
    return {
        "num_chunks": samples // params["micro_batch"],
        "num_sample_evals": samples * params["num_taus"],
        "num_optimizer_steps": steps,
    }


def _cost(params: Params, options: SyntheticOptions) -> float:
    counts = work(params, options, 0, is_last=True)
    return counts["num_chunks"] * options.launch_cost + counts["num_sample_evals"]


def _still_to_happen(failure: Mapping[str, Any]) -> bool:
    """Whether a failure happens now; one that happens once leaves its mark at the same time."""
    marker = failure.get("once")
    if marker is None:
        return True
    try:
        os.close(os.open(marker, os.O_CREAT | os.O_EXCL))
    except FileExistsError:
        return False
    return True
