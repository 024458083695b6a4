"""Studies to compare searches on: quality laws x cards x regimes, drawn anew for every seed.

Three sets, kept apart: DEVELOPMENT may be looked at and tuned on; HELD_OUT and ALIEN are for reporting alone.
They share no quality law and no drawn coefficient.

The target is put over a point of the front of time and NRMSE, so that the optimum is decidable: its margin
is drawn between 0.6 and 2 % times the factor on the noise, as far as the front allows.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """The recipe from which an instance is drawn.

    Attributes:
        law: Law of the final NRMSE, one of `LAWS`.
        card: The shipped study whose lattice and hardware it takes.
        curve: One of `CURVES`.
        regime: usual; tight (few points are feasible, and the fastest of them is no easy one); rare (a
            handful is feasible); impossible (none is).
        noise: Factor on the noise of NRMSE.
        is_relative: Whether the target is relative to the baseline.
        lost_share: Share of trials that are lost; see `Noise`.
        loader: The loader's floor as a share of the baseline's batch; 0 for none.
        tile_rows: Rows of a tile; see `HardwareLaw`.
    """

    law: str
    card: str
    curve: str = "regular"
    regime: str = "usual"
    noise: float = 1.0
    is_relative: bool = False
    lost_share: float = 0.0
    loader: float = 0.0
    tile_rows: int = 1


DEVELOPMENT: dict[str, Recipe] = {
    "dev-logarithmic-a100": Recipe(law="logarithmic", card="a100"),
    "dev-logarithmic-cpu": Recipe(law="logarithmic", card="cpu", is_relative=True),
    "dev-logarithmic-h100-noisy": Recipe(law="logarithmic", card="h100", noise=2.0),
    "dev-polynomial-h100": Recipe(law="polynomial", card="h100", curve="crossing"),
    "dev-polynomial-a100-rare": Recipe(law="polynomial", card="a100", regime="rare"),
    "dev-plateau-rtx4090": Recipe(law="plateau", card="rtx4090", lost_share=0.03),
    "dev-plateau-a100-misleading": Recipe(law="plateau", card="a100", curve="misleading", tile_rows=8),
    "dev-middle-a100": Recipe(law="best_in_the_middle", card="a100", loader=0.4),
    "dev-middle-h100-tight": Recipe(law="best_in_the_middle", card="h100", regime="tight"),
    "dev-learning-rate-a100": Recipe(law="learning_rate", card="a100"),
    "dev-quotient-a100": Recipe(law="quotient", card="a100"),
    "dev-quotient-cpu-misleading": Recipe(law="quotient", card="cpu", curve="misleading", is_relative=True),
    "dev-staircase-h100": Recipe(law="staircase", card="h100", curve="crossing"),
    "dev-staircase-rtx4090-noisy": Recipe(law="staircase", card="rtx4090", noise=2.0),
    "dev-category-a100": Recipe(law="category", card="a100"),
    "dev-impossible-rtx4090": Recipe(law="logarithmic", card="rtx4090", regime="impossible"),
}

HELD_OUT: dict[str, Recipe] = {
    "held-power-h100": Recipe(law="power", card="h100"),
    "held-power-cpu-misleading": Recipe(law="power", card="cpu", curve="misleading", is_relative=True),
    "held-power-rtx4090-tight": Recipe(law="power", card="rtx4090", regime="tight"),
    "held-interaction-a100": Recipe(law="interaction", card="a100", lost_share=0.03),
    "held-interaction-h100-crossing": Recipe(law="interaction", card="h100", curve="crossing"),
    "held-sigmoid-a100-noisy": Recipe(law="sigmoid", card="a100", noise=2.0),
    "held-sigmoid-rtx4090": Recipe(law="sigmoid", card="rtx4090", tile_rows=4),
    "held-larger-is-better-a100": Recipe(law="larger_is_better", card="a100", loader=0.5),
    "held-larger-is-better-h100-rare": Recipe(law="larger_is_better", card="h100", regime="rare"),
    "held-precision-a100": Recipe(law="precision", card="a100"),
    "held-impossible-h100": Recipe(law="interaction", card="h100", regime="impossible"),
}

ALIEN: dict[str, Recipe] = {
    "alien-lookup-a100": Recipe(law="lookup", card="a100"),
    "alien-lookup-h100-crossing": Recipe(law="lookup", card="h100", curve="crossing"),
    "alien-waves-rtx4090": Recipe(law="waves", card="rtx4090"),
    "alien-parity-a100": Recipe(law="parity", card="a100"),
    "alien-residues-h100": Recipe(law="residues", card="h100", loader=0.4),
    "alien-ridge-a100": Recipe(law="ridge", card="a100"),
}

SETS: dict[str, dict[str, Recipe]] = {"dev": DEVELOPMENT, "held_out": HELD_OUT, "alien": ALIEN}


def make_instance(name: str, seed: int, *, budget_units: float = 50.0, num_workers: int = 1) -> Instance:
    """Draws an instance; the same name and seed always give the same one.

    Args:
        name: Name of one of `SETS`.
        seed: Seed of coefficients and of all noise.
        budget_units: GPU-seconds, in trainings of the optimum.
        num_workers: Trials at once: they share the budget (`Instance.shared_by`).

    Raises:
        TunerError: There is no instance of that name.
    """
    recipe = recipe_of(name)
    rng = generator("instance", name, seed)
    study = study_of(recipe, seed)
    columns, row = study.lattice.columns, study.lattice.index(study.baseline)
    assert row is not None  # the loader has checked it
    nrmse = draw_nrmse(recipe, columns, row, study.stage.num_epochs, rng)
    law, truth = truth_of(recipe, study, nrmse)
    truth = replace(truth, threshold=threshold_over_front(truth, recipe, row, rng))
    instance = drawn_instance(name, recipe, study, (law, truth), rng, budget_units)
    return instance.shared_by(num_workers)


def recipe_of(name: str) -> Recipe:
    """The recipe of an instance.

    Raises:
        TunerError: There is no instance of that name.
    """
    recipe = next((recipes[name] for recipes in SETS.values() if name in recipes), None)
    if recipe is None:
        known = ", ".join(name for recipes in SETS.values() for name in recipes)
        raise TunerError(f"there is no simulated instance {name!r}.", f"use one of {known}.")
    return recipe


def drawn_instance(
    name: str, recipe: Recipe, study: StudySpec, so: tuple[HardwareLaw, Truth], rng: Rng, budget_units: float
) -> Instance:
    """An instance of which all but noise and costs is known; its budget is in trainings of the optimum."""
    law, truth = so
    full_s = 333 * _batch_s(law) * study.stage.num_epochs  # the guide's baseline: 35 min on an A100
    noise = Noise(
        shared_pct=0.45 * recipe.noise,
        private_pct=0.75 * recipe.noise,
        time_pct=rng.uniform(0.5, 2.0),
        lost_share=recipe.lost_share,
    )
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
    target = _target(instance, recipe)
    alone = replace(study, target=target, budget=budget, certificate=Terms(pairs=0))  # the search's cost
    return replace(instance, study=alone, _luck={})


@cache
def _shipped(card: str) -> StudySpec:
    return load_study(f"{card}.yaml")


@cache
def _lattice(card: str, law: str) -> Lattice:
    study = _shipped(card)
    if law not in _EXTRA:
        return study.lattice
    return Lattice((*study.parameters, _EXTRA[law]), study.rules, required=study.lattice.required)


def study_of(recipe: Recipe, seed: int) -> StudySpec:
    """The shipped study of a recipe's card, with the further parameter of its law."""
    shipped, lattice = _shipped(recipe.card), _lattice(recipe.card, recipe.law)
    extra = {name: value for name, value in _EXTRA_BASELINE.items() if name in lattice.columns}

    def extended(config: TrialConfig) -> TrialConfig:
        return TrialConfig.from_dict(config.as_dict() | extra)

    guide = None if shipped.guide is None else extended(shipped.guide)
    return replace(shipped, lattice=lattice, baseline=extended(shipped.baseline), guide=guide, seed=seed)


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


def truth_of(recipe: Recipe, study: StudySpec, nrmse: Floats) -> tuple[HardwareLaw, Truth]:
    """Returns the truth of a study of known NRMSE: time and memory by its card; without a threshold yet."""
    law = hardware_law(study.hardware)
    law = replace(law, tile_rows=recipe.tile_rows, loader_s=recipe.loader * _batch_s(law))
    columns, num_epochs = study.lattice.columns, study.stage.num_epochs
    truth = Truth(
        time_s=law.epoch_time_s(columns, study.stage.num_samples, study.stage.rows_per_sample)
        * num_epochs
        * _stretch(columns),
        peak_memory_gib=law.peak_memory_gib(columns),
        nrmse=nrmse,
        threshold=0.0,
        memory_gib=law.memory_gib,
    )
    return law, truth


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


def _target(instance: Instance, recipe: Recipe) -> Target:
    threshold = instance.truth.threshold
    if not recipe.is_relative:
        return Target.parse(f"nrmse < {threshold!r}")
    factor = float(threshold / instance.truth.nrmse[instance.baseline, -1])
    return Target.parse(f"nrmse <= {factor!r} * baseline")
