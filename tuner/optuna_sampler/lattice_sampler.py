"""The search as a sampler of Optuna: for scripts, storages and dashboards that know Optuna, not the tuner.

Everything it knows it reads from the study's trials, so that threads, processes and later runs that share a
storage continue one search. Importing this module imports Optuna.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.samplers import BaseSampler, RandomSampler
from optuna.search_space import intersection_search_space
from optuna.trial import FrozenTrial, TrialState

from tuner.core.config import TrialConfig
from tuner.core.lattice import Lattice
from tuner.core.parameters import Continuous, Parameter, ParameterValue
from tuner.errors import SpecError
from tuner.optuna_sampler.next_configuration import (
    ByImprovement,
    BySearch,
    Selector,
    Wanted,
    improving,
)
from tuner.optuna_sampler.trials import PROPOSAL, agrees, config_of, set_params
from tuner.search.by_optuna.spaces import allows, distribution_of
from tuner.search.policy.stopping import Decided
from tuner.search.policy.strategy import RunStep, Strategy
from tuner.search.problem import Problem

MAX_CLAIMS = 5
"""Most proposals that are dropped in turn because another process has just made them too."""

WAIT_S, MAX_WAITS = 0.01, 100
"""Seconds, and number of times, that the outcome of another process's look is waited for."""

SETTLED = "distill_tuner:settled"
"""Attribute of a trial that goes on with its proposal."""

_LOCK = threading.Lock()
"""Lock between reading the trials and writing a proposal; of the module, so a sampler can be pickled."""


class LatticeSampler(BaseSampler):
    """Proposes configurations by the product's own search; without a problem, by expected improvement.

    Made of a `Problem`, it proposes what `Strategy` would: the baseline first, then what may save most
    seconds per second it costs. The objective suggests the parameters of the lattice by their names, in any
    order and by any of Optuna's suggest methods, or all of them by `suggest`. A configuration may come again,
    with another seed: `suggest` gives it, and so does the user attribute `seed`. After the search is decided
    it goes on with what meets the target most probably per second; `stop_when_decided` ends a study then.
    A trial is taken as follows:

    - COMPLETE with two values: seconds and NRMSE at full budget, both to be minimised.
    - COMPLETE with one value: seconds. NRMSE is the user attribute `nrmse`, else the bound of an absolute
      target plus the constraint `quality`.
    - COMPLETE with any other constraint above 0, or with a figure that is not positive and finite:
      infeasible; out of memory when that constraint is called `memory`.
    - PRUNED: stopped early. What was reported is NRMSE, the number of epochs finished as step (also of a
      COMPLETE trial); the user attribute `time_s`, if any, is the seconds so far.
    - FAIL: not to be run again, which is all it teaches.
    - RUNNING, or enqueued with all parameters: under way, and not proposed twice. A trial that never ended
      counts as such too: give the storage a `heartbeat_interval`, or tell the trial as FAIL.
    - The user attributes `seed` and `peak_memory_gib` are what they say.

    Made of a `Lattice`, it minimises or maximises the study's values, one or several, on the points of the
    lattice, none twice; made of nothing, in whatever space the objective suggests. Then a trial that breaks a
    constraint counts as the worst, several values are weighed anew at random in every trial, and PRUNED and
    FAIL teach nothing. The model is the same additive regression, without anything known of time.

    Args:
        of: The problem to solve, or the space to search.
        seed: Seed of all randomness, and of the first run of every configuration. By default a problem's own;
            without one 0.
        independent_sampler: Sampler of parameters outside the lattice; random by default.

    Raises:
        SpecError: The baseline does not name the lattice's parameters; or, when asked, the study does not
            suit the problem, or a COMPLETE trial does not say its NRMSE.
    """

    def __init__(
        self,
        of: Problem | Lattice | None = None,
        *,
        seed: int | None = None,
        independent_sampler: BaseSampler | None = None,
    ) -> None:
        if isinstance(of, Problem) and seed is not None:
            of = replace(of, seed=seed)
        self._seed = of.seed if isinstance(of, Problem) else seed or 0
        self._selector: Selector | None = None
        self._parameters: dict[str, Parameter] = {}
        self._baseline: dict[str, ParameterValue] = {}
        if isinstance(of, Problem):
            self._selector, self._baseline = BySearch(of), _checked_baseline(of)
        elif of is not None:
            self._selector = ByImprovement(of, self._seed)
        if self._selector is not None:
            self._parameters = {p.name: p for p in self._selector.lattice.parameters}
        self._independent = independent_sampler or RandomSampler(self._seed)

    # For the objective and the script.

    @property
    def distributions(self) -> dict[str, BaseDistribution]:
        """Distributions of the lattice's parameters, for `study.ask`; empty without a lattice."""
        return {name: self._distribution(parameter) for name, parameter in self._parameters.items()}

    def _distribution(self, parameter: Parameter) -> BaseDistribution:
        also = [self._baseline[parameter.name]] if parameter.name in self._baseline else []
        if isinstance(parameter, Continuous):
            ends = [parameter.low, parameter.high, *map(float, also)]
            return FloatDistribution(min(ends), max(ends), log=parameter.log)
        values = list(dict.fromkeys([*parameter.values, *also]))
        ordered = sorted(values, key=float) if parameter.is_ordered else values
        return distribution_of(ordered, is_ordered=parameter.is_ordered)

    def suggest(self, trial: optuna.Trial) -> RunStep:
        """Suggests every parameter of the lattice.

        Returns:
            The configuration to run, and with which seed.

        Raises:
            SpecError: There is no lattice, or the parameters were fixed to what cannot be.
        """
        if self._selector is None:
            raise SpecError("the sampler has no lattice to suggest from.", "LatticeSampler(problem)")
        for name, distribution in self.distributions.items():
            if name in trial.params:
                continue  # it may have been suggested in another range
            if isinstance(distribution, CategoricalDistribution):
                trial.suggest_categorical(name, distribution.choices)
            elif isinstance(distribution, IntDistribution):
                trial.suggest_int(name, distribution.low, distribution.high)
            else:
                assert isinstance(distribution, FloatDistribution)  # there is no other kind
                trial.suggest_float(name, distribution.low, distribution.high, log=distribution.log)
        trials = trial.study.get_trials(deepcopy=False)
        latest = trials[trial.number]
        config = config_of(self._selector.lattice, latest)
        if config is None:
            raise SpecError(f"the parameters {trial.params} of trial {trial.number} are not legal together.")
        seed = latest.user_attrs.get("seed")
        if seed is None or _proposed(latest) not in (config, None):
            seed = self._selector.next_seed(_others(trials, trial.number), config)
            trial.set_user_attr("seed", seed)
        return RunStep(config=config, seed=seed)

    def strategy(self, study: optuna.Study) -> Strategy:
        """The search's judgement of a study: what is `qualified`, what comes next, whether it is decided.

        Raises:
            SpecError: The sampler was not made of a problem.
        """
        if not isinstance(self._selector, BySearch):
            raise SpecError("without a problem nothing can be qualified.", "LatticeSampler(problem)")
        return self._selector.strategy(self._selector.predictions(study.get_trials(deepcopy=False)))

    def stop_when_decided(self, study: optuna.Study, trial: FrozenTrial) -> None:
        """A callback for `study.optimize`: stops it when nothing more is worth running."""
        if isinstance(self.strategy(study).next_step(), Decided):
            study.stop()

    # For Optuna: on a lattice.

    def sample_independent(
        self, study: optuna.Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        """A lattice's parameter as it was proposed for the trial, given those it has already.

        A parameter outside the lattice, or a value that leaves no legal choice, is the independent sampler's.
        """
        proposal = self._proposal(study, trial, param_name, param_distribution)
        if proposal is None:
            return self._independent.sample_independent(study, trial, param_name, param_distribution)
        value = proposal[param_name]
        return float(value) if isinstance(param_distribution, FloatDistribution) else value

    def _proposal(
        self, study: optuna.Study, trial: FrozenTrial, name: str, distribution: BaseDistribution
    ) -> Mapping[str, Any] | None:
        if self._selector is None or name not in self._parameters:
            return None
        lattice, given = self._selector.lattice, set_params(trial)

        def is_wanted(config: TrialConfig) -> bool:
            values = config.as_dict()
            is_held = isinstance(self._parameters[name], Continuous) or allows(distribution, values[name])
            return is_held and agrees(lattice, config, given)

        made = _proposed(trial)
        if made is None or not is_wanted(made):
            with _LOCK:
                made = self._claim(study, trial, self._selector, is_wanted)
        if made is None or not allows(distribution, made.as_dict()[name]):
            return None
        return made.as_dict()

    def _claim(
        self, study: optuna.Study, trial: FrozenTrial, selector: Selector, is_wanted: Wanted
    ) -> TrialConfig | None:
        """Chooses, writes the choice down, and chooses again if another process has written the same.

        Whoever writes looks afterwards, so of two at least one sees the other. The later trial gives way,
        unless it has looked before the other wrote and gone on: it says so, and the earlier one gives way.
        """
        chosen = None
        for _ in range(MAX_CLAIMS):
            others = _others(study.get_trials(deepcopy=False), trial.number)
            step = selector.choose(others, study.directions, trial.number, is_wanted)
            if step is None:
                return None
            chosen = step.config
            study._storage.set_trial_user_attr(trial._trial_id, "seed", step.seed)
            _write(study, trial, step.config.as_dict())
            if self._is_mine(study, trial, selector.lattice, step):
                break
            _write(study, trial, {})
        else:
            if chosen is not None:
                _write(study, trial, chosen.as_dict())
        study._storage.set_trial_system_attr(trial._trial_id, SETTLED, True)
        return chosen

    def _is_mine(self, study: optuna.Study, trial: FrozenTrial, lattice: Lattice, step: RunStep) -> bool:
        """Whether no other process goes on with a choice; waits for one that has still to look."""
        for _ in range(MAX_WAITS):
            same = [
                other
                for other in _others(study.get_trials(deepcopy=False), trial.number)
                if other.state != TrialState.FAIL
                and other.user_attrs.get("seed") == step.seed
                and config_of(lattice, other) == step.config
            ]
            if any(o.number < trial.number or o.system_attrs.get(SETTLED) for o in same):
                return False
            if not same:
                return True
            time.sleep(WAIT_S)
        return False

    # For Optuna: in any space.

    def infer_relative_search_space(
        self, study: optuna.Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        """Returns the parameters that all COMPLETE trials share; empty with a lattice (conditional)."""
        if self._selector is not None:
            return {}
        space = intersection_search_space(study.get_trials(deepcopy=False))
        return {name: distribution for name, distribution in space.items() if not distribution.single()}

    def sample_relative(
        self, study: optuna.Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """Parameters with the highest expected improvement in a space of any kind."""
        if not search_space:
            return {}
        with _LOCK:
            others = _others(study.get_trials(deepcopy=False), trial.number)
            params = improving(
                others, study.directions, np.random.default_rng([self._seed, trial.number]), search_space
            )
            _write(study, trial, params)
        return params

    # For Optuna: passed on.

    def reseed_rng(self) -> None:
        """Passed on; own choices depend on the seed and the trial's number alone."""
        self._independent.reseed_rng()

    def before_trial(self, study: optuna.Study, trial: FrozenTrial) -> None:
        """Passes the call on to the independent sampler."""
        self._independent.before_trial(study, trial)

    def after_trial(
        self, study: optuna.Study, trial: FrozenTrial, state: TrialState, values: Sequence[float] | None
    ) -> None:
        """Passes the call on to the independent sampler."""
        self._independent.after_trial(study, trial, state, values)


def _checked_baseline(problem: Problem) -> dict[str, ParameterValue]:
    """The baseline's values of the lattice's parameters, which must be all it has."""
    names = [parameter.name for parameter in problem.lattice.parameters]
    values = {name: value for name, value in problem.baseline.as_dict().items() if name in names}
    if set(names) - set(values) or TrialConfig.from_dict(values) != problem.baseline:
        raise SpecError(
            f"the baseline {problem.baseline} does not name the lattice's parameters, {', '.join(names)}.",
            "give it a value of each, and of no other.",
        )
    return values


def _proposed(trial: FrozenTrial) -> TrialConfig | None:
    proposal = trial.system_attrs.get(PROPOSAL)
    return TrialConfig.from_dict(proposal) if proposal else None


def _others(trials: Sequence[FrozenTrial], number: int) -> list[FrozenTrial]:
    return [trial for trial in trials if trial.number != number]


def _write(study: optuna.Study, trial: FrozenTrial, params: Mapping[str, Any]) -> None:
    study._storage.set_trial_system_attr(trial._trial_id, PROPOSAL, dict(params))
