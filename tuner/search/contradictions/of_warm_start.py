"""Whether the first runs of a study bear out what an earlier run taught of NRMSE, or contradict it.

What it taught alone predicts the runs together: their places, the noise of a run, the luck of a seed and the
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

from foundation.arrays import Floats
from tuner.core.metric import NRMSE, Metric
from tuner.core.trial import TrialRecord
from tuner.core.warm_start import WarmStart
from tuner.search.candidates import Candidates
from tuner.search.earlier_run import LaidOutWarmStart
from tuner.search.models.gp import Posterior
from tuner.search.models.gp_hyperparameters import infer_settings
from tuner.search.models.gp_kernel import Settings
from tuner.search.models.learning_curves import CurveModel
from tuner.search.models.quality import PRIOR, Observation, runs_of

MAX_COMPARED = 8
"""Full-budget runs that are compared; what they bear out is believed."""

TOO_UNLIKELY = 1e-3
"""An earlier run's results are dropped if they give the new measurements a probability below this."""

NUM_PARTICLES = 16


def contradiction_by(
    warm_start: WarmStart, candidates: Candidates, records: Sequence[TrialRecord], metric: Metric = NRMSE
) -> str:
    """Returns in words why the earlier run is not to be believed; empty while nothing contradicts it.

    Args:
        warm_start: NRMSE results of an earlier run.
        candidates: The candidates; every configuration of a record is among them.
        records: Records of this study's full-budget runs, in the order of asking.
        metric: The study's quality figure, which the reason names.
    """
    compared = records[:MAX_COMPARED]
    laid_out = LaidOutWarmStart(warm_start, candidates)
    theirs = laid_out.observations(
        CurveModel(np.zeros((0, candidates.quality_points.shape[1])), np.zeros((0, 0)))
    )
    mine = [Observation(candidates.index[r.config], r.seed, math.log(r.nrmse)) for r in compared]
    if not theirs or not mine:
        return ""
    level = float(np.median([o.value for o in theirs]))
    before = runs_of(laid_out.points, theirs, level)
    settings = infer_settings(PRIOR, before, candidates.quality_is_ordered, num_particles=NUM_PARTICLES)
    expected = (
        Posterior(settings, before, candidates.quality_is_ordered).at(candidates.quality_points)[0] + level
    )
    distance = np.array(
        [
            _distance(
                laid_out.points, (theirs, mine), level, settings.take(np.array([p])), expected[p], candidates
            )
            for p in range(len(settings))
        ]
    )
    if float(chdtrc(len(mine), distance).mean()) >= TOO_UNLIKELY:
        return ""
    gaps = [o.value - float(expected[:, o.row].mean()) for o in mine]
    worst = int(np.argmax(np.abs(gaps)))
    seen = compared[worst].nrmse
    predicted = seen / math.exp(gaps[worst])
    return (
        f"{warm_start.source} is no longer believed: of {len(mine)} runs here, {compared[worst].config} "
        f"has {metric.label} {metric.text(seen)} where it predicts {metric.text(predicted)}; "
        f"by its figures, all of them together have a probability under {TOO_UNLIKELY:g}"
    )


def _distance(
    points: Floats,
    observations: tuple[Sequence[Observation], Sequence[Observation]],
    level: float,
    settings: Settings,
    expected: Floats,
    candidates: Candidates,
) -> float:
    """Squared standardized distance of the second observations from their prediction by the first.

    Twice the log likelihood that is lost when they take the place of what was expected.
    """
    theirs, mine = observations
    ideal = [o._replace(value=float(expected[o.row])) for o in mine]
    likely, seen = (
        Posterior(
            settings, runs_of(points, [*theirs, *new], level), candidates.quality_is_ordered
        ).log_likelihood[0]
        for new in (ideal, mine)
    )
    return max(0.0, 2.0 * float(likely - seen))
