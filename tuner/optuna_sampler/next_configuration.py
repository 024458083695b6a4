"""Chooses the configuration of an Optuna trial: by the product's search, or by expected improvement alone.

Functions of the study's trials: asked twice, they answer alike. They write nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

import numpy as np
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial
from optuna.trial import TrialState as OptunaState

from tuner.core.config import TrialConfig
from tuner.core.goal import Objective
from tuner.core.lattice import Lattice
from tuner.core.metric import MINIMIZE
from tuner.errors import SpecError
from tuner.optuna_sampler.trials import LIVE, config_of, losses, params_of, records_of
from tuner.search.by_optuna.spaces import Space, draw, holds, is_ordered, params_at, points_of
from tuner.search.candidates import Candidates
from tuner.search.draw import drawn_configs
from tuner.search.models.coordinates import axes_of, coordinates
from tuner.search.models.expected_improvement import scores
from tuner.search.observations import Observations
from tuner.search.policy.strategy import RunStep, Strategy
from tuner.search.predictions import Predictions
from tuner.search.problem import Problem

NUM_CENTRES = 3
"""Number of best trials near which candidates are drawn, in a space without a lattice."""

Wanted = Callable[[TrialConfig], bool]


class Selector(Protocol):
    """Chooses the configuration of each trial on a lattice."""

    lattice: Lattice

    def choose(
        self,
        trials: Sequence[FrozenTrial],
        directions: Sequence[StudyDirection],
        number: int,
        is_wanted: Wanted,
    ) -> RunStep | None:
        """Returns the configuration that trial `number` shall run.

        Args:
            trials: The others.
            directions: Directions of the study.
            number: Number of the trial.
            is_wanted: Says which configurations are possible at all.

        Returns:
            None when none is possible.
        """
        ...

    def next_seed(self, trials: Sequence[FrozenTrial], config: TrialConfig) -> int:
        """The lowest seed that none of the trials has run a configuration with."""
        ...


class BySearch:
    """Chooses as a study of the product does: by `Strategy`, the baseline first.

    Raises:
        SpecError: The problem has another objective than time, or limits: of those a trial of Optuna reports
            no figures.
    """

    def __init__(self, problem: Problem) -> None:
        if problem.objective is not Objective.TIME or problem.limits:
            wants = [limit.text for limit in problem.limits] or [f"objective: {problem.objective}"]
            raise SpecError(
                f"trials of Optuna report no figures for {wants[0]!r}.",
                "give the problem the objective time_s and no limits, or run it by distill-tuner.",
            )
        self.problem, self.lattice = problem, problem.lattice

    def predictions(self, trials: Sequence[FrozenTrial]) -> Predictions:
        """The predictions from the trials."""
        records = records_of(self.problem, trials)
        tried = dict.fromkeys([self.problem.baseline, *(record.config for record in records)])
        return Predictions(self.problem, Candidates(self.problem, tuple(tried)), Observations(records))

    def strategy(self, predictions: Predictions) -> Strategy:
        """The judgement these give rise to."""
        return Strategy(predictions, tuple(predictions.observations.running.values()))

    def choose(
        self,
        trials: Sequence[FrozenTrial],
        directions: Sequence[StudyDirection],
        number: int,
        is_wanted: Wanted,
    ) -> RunStep | None:
        """See `Selector`. If the search is over or wants what is not possible, `_likely` goes on."""
        metric = self.problem.target.metric
        wanted = (StudyDirection.MINIMIZE, StudyDirection[metric.goal.upper()])
        if tuple(directions) not in (wanted[:1], wanted):
            also = "" if metric.goal == MINIMIZE else "maximises "
            raise SpecError(
                f"a study with a problem minimises time_s, or time_s and {also}{metric.name}.",
                f'create it with direction="minimize", or directions=["minimize", "{metric.goal}"].',
            )
        predictions, baseline = self.predictions(trials), self.problem.baseline
        if is_wanted(baseline) and baseline not in predictions.observations.num_asked:
            return RunStep(config=baseline, seed=self.problem.seed)
        step = self.strategy(predictions).next_step()
        if isinstance(step, RunStep) and is_wanted(step.config):
            return step
        return self._likely(predictions, is_wanted)

    def _likely(self, predictions: Predictions, is_wanted: Wanted) -> RunStep | None:
        """Returns what most probably meets the target per second; a known configuration if none is new."""
        tried = predictions.observations.num_asked
        rows = [k for k, c in enumerate(predictions.candidates.configs) if is_wanted(c) and c in self.lattice]
        rows = [k for k in rows if predictions.candidates.configs[k] not in tried] or rows
        if not rows:
            return None
        value = predictions.feasible * predictions.fits / predictions.cost_s
        config = predictions.candidates.configs[max(rows, key=lambda k: float(value[k]))]
        return RunStep(config=config, seed=self.strategy(predictions).next_seed(config))

    def next_seed(self, trials: Sequence[FrozenTrial], config: TrialConfig) -> int:
        """Returns the next seed of a configuration; see `Selector`."""
        return self.strategy(self.predictions(trials)).next_seed(config)


class ByImprovement:
    """Chooses by expected improvement of the study's values, on a lattice's points; none twice, one seed."""

    def __init__(self, lattice: Lattice, seed: int) -> None:
        self.lattice, self._seed, self._axes = lattice, seed, axes_of(lattice)

    def choose(
        self,
        trials: Sequence[FrozenTrial],
        directions: Sequence[StudyDirection],
        number: int,
        is_wanted: Wanted,
    ) -> RunStep | None:
        """Chooses by expected improvement; see `Selector`."""
        all_of_them = ((trial, config_of(self.lattice, trial)) for trial in trials)
        known = [(trial, config) for trial, config in all_of_them if config is not None]
        tried = {config for _, config in known}
        possible = [c for c in drawn_configs(self.lattice, self._seed, list(tried)) if is_wanted(c)]
        possible = [config for config in possible if config not in tried] or possible
        if not possible:
            return None
        done = [(trial, config) for trial, config in known if trial.state == OptunaState.COMPLETE]
        acquisition = scores(
            coordinates(possible, self._axes),
            np.array([axis.is_ordered for axis in self._axes], dtype=np.bool_),
            coordinates([config for _, config in done], self._axes),
            losses([trial for trial, _ in done], directions),
            coordinates([config for trial, config in known if trial.state in LIVE], self._axes),
            np.random.default_rng([self._seed, number]),
        )
        return RunStep(config=possible[int(np.argmax(acquisition))], seed=self._seed)

    def next_seed(self, trials: Sequence[FrozenTrial], config: TrialConfig) -> int:
        """Returns the next seed of a configuration; see `Selector`."""
        return self._seed


def improving(
    trials: Sequence[FrozenTrial],
    directions: Sequence[StudyDirection],
    rng: np.random.Generator,
    space: Space,
) -> dict[str, Any]:
    """Parameters with the highest expected improvement in any space; new ones while there are any."""
    inside = [trial for trial in trials if holds(space, params_of(trial))]
    done = [trial for trial in inside if trial.state == OptunaState.COMPLETE]
    values = losses(done, directions)
    seen = points_of(space, map(params_of, done))
    pending = points_of(space, [params_of(trial) for trial in inside if trial.state in LIVE])
    best = sorted(range(len(done)), key=lambda k: values[k])[:NUM_CENTRES]
    points = draw(space, seen[best], rng)
    acquisition = scores(points, is_ordered(space), seen, values, pending, rng)
    tried = set(map(tuple, np.vstack([seen, pending]).tolist()))
    is_new = np.array([tuple(point) not in tried for point in points.tolist()])
    return params_at(space, points[int(np.argmax(np.where(is_new, acquisition, -1.0)))])
