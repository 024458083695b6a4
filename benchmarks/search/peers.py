"""Makes tuners of other projects' searches, if installed (extra `peers`): SMAC3, Ax, Syne Tune, BoTorch.

Their proposals are moved to the nearest unused legal point. If a search knows no constraint, the time it is
told grows with the violation. The acquisition functions of Syne Tune's BoTorch and of Ax are not climbed from
random starts. They are evaluated at every unused legal point (in Ax, if all coordinates are numbers). This
finds their optimum among these points exactly and in a fraction of the time, which is more than they do by
themselves.
"""

from __future__ import annotations

import datetime
import importlib.util
import logging
import math
import tempfile
import warnings
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from benchmarks.search.contract import Tuner
from benchmarks.search.peers_botorch import BotorchTuner
from benchmarks.search.snapped import SnappedTuner, exactly_optimised, penalised_s, values_of
from tuner.core.config import TrialConfig
from tuner.core.measurement import Status
from tuner.core.trial import TrialRecord
from tuner.search.by_optuna.encoding import Dimension
from tuner.simulate import Instance
from tuner.simulate.instances import BASELINE_NRMSE


class SmacTuner(SnappedTuner):
    """Searches with SMAC3's hyper-parameter facade: a random forest and expected improvement.

    It is told the logarithm of the penalised time.
    """

    def __init__(self, instance: Instance) -> None:
        super().__init__(instance)
        from ConfigSpace import CategoricalHyperparameter, ConfigurationSpace, Float, Integer
        from smac import HyperparameterOptimizationFacade, Scenario

        def parameter(axis: Dimension) -> Any:
            if not axis.is_ordered or len(axis.values) == 1:
                return CategoricalHyperparameter(axis.name, list(axis.values))
            kind = Integer if all(isinstance(value, int) for value in axis.values) else Float
            return kind(axis.name, (axis.values[0], axis.values[-1]), log=axis.is_log)

        self._space = ConfigurationSpace(seed=self.study.seed)
        self._space.add([parameter(axis) for axis in self.encoding.dimensions])
        scenario = Scenario(
            self._space,
            deterministic=True,
            n_trials=100_000,
            seed=self.study.seed,
            output_directory=tempfile.mkdtemp(prefix="smac"),
        )
        design = HyperparameterOptimizationFacade.get_initial_design(scenario, n_configs=10)
        self._smac = HyperparameterOptimizationFacade(
            scenario,
            lambda config, seed=0: 0.0,
            initial_design=design,
            logging_level=logging.ERROR,
            overwrite=True,
        )
        self._live: dict[str, Any] = {}

    def propose(self, trial_id: str) -> TrialConfig | None:
        """Returns SMAC's next configuration, on the lattice."""
        info = self._smac.ask()
        config = self.snap(dict(info.config))
        self._live[trial_id] = info
        return config

    def learn(self, record: TrialRecord, threshold: float | None) -> None:
        """Tells SMAC what ran, which may be a neighbour of what it asked for."""
        from ConfigSpace import Configuration
        from smac.runhistory.dataclasses import TrialInfo, TrialValue
        from smac.runhistory.enumerations import StatusType

        info, values = self._live.pop(record.trial_id), values_of(record)
        ran = Configuration(self._space, values=self.encoding.encode(record.config))
        worst = 10 * self.study.budget.budget_s
        cost = math.log(penalised_s(values, threshold) if values else worst)
        status = StatusType.SUCCESS if values else StatusType.CRASHED
        self._smac.tell(
            TrialInfo(config=ran, seed=info.seed), TrialValue(cost=cost, status=status), save=False
        )


class AxTuner(SnappedTuner):
    """Searches with Ax and its own strategy: Sobol, then constrained expected improvement with GPs."""

    def __init__(self, instance: Instance) -> None:
        super().__init__(instance)
        from ax.api.client import Client
        from ax.api.configs import ChoiceParameterConfig, RangeParameterConfig

        def parameter(axis: Dimension) -> Any:
            if not axis.is_ordered or len(axis.values) == 1:
                kind = "str" if isinstance(axis.values[0], str) else "float"
                return ChoiceParameterConfig(name=axis.name, values=list(axis.values), parameter_type=kind)
            low, high = float(axis.values[0]), float(axis.values[-1])
            scaling = "log" if axis.is_log else "linear"
            return RangeParameterConfig(
                name=axis.name, bounds=(low, high), parameter_type="float", scaling=scaling
            )

        self._client = Client(random_seed=self.study.seed)
        self._client.configure_experiment(parameters=[parameter(axis) for axis in self.encoding.dimensions])
        self._is_numeric = all(axis.is_ordered and len(axis.values) > 1 for axis in self.encoding.dimensions)
        self._threshold: float | None = None
        self._live: dict[str, int] = {}

    def propose(self, trial_id: str) -> TrialConfig | None:
        """Returns Ax's next configuration, on the lattice, and attaches it in place of Ax's own proposal."""
        if self._threshold is None:
            self._threshold = self.study.target.threshold(BASELINE_NRMSE)
            self._client.configure_optimization(
                "-time_s", outcome_constraints=[f"nrmse <= {self._threshold}"]
            )
        [(index, parameters)] = self._next().items()
        self._client.mark_trial_abandoned(index)
        config = self.snap(parameters)
        if config is not None:
            dimensions = {axis.name: axis for axis in self.encoding.dimensions}
            values = {
                name: value if isinstance(value, str) else float(value)
                for name, value in self.encoding.encode(config).items()
                if name in dimensions
            }
            self._live[trial_id] = self._client.attach_trial(values)
        return config

    def _next(self) -> Mapping[int, Mapping[str, Any]]:
        if not (self._is_numeric and self._unused.any()):
            return self._client.get_next_trials(max_trials=1)
        import torch
        from ax.generators.torch.botorch_modular import acquisition

        columns = [axis.column.astype(np.float64) for axis in self.encoding.dimensions]
        scaled = [
            np.log10(column) if axis.is_log else column  # as Ax scales them
            for axis, column in zip(self.encoding.dimensions, columns, strict=True)
        ]
        candidates = torch.as_tensor(np.column_stack(scaled)[self._unused])
        with exactly_optimised(acquisition, candidates):
            return self._client.get_next_trials(max_trials=1)

    def learn(self, record: TrialRecord, threshold: float | None) -> None:
        """Tells Ax the time and the NRMSE of a trial, or that it failed."""
        index, values = self._live.pop(record.trial_id), values_of(record)
        if values is None:
            self._client.mark_trial_failed(index)
        else:
            self._client.complete_trial(index, raw_data={"time_s": values[0], "nrmse": values[1]})


class SyneTuneTuner(SnappedTuner):
    """Searches with a scheduler of Syne Tune 0.16, which has no constrained search.

    Its model-based searchers number trials by their own proposals and keep what they proposed. So this class
    numbers trials alike and corrects proposals that were moved; otherwise the searchers silently fall back to
    random draws. For the same reason, a trial without figures is told the worst figures so far, once there
    are any.

    Args:
        instance: Instance that is searched.
        kind: botorch (a GP on the log of the penalised time), or moasha (time and NRMSE, with stopping).
            EHVI does not run with current versions of torch, because it mixes float and double.
    """

    def __init__(self, instance: Instance, kind: str) -> None:
        super().__init__(instance)
        from syne_tune.config_space import choice, lograndint, loguniform

        def parameter(axis: Dimension) -> Any:
            if not axis.is_ordered or len(axis.values) == 1:
                return choice(list(axis.values))
            if all(isinstance(value, int) for value in axis.values):
                return lograndint(axis.values[0], axis.values[-1])
            return loguniform(axis.values[0], axis.values[-1])

        space = {axis.name: parameter(axis) for axis in self.encoding.dimensions}
        self._is_moasha = kind == "moasha"
        self._scheduler = _syne_scheduler(kind, space, self.study.seed, self.study.stage.num_epochs)
        self._live: dict[str, Any] = {}
        self._num_suggested = 0
        self._worst: dict[str, float] = {}
        self._owed: list[Any] = []

    def propose(self, trial_id: str) -> TrialConfig | None:
        """Returns the scheduler's next configuration, on the lattice, and corrects its record of it."""
        from syne_tune.backend.trial_status import Trial

        config = self.snap(self._suggested())
        if config is not None:
            coordinates = self.encoding.encode(config)
            asked = {axis.name: coordinates[axis.name] for axis in self.encoding.dimensions}
            number = self._num_suggested
            self._num_suggested += 1
            if not self._is_moasha:
                self._scheduler.searcher.trial_configs[number] = asked
            trial = self._live[trial_id] = Trial(number, asked, datetime.datetime.now())
            self._scheduler.on_trial_add(trial)
        return config

    def _suggested(self) -> Mapping[str, Any]:
        if self._is_moasha or not self._unused.any():
            return self._scheduler.suggest().config
        from syne_tune.optimizer.schedulers.searchers.botorch import botorch_searcher

        candidates = self._scheduler.searcher._config_to_feature_matrix(self.unused()).double()
        with exactly_optimised(botorch_searcher, candidates):
            return self._scheduler.suggest().config

    def should_stop(self, record: TrialRecord) -> bool:
        """Returns whether MOASHA stops the trial. The other schedulers do not look at epochs."""
        if not self._is_moasha or record.last is None or record.last.status is not Status.OK:
            return False
        return bool(self._scheduler.on_trial_result(self._live[record.trial_id], _result(record)) == "STOP")

    def learn(self, record: TrialRecord, threshold: float | None) -> None:
        """Tells the scheduler how a trial ended."""
        trial, values = self._live.pop(record.trial_id), values_of(record)
        if self._is_moasha:
            if values is None:
                self._scheduler.on_trial_error(trial)
            else:
                self._scheduler.on_trial_complete(trial, _result(record))
            return
        if values is None:
            self._owed.append(trial)
        else:
            result = _result(record) | {"cost": math.log(penalised_s(values, threshold))}
            self._worst = {name: max(value, self._worst.get(name, value)) for name, value in result.items()}
            self._scheduler.on_trial_complete(trial, result)
        while self._worst and self._owed:
            self._scheduler.on_trial_complete(self._owed.pop(), self._worst)


def _result(record: TrialRecord) -> dict[str, float]:
    return {"epoch": record.epoch, "time_s": record.time_s, "nrmse": record.nrmse}


def _syne_scheduler(kind: str, space: dict[str, Any], seed: int, num_epochs: int) -> Any:
    from syne_tune.optimizer import baselines
    from syne_tune.optimizer.schedulers.multiobjective.moasha import MOASHA

    if kind == "botorch":
        return baselines.BOTorch(space, metric="cost", do_minimize=True, random_seed=seed)
    return MOASHA(space, ["time_s", "nrmse"], time_attr="epoch", max_t=num_epochs, random_seed=seed)


PEERS: dict[str, tuple[str, Callable[[Instance], Tuner]]] = {
    "smac": ("smac", SmacTuner),
    "ax": ("ax", AxTuner),
    "syne-botorch": ("syne_tune", lambda instance: SyneTuneTuner(instance, "botorch")),
    "syne-moasha": ("syne_tune", lambda instance: SyneTuneTuner(instance, "moasha")),
    "botorch-qlognei": ("botorch", BotorchTuner),
}
"""The peers by name, each with the module that must be installed and a function that makes its tuner."""


def quiet() -> None:
    """Silences the warnings and logs of the peers, in a process that plays them."""
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)


def installed() -> dict[str, Callable[[Instance], Tuner]]:
    """Returns the peers whose packages are installed here."""
    return {name: make for name, (module, make) in PEERS.items() if importlib.util.find_spec(module)}
