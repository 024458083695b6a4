"""Draws a harder instance from its recipe: study, truth, target, baseline, noise."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache

import numpy as np
import numpy.typing as npt

from foundation.arrays import Floats
from tuner.core.config import TrialConfig
from tuner.core.lattice import Lattice
from tuner.core.parameters import Discrete, Parameter
from tuner.core.study import StudySpec
from tuner.errors import TunerError
from tuner.simulate.curves import Curve, settling
from tuner.simulate.harder.alien_laws import ALIEN_LAWS
from tuner.simulate.harder.curves import DEVELOP_CURVES, REPORT_CURVES
from tuner.simulate.harder.develop_laws import DEVELOP_LAWS
from tuner.simulate.harder.held_out_laws import HELD_OUT_LAWS
from tuner.simulate.harder.recipes import HARDER_SETS, HarderRecipe
from tuner.simulate.harder.select_laws import SELECT_LAWS
from tuner.simulate.harder.shapes import scales, unit_box
from tuner.simulate.harder.target import LEAST_MARGIN, baseline_of, drawn_margin, thin_threshold
from tuner.simulate.harder.times import TIMES
from tuner.simulate.hardware import Columns, HardwareLaw
from tuner.simulate.instance import Instance, Noise, quality_groups
from tuner.simulate.instances import BASELINE_NRMSE, drawn_instance, law_of, shipped, truth_of
from tuner.simulate.noise import generator
from tuner.simulate.quality import QualityLaw, Rng
from tuner.simulate.truth import Truth

Groups = npt.NDArray[np.intp]

LAWS: dict[str, dict[str, QualityLaw]] = {
    "develop": DEVELOP_LAWS,
    "select": SELECT_LAWS,
    "held_out": HELD_OUT_LAWS,
    "alien": ALIEN_LAWS,
}
SHAPES: dict[str, dict[str, Curve]] = {
    "develop": DEVELOP_CURVES,
    "select": DEVELOP_CURVES,
    "held_out": REPORT_CURVES,
    "alien": REPORT_CURVES,
}
OUTLIER_PCT = 4.0
"""Mean size of an outlier: four times what seeds differ by else."""

RATES = 3.0
"""Doublings from the lowest learning rate to the highest."""


NUM_DRAWS, NUM_POINTS = 20, 30_000
"""Draws of the laws, until one has the margin and the share of feasible points that are wanted, and points of
all draws together: a large lattice is so dense that further draws hardly help."""

MOST_SHORT = 0.01
"""What is wanted of a draw may be missed by so much; see `thin_threshold`."""


def draw(set_name: str, name: str, seed: int, budget_units: float) -> Instance:
    """Draws an instance; the same name and seed always give the same one.

    Raises:
        TunerError: No draw has a baseline of the recipe's kind.
    """
    recipe = HARDER_SETS[set_name][name]
    margin = drawn_margin(generator("harder", name, seed))
    study = replace(_study(recipe.card, recipe.num_rates, recipe.num_precisions), seed=seed)
    groups = _groups(study, is_declared=recipe.is_declared)
    best, least = None, np.inf
    for attempt in range(NUM_DRAWS):
        rng = generator("harder", name, seed, attempt)
        found = _drawn(set_name, recipe, study, groups, margin, rng)
        if found and found.short < least:
            best, least = (found, rng), found.short
        if least <= MOST_SHORT or (best and (attempt + 1) * len(study.lattice) >= NUM_POINTS):
            break
    if best is None:
        raise TunerError(f"no draw of {name} has a baseline that {recipe.baseline}.", "use another seed.")
    drawn, rng = best
    study = replace(study, baseline=study.lattice.config(drawn.baseline))
    spread = _spread(recipe.spread, study.lattice.columns, rng)
    instance = drawn_instance(
        name,
        study,
        (drawn.law, drawn.truth),
        _noise(recipe, rng),
        rng,
        is_relative=recipe.is_relative,
        budget_units=budget_units,
    )
    invariant = ("micro_batch",) if recipe.is_declared else ()
    return replace(instance, spread=spread, quality_invariant_to=invariant, _luck={})


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Drawn:
    """What was drawn of an instance, and by how much it misses what was wanted."""

    law: HardwareLaw
    truth: Truth
    baseline: int
    short: float


def _drawn(
    set_name: str, recipe: HarderRecipe, study: StudySpec, groups: Groups, margin: float, rng: Rng
) -> _Drawn | None:
    """A truth with its threshold and baseline; None if no point is such a baseline."""
    columns, usual = study.lattice.columns, study.lattice.index(study.baseline)
    assert usual is not None  # the loader has checked it
    excess = LAWS[set_name][recipe.law](columns, rng)
    excess = recipe.scale * (excess - excess[usual])
    factors = SHAPES[set_name][recipe.curve](columns, excess, study.stage.num_epochs, rng)
    nrmse = _nrmse(excess, factors, groups, rng)
    law = law_of(study, loader=recipe.loader)
    truth = _with_time(truth_of(law, study, nrmse), recipe, columns, rng)
    threshold, short = thin_threshold(truth, recipe.regime, margin, rng)
    truth = replace(truth, threshold=threshold)
    row = baseline_of(truth, recipe.baseline, usual, rng)
    return None if row is None else _Drawn(law=law, truth=truth, baseline=row, short=short)


@cache
def _study(card: str, num_rates: int, num_precisions: int) -> StudySpec:
    """The shipped study of a card, with learning rate and precision as asked for."""
    study = shipped(card)
    doublings = RATES * (np.arange(num_rates) - num_rates // 2) / max(num_rates - 1, 1)
    further: dict[str, Parameter] = {}
    if num_rates > 1:
        rates = tuple(round(float(rate), 4) for rate in 2**doublings)
        further["lr_scale"] = Discrete(name="lr_scale", values=rates)
    if num_precisions > 1:
        names = ("fp32", "bf16")[:num_precisions]
        further["precision"] = Discrete(name="precision", values=names, is_ordered=False)
    if not further:
        return study
    usual = {name: value for name, value in (("lr_scale", 1.0), ("precision", "fp32")) if name in further}
    lattice = Lattice((*study.parameters, *further.values()), study.rules, required=study.lattice.required)

    def extended(config: TrialConfig) -> TrialConfig:
        return TrialConfig.from_dict(config.as_dict() | usual)

    guide = None if study.guide is None else extended(study.guide)
    return replace(study, lattice=lattice, baseline=extended(study.baseline), guide=guide)


def _groups(study: StudySpec, *, is_declared: bool) -> Groups:
    """The number of the group of points that cannot differ in NRMSE, for every point, shape (points,)."""
    return quality_groups(study.lattice.columns) if is_declared else np.arange(len(study.lattice))


def _nrmse(excess: Floats, factors: Floats, groups: Groups, rng: Rng) -> Floats:
    """Mean NRMSE after every epoch, shape (points, epochs)."""
    num_epochs = factors.shape[1]
    private = rng.normal(size=(groups.max() + 1, num_epochs))[groups] * settling(num_epochs)
    final = BASELINE_NRMSE * np.maximum(1 + excess, 0.5)
    drawn: Floats = final[:, None] * factors * np.exp(private)
    return drawn


def _with_time(truth: Truth, recipe: HarderRecipe, columns: Columns, rng: Rng) -> Truth:
    """The truth with the recipe's further law of time and jitter, and with the margin of an optimum."""
    time_s = truth.time_s
    if recipe.time:
        time_s = time_s * TIMES[recipe.time](columns, rng)
    if recipe.jitter_pct:
        time_s = time_s * np.exp(rng.normal(0, recipe.jitter_pct / 100, len(time_s)))
    return replace(truth, time_s=time_s, least_margin=LEAST_MARGIN)


def _spread(deviation: float, columns: Columns, rng: Rng) -> Floats | None:
    """Factors on the noise along a random direction of the space, shape (points,); None if all are 1."""
    if not deviation:
        return None
    s = scales(columns)
    along = unit_box(s.b, s.taus, s.a) @ rng.normal(0, 1, 3)
    factors: Floats = np.exp(deviation * (along - along.mean()) / max(float(along.std()), 1e-9))
    return np.minimum(factors, 4.0)


def _noise(recipe: HarderRecipe, rng: Rng) -> Noise:
    drawn_pct = rng.uniform(0.5, 2.0)
    return Noise(
        shared_pct=0.45 * recipe.noise,
        private_pct=0.75 * recipe.noise,
        time_pct=drawn_pct if recipe.time_noise_pct is None else recipe.time_noise_pct,
        lost_share=recipe.lost_share,
        outlier_share=recipe.outlier_share,
        outlier_pct=OUTLIER_PCT if recipe.outlier_share else 0.0,
    )
