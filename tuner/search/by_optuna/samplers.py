"""Optuna's samplers on the lattice: what one proposes is moved to the nearest unused legal point.

So every sampler works unchanged, proposes nothing illegal and repeats nothing. Importing this
module imports Optuna. It knows points and proposals; what they were worth is between Optuna and its
sampler.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import numpy.typing as npt
import optuna
from optuna.distributions import BaseDistribution, FloatDistribution
from optuna.samplers import BaseSampler
from optuna.trial import FrozenTrial, TrialState

from tuner.core.config import TrialConfig
from tuner.core.parameters import Continuous
from tuner.core.plugins import make
from tuner.errors import SpecError
from tuner.search.by_optuna.encoding import Encoding
from tuner.search.by_optuna.spaces import distribution_of

Space = dict[str, BaseDistribution]


class SnappedSampler(BaseSampler):
    """Snaps the proposals of another sampler to the lattice.

    Every trial is expected to be asked with `distributions`; a point counts as used from then on,
    whatever becomes of the trial.

    Args:
        encoding: The lattice in coordinates.
        inner: Whose proposals are snapped; None draws uniformly among the unused points.
        seed: Seed of those draws, which also stand in while `inner` has no opinion yet.
    """

    def __init__(self, encoding: Encoding, inner: BaseSampler | None, *, seed: int) -> None:
        self.encoding = encoding
        dimensions, continuous = encoding.dimensions, encoding.lattice.continuous
        self.distributions: Space = {
            one.name: distribution_of(one.values, is_ordered=one.is_ordered, is_log=one.is_log)
            for one in dimensions
        }
        self.distributions |= {p.name: FloatDistribution(p.low, p.high, p.log) for p in continuous}
        self._first = {one.name: one.values[0] for one in dimensions} | {p.name: p.low for p in continuous}
        self._inner = inner
        self._rng = np.random.default_rng(seed)
        self._varies = any(p.low < p.high for p in continuous)
        self._unused = np.ones(len(encoding.lattice), dtype=np.bool_)
        self._used: set[TrialConfig] = set()
        self._num_read = 0
        self._chosen: TrialConfig | None = None

    def choose(self, config: TrialConfig) -> None:
        """Makes `config`, which is legal, the next proposal."""
        self._chosen = config

    def is_exhausted(self, study: optuna.Study) -> bool:
        """True when every point has been used and nothing continuous is left to vary."""
        return not self._allowed(study).any()

    def infer_relative_search_space(self, study: optuna.Study, trial: FrozenTrial) -> Space:
        """The static space, less what has one value only: no sampler of Optuna wants that."""
        return {name: d for name, d in self.distributions.items() if not d.single()}

    def sample_relative(self, study: optuna.Study, trial: FrozenTrial, search_space: Space) -> dict[str, Any]:
        """The chosen configuration, else the inner sampler's proposal moved to the lattice.

        The inner sampler is asked even when somebody else has chosen: NSGA-II notes the trial's
        generation then, and would never take it as a parent otherwise.
        """
        proposal = self._propose(study, trial, search_space)
        if self._chosen is not None:
            chosen, self._chosen = self._chosen, None
            return self._only(search_space, self.encoding.encode(chosen))
        config = self._snap(proposal, self._allowed(study))
        return self._only(search_space, self.encoding.encode(config))

    def _propose(self, study: optuna.Study, trial: FrozenTrial, search_space: Space) -> dict[str, Any]:
        """The inner sampler's proposal, completed; empty while it has no opinion.

        NSGA-II leaves out the parameters it mutates, to be drawn one by one.
        """
        if self._inner is None:
            return {}
        proposal = dict(self._inner.sample_relative(study, trial, search_space))
        if not proposal:
            return {}
        for name, distribution in self.distributions.items():
            if name not in search_space:
                proposal[name] = self._first[name]
            elif name not in proposal:
                proposal[name] = self._inner.sample_independent(study, trial, name, distribution)
        return proposal

    def _snap(self, proposal: Mapping[str, Any], allowed: npt.NDArray[np.bool_]) -> TrialConfig:
        """The unused configuration nearest to a proposal; a random one when there is none."""
        lattice = self.encoding.lattice
        if proposal:
            row = self.encoding.nearest(proposal, allowed)
            passed = {p.name: p.readable(proposal[p.name]) for p in lattice.continuous}
        else:
            row, passed = int(self._rng.choice(np.flatnonzero(allowed))), self._draw()
        # NSGA-II's children may equal a parent in everything.
        while (config := lattice.config(row, passed)) in self._used:
            passed = self._draw()
        return config

    def _draw(self) -> dict[str, float]:
        """Values of the continuous parameters, uniform or log-uniform as each asks for."""
        return {p.name: _draw(p, self._rng) for p in self.encoding.lattice.continuous}

    def _allowed(self, study: optuna.Study) -> npt.NDArray[np.bool_]:
        """The points a proposal may be moved to, shape (points,)."""
        for trial in study.get_trials(deepcopy=False)[self._num_read :]:
            if len(trial.params) < len(self.distributions):
                break  # the trial being asked for
            self._used.add(self.encoding.decode(trial.params))
            self._unused[self.encoding.row(trial.params)] = self._varies
            self._num_read += 1
        return self._unused

    @staticmethod
    def _only(search_space: Space, coordinates: Mapping[str, Any]) -> dict[str, Any]:
        return {name: coordinates[name] for name in search_space}

    def sample_independent(
        self, study: optuna.Study, trial: FrozenTrial, param_name: str, param_distribution: object
    ) -> Any:
        """Never called: every parameter is in the static space, and every proposal in range."""
        raise AssertionError(f"{param_name} was not proposed together with the others")

    def before_trial(self, study: optuna.Study, trial: FrozenTrial) -> None:
        """Passes the call on to the inner sampler."""
        if self._inner is not None:
            self._inner.before_trial(study, trial)

    def after_trial(
        self,
        study: optuna.Study,
        trial: FrozenTrial,
        state: TrialState,
        values: Sequence[float] | None,
    ) -> None:
        """Passes the call on to the inner sampler."""
        if self._inner is not None:
            self._inner.after_trial(study, trial, state, values)


def make_sampler(name: str, options: Mapping[str, Any], seed: int) -> BaseSampler | None:
    """The inner sampler a study names: `tpe`, `nsga2`, `gp`, `random` (None), or `module:Class`.

    Raises:
        SpecError: The name or an option is wrong, or the class is not a sampler of Optuna.
    """
    with quiet():
        sampler = make(
            "sampler",
            name,
            known=_SAMPLERS,
            options={**_DEFAULTS.get(name, {}), **options},
            given={"seed": seed, **_GIVEN.get(name, {})},
        )
    if not isinstance(sampler, BaseSampler | None):
        raise SpecError(
            f"the sampler {name!r} is not a sampler of Optuna.",
            "derive it from optuna.samplers.BaseSampler.",
        )
    return sampler


@contextmanager
def quiet() -> Iterator[None]:
    """Keeps to itself what Optuna warns of and a user of the tuner cannot act on."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        warnings.filterwarnings("ignore", message="Clip non-finite values")
        yield


def _no_sampler(seed: int) -> None:
    """Returns no sampler for `random`: the lattice sampler draws by itself."""


_SAMPLERS: dict[str, Callable[..., Any]] = {
    "tpe": optuna.samplers.TPESampler,
    "nsga2": optuna.samplers.NSGAIISampler,
    "gp": optuna.samplers.GPSampler,
    "random": _no_sampler,
}
_GIVEN: dict[str, dict[str, Any]] = {
    # One static space is sampled jointly: with it, both options could only be ignored.
    "tpe": {"multivariate": True, "group": False}
}
_DEFAULTS: dict[str, dict[str, Any]] = {
    # Optuna's own 50 would never leave the random start in a study of 30 trials.
    "nsga2": {"population_size": 12}
}


def _draw(parameter: Continuous, rng: np.random.Generator) -> float:
    """Uniform in [low, high], or in its logarithm."""
    low, high = parameter.low, parameter.high
    value = np.exp(rng.uniform(*np.log([low, high]))) if parameter.log else rng.uniform(low, high)
    return parameter.readable(float(value))
