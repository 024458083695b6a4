"""The predictions of the models at a run's last event, laid out for figures: from its journal alone.

Looks at the lattice with the continuous parameters held at the configuration in the centre: the recommended
one, or the baseline while there is none. Knows no drawing, and decides nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from foundation.arrays import Floats, Ints
from tuner.core.config import TrialConfig
from tuner.core.importance import MAX_COORDINATES, Importance, importances
from tuner.core.lattice import Lattice
from tuner.core.parameters import Continuous, Discrete, ParameterValue
from tuner.runs.past_run import PastRun
from tuner.runs.restore import knowledge_of
from tuner.search.candidates import Candidates
from tuner.search.draw import MAX_POINTS
from tuner.search.predictions import Predictions

NUM_STEPS = 21
"""Values of a continuous parameter that are looked at."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SlicePoint:
    """One value of a parameter, the rest as in the centre as far as constraints allow.

    Attributes:
        value: Value of the parameter.
        config: The legal configuration nearest to the centre that has it.
        moved: The other parameters in which it differs from the centre.
    """

    value: ParameterValue
    config: TrialConfig
    moved: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)  # no slots: what takes long is worked out once
class Model:
    """The models of a run and where they are looked at.

    Attributes:
        predictions: Predictions over the candidates below, and all that was tried.
        lattice: The lattice of the study.
        centre: The configuration that the slices go through.
        centre_name: Name of that configuration.
        configs: The legal points, continuous parameters as in the centre; without any where they are too
            many.
        slices: Slices by parameter, for parameters that have more than one value.
    """

    predictions: Predictions
    lattice: Lattice
    centre: TrialConfig
    centre_name: str
    configs: tuple[TrialConfig, ...]
    slices: Mapping[str, tuple[SlicePoint, ...]]

    def rows(self, configs: Sequence[TrialConfig]) -> Ints:
        """Returns the indices of configurations among the candidates (configs,)."""
        return np.array([self.predictions.candidates.index[config] for config in configs], dtype=np.intp)

    @cached_property
    def varied(self) -> tuple[Discrete, ...]:
        """The discrete parameters with more than one value in legal points."""
        dead = self.lattice.dead_values()
        return tuple(p for p in self.lattice.discrete if len(p.values) - len(dead.get(p.name, ())) > 1)

    @cached_property
    def importances(self) -> dict[str, dict[str, Importance]]:
        """The importance of each discrete parameter for log time and log NRMSE, if known and varying."""
        known = {
            "time_s": (self.predictions.modelled_time, ()),
            "nrmse": (self.predictions.nrmse, self.quality_invariant_to),
        }
        return {
            figure: found
            for figure, (values, without) in known.items()
            if values is not None and (found := self._importances(values[0], without))
        }

    @property
    def quality_invariant_to(self) -> tuple[str, ...]:
        """The parameters that cannot change NRMSE, says the stage, unless runs contradicted it."""
        theirs = self.predictions.problem.traits.quality_invariant_to
        return tuple(p.name for p in self.lattice.parameters if p.name in theirs)

    def _importances(self, values: Floats, without: Sequence[str]) -> dict[str, Importance]:
        names = [p.name for p in self.varied if p.name not in without]
        if not self.configs or not names or len(names) > MAX_COORDINATES:
            return {}
        at = [k for k, p in enumerate(self.lattice.discrete) if p.name in names]
        found = importances(self.lattice.codes[:, at], np.log(values[self.rows(self.configs)]))
        return dict(zip(names, found, strict=True)) if found else {}


def model_of(past: PastRun) -> Model | str:
    """The models at the run's last event; a sentence on why there are none."""
    try:
        model = _model(past)
        if not isinstance(model, str):
            predictions = model.predictions
            _ = (
                predictions.modelled_time,
                predictions.time_parts,
                predictions.nrmse,
                predictions.fits,
                model.importances,
            )
        return model
    except Exception as error:  # whatever it is: the rest of the report stands on the records alone
        return f"The models could not be built ({type(error).__name__}: {' '.join(str(error).split())})."


def _model(past: PastRun) -> Model | str:
    if not any(record.epoch for record in past.records):
        return "No trial has finished an epoch yet, so there is nothing for a model to learn from."
    knowledge = knowledge_of(past.study, past.facts)
    lattice, rows = past.study.lattice, past.result.conclusion.rows
    name = "recommended" if "recommended" in rows else "baseline"
    centre = rows[name].trial.config if name in rows else past.study.baseline
    values = {p.name: _held(p, centre.as_dict()) for p in lattice.continuous}
    configs: tuple[TrialConfig, ...] = ()
    if len(lattice) <= MAX_POINTS:
        configs = tuple(lattice.config(row, values) for row in range(len(lattice)))
    slices = {p.name: _slice(lattice, p, centre, values) for p in lattice.parameters}
    looked_at = [point.config for points in slices.values() for point in points]
    tried = tuple(knowledge.observations.seeds | knowledge.observations.probes)
    problem = knowledge.problem
    candidates = Candidates(problem, (problem.baseline, centre, *tried), (*configs, *looked_at))
    return Model(
        predictions=knowledge.predictions_over(candidates),
        lattice=lattice,
        centre=centre,
        centre_name=f"the {name} configuration" if name == "recommended" else "the baseline",
        configs=configs,
        slices={name: points for name, points in slices.items() if len(points) > 1},
    )


def _held(parameter: Continuous, centre: Mapping[str, ParameterValue]) -> float:
    return float(centre.get(parameter.name, parameter.low))


def _slice(
    lattice: Lattice, parameter: Discrete | Continuous, centre: TrialConfig, held: Mapping[str, float]
) -> tuple[SlicePoint, ...]:
    if isinstance(parameter, Continuous):
        return _continuous_slice(lattice, parameter, centre, held)
    names, codes = [p.name for p in lattice.discrete], lattice.codes
    values: dict[str, Any] = centre.as_dict()
    mine = np.array(
        [p.values.index(values[p.name]) if values.get(p.name) in p.values else -1 for p in lattice.discrete]
    )
    axis = names.index(parameter.name)
    apart = np.delete(codes - mine, axis, axis=1)
    span = np.array([len(p.values) for p in lattice.discrete if p.name != parameter.name])
    distance = (apart != 0).sum(axis=1) + 0.5 * (np.abs(apart) / span).mean(axis=1)
    found = []
    for code, value in enumerate(parameter.values):
        rows = np.flatnonzero(codes[:, axis] == code)
        if rows.size:
            config = lattice.config(int(rows[distance[rows].argmin()]), held)
            if value == values.get(parameter.name) and lattice.index(centre) is not None:
                config = centre
            theirs = config.as_dict()
            moved = tuple(n for n in names if n != parameter.name and theirs.get(n) != values.get(n))
            found.append(SlicePoint(value=value, config=config, moved=moved))
    return tuple(found)


def _continuous_slice(
    lattice: Lattice, parameter: Continuous, centre: TrialConfig, held: Mapping[str, float]
) -> tuple[SlicePoint, ...]:
    row = lattice.index(centre)
    if row is None:
        return ()
    space = np.geomspace if parameter.log else np.linspace
    values = sorted({*space(parameter.low, parameter.high, NUM_STEPS).tolist(), held[parameter.name]})
    return tuple(
        SlicePoint(value=v, config=lattice.config(row, {**held, parameter.name: v}), moved=()) for v in values
    )
