"""Whether the first runs of a study bear out what an earlier run taught of NRMSE, or contradict it.

The prior alone predicts the runs together: their places, the noise of a run, the luck of a seed and the
offset between two runs of the tuner are all in the prediction. The squared standardized distance of what was
measured is then chi-squared; one that is too large says that the stage is not the same (other data, another
teacher), whatever its options say.

Reference: Gelman et al., "Bayesian Data Analysis" (2013), section 6.3 (predictive checks).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from scipy.special import chdtrc

from tuner.core.prior import Prior
from tuner.core.trial import TrialRecord
from tuner.search.grid import Grid
from tuner.search.models.curves import CurveModel
from tuner.search.models.gaussian import Posterior
from tuner.search.models.inference import infer_settings
from tuner.search.models.kernel import Floats, Settings
from tuner.search.models.quality import PRIOR, Observation, runs_of
from tuner.search.prior import LaidOutPrior

MAX_CHECKED = 8
"""Full-budget runs that are compared; what they bear out is believed."""

TOO_UNLIKELY = 1e-3
"""A prior under which what was measured is less probable than this is dropped."""

NUM_PARTICLES = 16


def disagreement(prior: Prior, grid: Grid, records: Sequence[TrialRecord]) -> str:
    """Why the prior is not to be believed, in words; empty while nothing contradicts it.

    Args:
        prior: What an earlier run taught.
        grid: The candidates; every configuration of a record is among them.
        records: Of this study's full-budget runs, in the order of asking.
    """
    checked = records[:MAX_CHECKED]
    laid_out = LaidOutPrior(prior, grid)
    theirs = laid_out.observations(CurveModel(np.zeros((0, grid.quality_points.shape[1])), np.zeros((0, 0))))
    mine = [Observation(grid.index[r.config], r.seed, math.log(r.nrmse)) for r in checked]
    if not theirs or not mine:
        return ""
    level = float(np.median([o.value for o in theirs]))
    before = runs_of(laid_out.points, theirs, level)
    settings = infer_settings(PRIOR, before, grid.quality_is_ordered, num_particles=NUM_PARTICLES)
    expected = Posterior(settings, before, grid.quality_is_ordered).at(grid.quality_points)[0] + level
    distance = np.array(
        [
            _distance(laid_out.points, (theirs, mine), level, settings.take(np.array([p])), expected[p], grid)
            for p in range(len(settings))
        ]
    )
    if float(chdtrc(len(mine), distance).mean()) >= TOO_UNLIKELY:
        return ""
    gaps = [o.value - float(expected[:, o.row].mean()) for o in mine]
    worst = int(np.argmax(np.abs(gaps)))
    seen = checked[worst].nrmse
    return (
        f"{prior.source} is not believed any more: of {len(mine)} runs here, {checked[worst].config} has "
        f"NRMSE {seen:.4f} where it predicts {seen / math.exp(gaps[worst]):.4f}; "
        f"all of them together have a probability under {TOO_UNLIKELY:g} by its figures"
    )


def _distance(
    points: Floats,
    observations: tuple[Sequence[Observation], Sequence[Observation]],
    level: float,
    settings: Settings,
    expected: Floats,
    grid: Grid,
) -> float:
    """Squared standardized distance of the second observations from their prediction by the first.

    Twice the log likelihood that is lost when they take the place of what was expected.
    """
    theirs, mine = observations
    ideal = [o._replace(value=float(expected[o.row])) for o in mine]
    likely, seen = (
        Posterior(settings, runs_of(points, [*theirs, *new], level), grid.quality_is_ordered).log_likelihood[
            0
        ]
        for new in (ideal, mine)
    )
    return max(0.0, 2.0 * float(likely - seen))
