"""Which configuration a trial of an Optuna study shall run: by the product's search, or by improvement alone.

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
from tuner.errors import SpecError
from tuner.search.beliefs import Beliefs
from tuner.search.candidates import candidates
from tuner.search.grid import Grid
from tuner.search.ledger import Ledger
from tuner.search.models.coordinates import axes_of, coordinates
from tuner.search.models.improvement import scores
from tuner.search.problem import Problem
from tuner.search.spaces import Space, draw, holds, is_ordered, params_at, points_of
from tuner.search.strategy import RunStep, Strategy
from tuner.search.trials import LIVE, config_of, losses, params_of, records_of

NUM_CENTRES = 3
"""Of the best trials of a space without a lattice, near which candidates are drawn."""

Wanted = Callable[[TrialConfig], bool]


class Chooser(Protocol):
    """Chooses on a lattice."""

    lattice: Lattice

    def choose(
        self,
        trials: Sequence[FrozenTrial],
        directions: Sequence[StudyDirection],
        number: int,
        is_wanted: Wanted,
    ) -> RunStep | None:
        """What the trial `number` shall run.

        Args:
            trials: The others.
            directions: Of the study.
            number: Of the trial.
            is_wanted: Says which configurations are possible at all.

        Returns:
            None when none is possible.
        """
        ...

    def next_seed(self, trials: Sequence[FrozenTrial], config: TrialConfig) -> int:
        """The lowest seed that none of the trials has run a configuration with."""
        ...


class BySearch:
    """As a study of the product does: by `Strategy`, the baseline first.

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

    def beliefs(self, trials: Sequence[FrozenTrial]) -> Beliefs:
        """What the trials let one believe."""
        records = records_of(self.problem, trials)
        tried = dict.fromkeys([self.problem.baseline, *(record.config for record in records)])
        return Beliefs(self.problem, Grid(self.problem, tuple(tried)), Ledger(records))

    def strategy(self, beliefs: Beliefs) -> Strategy:
        """The judgement these give rise to."""
        return Strategy(beliefs, tuple(beliefs.ledger.running.values()))

    def choose(
        self,
        trials: Sequence[FrozenTrial],
        directions: Sequence[StudyDirection],
        number: int,
        is_wanted: Wanted,
    ) -> RunStep | None:
        """See `Chooser`. Where the search is over or wants what is not possible, `_likely` goes on."""
        if len(directions) > 2 or any(d == StudyDirection.MAXIMIZE for d in directions):
            raise SpecError(
                "a study with a problem minimises time_s, or time_s and nrmse.",
                'create it with direction="minimize", or directions=["minimize", "minimize"].',
            )
        beliefs, baseline = self.beliefs(trials), self.problem.baseline
        if is_wanted(baseline) and baseline not in beliefs.ledger.num_asked:
            return RunStep(config=baseline, seed=self.problem.seed)
        step = self.strategy(beliefs).next_step()
        if isinstance(step, RunStep) and is_wanted(step.config):
            return step
        return self._likely(beliefs, is_wanted)

    def _likely(self, beliefs: Beliefs, is_wanted: Wanted) -> RunStep | None:
        """What meets the target most probably per second; a known configuration only when none is new."""
        tried = beliefs.ledger.num_asked
        rows = [k for k, c in enumerate(beliefs.grid.configs) if is_wanted(c) and c in self.lattice]
        rows = [k for k in rows if beliefs.grid.configs[k] not in tried] or rows
        if not rows:
            return None
        worth = beliefs.feasible * beliefs.fits / beliefs.cost_s
        config = beliefs.grid.configs[max(rows, key=lambda k: float(worth[k]))]
        return RunStep(config=config, seed=self.strategy(beliefs).next_seed(config))

    def next_seed(self, trials: Sequence[FrozenTrial], config: TrialConfig) -> int:
        """See `Chooser`."""
        return self.strategy(self.beliefs(trials)).next_seed(config)


class ByImprovement:
    """By expected improvement of the study's values, on the points of a lattice; none twice, one seed."""

    def __init__(self, lattice: Lattice, seed: int) -> None:
        self.lattice, self._seed, self._axes = lattice, seed, axes_of(lattice)

    def choose(
        self,
        trials: Sequence[FrozenTrial],
        directions: Sequence[StudyDirection],
        number: int,
        is_wanted: Wanted,
    ) -> RunStep | None:
        """See `Chooser`."""
        all_of_them = ((trial, config_of(self.lattice, trial)) for trial in trials)
        known = [(trial, config) for trial, config in all_of_them if config is not None]
        tried = {config for _, config in known}
        possible = [c for c in candidates(self.lattice, self._seed, list(tried)) if is_wanted(c)]
        possible = [config for config in possible if config not in tried] or possible
        if not possible:
            return None
        done = [(trial, config) for trial, config in known if trial.state == OptunaState.COMPLETE]
        worth = scores(
            coordinates(possible, self._axes),
            np.array([axis.is_ordered for axis in self._axes], dtype=np.bool_),
            coordinates([config for _, config in done], self._axes),
            losses([trial for trial, _ in done], directions),
            coordinates([config for trial, config in known if trial.state in LIVE], self._axes),
            np.random.default_rng([self._seed, number]),
        )
        return RunStep(config=possible[int(np.argmax(worth))], seed=self._seed)

    def next_seed(self, trials: Sequence[FrozenTrial], config: TrialConfig) -> int:
        """See `Chooser`."""
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
    worth = scores(points, is_ordered(space), seen, values, pending, rng)
    tried = set(map(tuple, np.vstack([seen, pending]).tolist()))
    is_new = np.array([tuple(point) not in tried for point in points.tolist()])
    return params_at(space, points[int(np.argmax(np.where(is_new, worth, -1.0)))])
