"""Studies to compare searches on: quality laws x cards x regimes, drawn anew for every seed.

It draws the instances of the first three sets (`recipes`), and has the parts that the harder ones are drawn
with too.

The target is put over a point of the front of time and NRMSE, so that the optimum is decidable: its margin
is drawn between 0.6 and 2 % times the factor on the noise, as far as the front allows.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np

from foundation.arrays import Floats
from tuner.core.certificate_terms import Terms
from tuner.core.config import TrialConfig
from tuner.core.lattice import Lattice
from tuner.core.objectives import Target
from tuner.core.parameters import Discrete, ParameterValue
from tuner.core.study import StudySpec
from tuner.core.study_sections import BudgetSpec
from tuner.errors import TunerError
from tuner.simulate.alien import ALIEN_LAWS
from tuner.simulate.curves import CURVES, settling
from tuner.simulate.hardware import Columns, HardwareLaw, hardware_law
from tuner.simulate.instance import Instance, Noise, quality_groups
from tuner.simulate.loop import Costs
from tuner.simulate.noise import generator
from tuner.simulate.quality import DEVELOPMENT_LAWS, HELD_OUT_LAWS, Rng
from tuner.simulate.recipes import FIRST_SETS, Recipe
from tuner.simulate.truth import Truth
from tuner.spec import load_study

BASELINE_NRMSE = 0.0921
MARGIN = (0.006, 0.020)
"""Share by which the optimum's mean NRMSE lies under the target, lowest and highest, where there is room.

0.6 % is what about 6 seeds tell from 0 (one standard error beyond 1.6 of a seed's 0.87 %).
"""

MIN_SPEEDUP = 1.15
"""The optimum is at least so much faster than the baseline, else there would be nothing to recommend."""

LAWS = DEVELOPMENT_LAWS | HELD_OUT_LAWS | ALIEN_LAWS
_EXTRA = {
    "learning_rate": Discrete(name="lr_scale", values=(0.5, 0.71, 1.0, 1.41, 2.0)),
    "category": Discrete(name="optimizer", values=("adam", "lion", "sgd"), is_ordered=False),
    "precision": Discrete(name="precision", values=("fp32", "bf16", "fp16"), is_ordered=False),
}
_EXTRA_BASELINE: dict[str, ParameterValue] = {"lr_scale": 1.0, "precision": "fp32", "optimizer": "adam"}
_PRECISION_TIME = {"fp32": 1.0, "bf16": 0.85, "fp16": 0.83}


def draw(name: str, seed: int, budget_units: float) -> Instance:
    """Draws an instance of the first sets; the same name and seed always give the same one.

    Raises:
        TunerError: There is no instance of that name.
    """
    recipe = recipe_of(name)
    rng = generator("instance", name, seed)
    study = study_of(recipe, seed)
    columns, row = study.lattice.columns, study.lattice.index(study.baseline)
    assert row is not None  # the loader has checked it
    nrmse = draw_nrmse(recipe, columns, row, study.stage.num_epochs, rng)
    law = law_of(study, loader=recipe.loader, tile_rows=recipe.tile_rows)
    truth = truth_of(law, study, nrmse)
    truth = replace(truth, threshold=threshold_over_front(truth, recipe, row, rng))
    noise = noise_of(recipe, rng)
    return drawn_instance(
        name, study, (law, truth), noise, rng, is_relative=recipe.is_relative, budget_units=budget_units
    )


def recipe_of(name: str) -> Recipe:
    """The recipe of an instance of the first sets.

    Raises:
        TunerError: There is no instance of that name.
    """
    recipe = next((recipes[name] for recipes in FIRST_SETS.values() if name in recipes), None)
    if recipe is None:
        known = ", ".join(name for recipes in FIRST_SETS.values() for name in recipes)
        raise TunerError(f"there is no simulated instance {name!r}.", f"use one of {known}.")
    return recipe


def noise_of(recipe: Recipe, rng: Rng) -> Noise:
    """The noise of a recipe's reports, with a drawn one on time."""
    return Noise(
        shared_pct=0.45 * recipe.noise,
        private_pct=0.75 * recipe.noise,
        time_pct=rng.uniform(0.5, 2.0),
        lost_share=recipe.lost_share,
    )


def drawn_instance(
    name: str,
    study: StudySpec,
    so: tuple[HardwareLaw, Truth],
    noise: Noise,
    rng: Rng,
    *,
    is_relative: bool,
    budget_units: float,
) -> Instance:
    """An instance of which all but the costs is known; its budget is in trainings of the optimum."""
    law, truth = so
    full_s = 333 * _batch_s(law) * study.stage.num_epochs  # the guide's baseline: 35 min on an A100
    instance = Instance(
        name=name,
        study=study,
        truth=truth,
        noise=noise,
        costs=Costs(
            startup_s=full_s * rng.uniform(0.008, 0.02),
            evaluate_s=full_s * 0.0015,
            lost_s=full_s * 0.02,
            oom_s=full_s * 0.003,
        ),
        probe_s=full_s * rng.uniform(0.001, 0.003),
        seed=study.seed,
        device=f"simulated {study.hardware.description}",
    )
    hours = budget_units * instance.unit_s / 3600
    budget = BudgetSpec(trials=100_000, hours=hours)
    target = _target(instance, is_relative)
    alone = replace(study, target=target, budget=budget, certificate=Terms(pairs=0))  # the search's cost
    return replace(instance, study=alone, _luck={})


@cache
def shipped(card: str) -> StudySpec:
    """The study that is shipped for a card."""
    return load_study(f"{card}.yaml")


@cache
def _lattice(card: str, law: str) -> Lattice:
    study = shipped(card)
    if law not in _EXTRA:
        return study.lattice
    return Lattice((*study.parameters, _EXTRA[law]), study.rules, required=study.lattice.required)


def study_of(recipe: Recipe, seed: int) -> StudySpec:
    """The shipped study of a recipe's card, with the further parameter of its law."""
    study, lattice = shipped(recipe.card), _lattice(recipe.card, recipe.law)
    extra = {name: value for name, value in _EXTRA_BASELINE.items() if name in lattice.columns}

    def extended(config: TrialConfig) -> TrialConfig:
        return TrialConfig.from_dict(config.as_dict() | extra)

    guide = None if study.guide is None else extended(study.guide)
    return replace(study, lattice=lattice, baseline=extended(study.baseline), guide=guide, seed=seed)


def _batch_s(law: HardwareLaw) -> float:
    """Returns the seconds of a batch of the guide's baseline: 2 micro-batches of 15 rows."""
    return law.batch_s + law.step_s + 2 * (law.launch_s + 15 * law.row_s)


def draw_nrmse(recipe: Recipe, columns: Columns, baseline: int, num_epochs: int, rng: Rng) -> Floats:
    """Mean NRMSE after every epoch by the recipe's law and curve, both drawn, shape (points, epochs)."""
    excess = LAWS[recipe.law](columns, rng)
    excess = excess - excess[baseline]
    groups = quality_groups(columns)
    private = rng.normal(size=(groups.max() + 1, num_epochs))[groups] * settling(num_epochs)
    factors = CURVES[recipe.curve](columns, excess, num_epochs, rng) * np.exp(private)
    drawn: Floats = BASELINE_NRMSE * np.maximum(1 + excess, 0.5)[:, None] * factors
    return drawn


def law_of(study: StudySpec, *, loader: float = 0.0, tile_rows: int = 1) -> HardwareLaw:
    """The law of a study's card, with a recipe's floor of the loader and rows of a tile."""
    law = hardware_law(study.hardware)
    return replace(law, tile_rows=tile_rows, loader_s=loader * _batch_s(law))


def truth_of(law: HardwareLaw, study: StudySpec, nrmse: Floats) -> Truth:
    """Returns the truth of a study of known NRMSE: time and memory by its law; without a threshold yet."""
    columns, num_epochs = study.lattice.columns, study.stage.num_epochs
    return Truth(
        time_s=law.epoch_time_s(columns, study.stage.num_samples, study.stage.rows_per_sample)
        * num_epochs
        * _stretch(columns),
        peak_memory_gib=law.peak_memory_gib(columns),
        nrmse=nrmse,
        threshold=0.0,
        memory_gib=law.memory_gib,
    )


def _stretch(columns: Columns) -> Floats:
    """Returns the factor of a further parameter on time: low precisions are faster, learning rates alike."""
    if "precision" not in columns:
        return np.ones(len(columns["batch_size"]))
    return np.array([_PRECISION_TIME[str(value)] for value in columns["precision"]])


def threshold_over_front(truth: Truth, recipe: Recipe, baseline: int, rng: Rng) -> float:
    """An NRMSE under which a point of the front of time and NRMSE is the fastest, by a margin of `MARGIN`.

    Raises:
        TunerError: No point of the front is faster than the baseline.
    """
    nrmse = np.where(truth.fits, truth.nrmse[:, -1], np.inf)
    if recipe.regime == "impossible":
        return float(nrmse.min() * (1 - rng.uniform(0.01, 0.025)))
    order = np.lexsort((nrmse, truth.time_s))
    order = order[np.isfinite(nrmse[order])]
    nrmse = nrmse[order]  # (points that fit,), fastest first
    best_before = np.concatenate([[np.inf], np.minimum.accumulate(nrmse)[:-1]])
    room = best_before / nrmse - 1  # up to which margin a point stays the fastest
    least, most = _SHARES[recipe.regime]
    low, high = (margin * recipe.noise for margin in MARGIN)
    shares = np.searchsorted(np.sort(nrmse), nrmse * (1 + low)) / len(nrmse)
    # How far a point is from what is wanted: its share of feasible points, and a margin of `low` (0.1 % too
    # little is as bad as 2 % of the points too many).
    short = np.maximum(np.maximum(least - shares, shares - most), 0) + 20 * np.maximum(low - room, 0)
    is_worth_it = (room > 0) & (truth.time_s[order] * MIN_SPEEDUP < truth.time_s[baseline])
    if not is_worth_it.any():
        raise TunerError("no point of the front of time and NRMSE is faster than the baseline.")
    best = short[is_worth_it].min()
    chosen = rng.choice(np.flatnonzero(is_worth_it & (short <= best + 1e-12)))
    margin = rng.uniform(low, high) if room[chosen] > low else room[chosen]
    return float(nrmse[chosen] * (1 + min(margin, 0.95 * room[chosen])))


_SHARES = {"usual": (0.12, 0.65), "tight": (0.03, 0.12), "rare": (0.0, 0.03)}
"""Share of the points that fit the card which meet the target, lowest and highest, by regime."""


def _target(instance: Instance, is_relative: bool) -> Target:
    threshold = instance.truth.threshold
    if not is_relative:
        return Target.parse(f"nrmse < {threshold!r}")
    factor = float(threshold / instance.truth.nrmse[instance.baseline, -1])
    return Target.parse(f"nrmse <= {factor!r} * baseline")
