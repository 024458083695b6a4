"""Makes two cards with one quality law, on which a warm start from one to the other is judged.

The NRMSE of every point is drawn once, over the points of both studies; time and memory are each card's own.
The target is put over the second card's front, and is the first one's too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from foundation.arrays import Floats
from tuner.core.lattice import Lattice
from tuner.core.parameters import Discrete
from tuner.core.study import StudySpec
from tuner.simulate.instance import Instance
from tuner.simulate.instances import (
    draw_nrmse,
    drawn_instance,
    law_of,
    noise_of,
    recipe_of,
    study_of,
    threshold_over_front,
    truth_of,
)
from tuner.simulate.noise import generator


def transfer_pair(
    name: str, card: str, seed: int, *, budget_units: float = 50.0, offset_pct: float = 0.0
) -> tuple[Instance, Instance]:
    """An instance, and its quality law on another card.

    Args:
        name: Name of the instance whose recipe the law, the curves and the first card are taken from.
        card: The shipped study that is the second card.
        seed: Seed of all that is drawn.
        budget_units: Budget of each study, in trainings of its own optimum.
        offset_pct: Percentage by which every NRMSE is higher on the second card.

    Raises:
        TunerError: There is no such instance, or no point of the second card beats the baseline.
    """
    rng = generator("transfer", name, card, seed)
    first = recipe_of(name)
    recipes = (first, replace(first, card=card))
    studies = [study_of(recipe, seed) for recipe in recipes]
    union = _union([study.lattice for study in studies])
    baseline = union.index(studies[1].baseline)
    assert baseline is not None  # a point of both studies
    nrmse = draw_nrmse(first, union.columns, baseline, studies[1].stage.num_epochs, rng)
    laws = [law_of(study, loader=first.loader, tile_rows=first.tile_rows) for study in studies]
    truths = [
        truth_of(law, study, factor * _restricted(nrmse, union, study))
        for law, study, factor in zip(laws, studies, (1.0, 1 + offset_pct / 100), strict=True)
    ]
    row = studies[1].lattice.index(studies[1].baseline)
    assert row is not None  # the loader has checked it
    threshold = threshold_over_front(truths[1], recipes[1], row, rng)
    there, here = (
        drawn_instance(
            f"{name}-on-{recipe.card}",
            study,
            (law, replace(truth, threshold=threshold)),
            noise_of(recipe, rng),
            rng,
            is_relative=recipe.is_relative,
            budget_units=budget_units,
        )
        for recipe, study, law, truth in zip(recipes, studies, laws, truths, strict=True)
    )
    return there, here


def _union(lattices: Sequence[Lattice]) -> Lattice:
    """A lattice that holds every point of some that differ in the values of their parameters only."""
    parameters = []
    for alike in zip(*(lattice.discrete for lattice in lattices), strict=True):
        values = dict.fromkeys(value for parameter in alike for value in parameter.values)
        ordered = sorted(values) if alike[0].is_ordered else values
        parameters.append(Discrete(name=alike[0].name, values=tuple(ordered), is_ordered=alike[0].is_ordered))
    return Lattice(parameters)


def _restricted(nrmse: Floats, union: Lattice, study: StudySpec) -> Floats:
    """The rows of the union's table that are points of a study."""
    rows = np.array([union.index(config) for config in study.lattice], dtype=np.intp)
    return np.asarray(nrmse[rows])
