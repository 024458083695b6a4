"""The tuners of the control arms: random draws, Optuna's samplers on the lattice, a heuristic, ASHA."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import optuna

from benchmarks.search.contract import Tuner
from tuner.advisor.messages import ProbeResult
from tuner.core.config import TrialConfig
from tuner.core.lattice import Lattice
from tuner.core.measurement import Status
from tuner.core.trial import TrialRecord, TrialState
from tuner.search.by_optuna.encoding import Encoding
from tuner.search.by_optuna.samplers import SnappedSampler, make_sampler, quiet
from tuner.simulate import Instance


class OptunaTuner:
    """Searches with one of Optuna's samplers, and moves its proposals to unused points of the lattice.

    Args:
        instance: Instance that is searched.
        sampler: Name of the sampler: `tpe`, `nsga2`, `gp` or `random`.
        is_constrained: Whether time is minimised under the constraint; otherwise time and NRMSE are.
        is_asha: Whether ASHA stops trials by their NRMSE. The sampler is then told the figures they had, as
            Ray does it.
    """

    def __init__(
        self, instance: Instance, sampler: str, *, is_constrained: bool = False, is_asha: bool = False
    ) -> None:
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        study = instance.study
        inner = make_sampler(sampler, {}, study.seed)
        self._encoding = Encoding(study.lattice)
        self._sampler = SnappedSampler(self._encoding, inner, seed=study.seed)
        self._is_constrained = is_constrained
        directions = ["minimize"] * (1 if is_constrained else 2)
        self._study = optuna.create_study(directions=directions, sampler=self._sampler)
        self._asha = Asha() if is_asha else None
        self._live: dict[str, optuna.Trial] = {}

    def propose(self, trial_id: str) -> TrialConfig | None:
        """Returns the sampler's next configuration, on the lattice."""
        if self._sampler.is_exhausted(self._study):
            return None
        with quiet():
            trial = self._live[trial_id] = self._study.ask(self._sampler.distributions)
        return self._encoding.decode(trial.params)

    def learn(self, record: TrialRecord, threshold: float | None) -> None:
        """Tells the sampler the measured values, or that the trial failed if it has none."""
        trial = self._live.pop(record.trial_id)
        if record.state in (TrialState.FAILED, TrialState.INFEASIBLE) or not record.epoch:
            self._study.tell(trial, state=optuna.trial.TrialState.FAIL)
            return
        if self._is_constrained:
            trial.set_constraint("quality", record.nrmse - threshold if threshold else 0.0)
        values = [record.time_s] if self._is_constrained else [record.time_s, record.nrmse]
        self._study.tell(trial, values)

    def should_stop(self, record: TrialRecord) -> bool:
        """Returns whether ASHA stops the trial; False without ASHA."""
        return self._asha is not None and self._asha.should_stop(record)


class Asha:
    """Asynchronous successive halving on NRMSE: only the best third goes on after epochs 1 and 3."""

    def __init__(self, reduction_factor: int = 3) -> None:
        self._factor = reduction_factor
        self._rungs: dict[int, list[float]] = {}

    def should_stop(self, record: TrialRecord) -> bool:
        """Returns whether a trial is outside the best third of those that reached this rung so far."""
        epoch = record.epoch
        if math.log(epoch, self._factor) % 1 > 1e-9:
            return False
        rung = self._rungs.setdefault(epoch, [])
        rung.append(record.nrmse)
        return len(rung) >= self._factor and record.nrmse > np.quantile(rung, 1 / self._factor)


class LargestMicroBatch:
    """Takes the largest micro_batch that fits, as autotuners do, and leaves the rest to another tuner.

    It probes memory once, at each number of rows that the lattice has. These probes cost what anybody's cost.
    Then each proposal of the other tuner gets the largest micro_batch that fits. If none fits, the proposal
    runs as it is, and runs out of memory.
    """

    NUM_TRIES = 200

    def __init__(self, instance: Instance, tuner: OptunaTuner) -> None:
        self._lattice, self._tuner = instance.study.lattice, tuner
        self._most_rows = 0
        self._ids: dict[str, str] = {}
        self._done: dict[TrialConfig, tuple[TrialRecord, float | None]] = {}
        self._asked: set[TrialConfig] = set()
        self.probe_first = _frontier(self._lattice)

    def probed(self, results: Sequence[ProbeResult]) -> None:
        """Learns how many rows fit, since memory grows with micro_batch * num_taus."""
        self._most_rows = max((rows(r.config) for r in results if r.status is Status.OK), default=0)

    def propose(self, trial_id: str) -> TrialConfig | None:
        """Returns the other tuner's next proposal that has not run with the largest micro_batch that fits."""
        for attempt in range(self.NUM_TRIES):
            inner_id = trial_id if attempt == 0 else f"{trial_id}/{attempt}"
            proposed = self._tuner.propose(inner_id)
            if proposed is None:
                return None
            config = self._largest(proposed)
            self._ids[trial_id] = inner_id
            if config not in self._asked:
                self._asked.add(config)
                return config
            self._tell_again(inner_id, config)
        return None

    def _largest(self, config: TrialConfig) -> TrialConfig:
        values = config.as_dict()
        sizes = [size for size in range(1, config.batch_size + 1) if config.batch_size % size == 0]
        for size in reversed(sizes):
            candidate = TrialConfig.from_dict(values | {"micro_batch": size})
            if rows(candidate) <= self._most_rows and candidate in self._lattice:
                return candidate
        return config

    def _tell_again(self, trial_id: str, config: TrialConfig) -> None:
        """Tells the other tuner the result of its proposal, if that configuration has run already."""
        if config in self._done:
            record, threshold = self._done[config]
            self._tuner.learn(replace(record, trial_id=trial_id), threshold)

    def learn(self, record: TrialRecord, threshold: float | None) -> None:
        """Keeps how a trial ended, and passes it on to the other tuner."""
        self._done[record.config] = (record, threshold)
        self._tuner.learn(replace(record, trial_id=self._ids.pop(record.trial_id)), threshold)

    def should_stop(self, record: TrialRecord) -> bool:
        """Returns False: it stops no trial."""
        return False


def rows(config: TrialConfig) -> int:
    """Returns the number of rows that a configuration holds in memory at once."""
    return config.micro_batch * config.num_taus


def _frontier(lattice: Lattice) -> tuple[TrialConfig, ...]:
    """Returns a configuration for each number of rows that the lattice has, the fewest first."""
    by_rows = {rows(lattice.config(k)): lattice.config(k) for k in range(len(lattice))}
    return tuple(by_rows[number] for number in sorted(by_rows))


def _heuristic(instance: Instance) -> LargestMicroBatch:
    return LargestMicroBatch(instance, OptunaTuner(instance, "tpe", is_constrained=True))


def _heuristic_random(instance: Instance) -> LargestMicroBatch:
    return LargestMicroBatch(instance, OptunaTuner(instance, "random", is_constrained=True))


TUNERS: dict[str, Callable[[Instance], Tuner]] = {
    "random": lambda instance: OptunaTuner(instance, "random"),
    "heuristic": _heuristic,
    "heuristic-random": _heuristic_random,
    "tpe-constrained": lambda instance: OptunaTuner(instance, "tpe", is_constrained=True),
    "tpe-multi": lambda instance: OptunaTuner(instance, "tpe"),
    "nsga2": lambda instance: OptunaTuner(instance, "nsga2"),
    "gp": lambda instance: OptunaTuner(instance, "gp", is_constrained=True),
    "tpe-asha": lambda instance: OptunaTuner(instance, "tpe", is_asha=True),
}
