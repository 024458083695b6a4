"""Finds candidates that are not worth a run: they differ from another by what was seen to change nothing."""

from __future__ import annotations

import numpy as np

from foundation.arrays import Bools
from tuner.core.config import TrialConfig
from tuner.core.effects import unread, with_values
from tuner.core.twins import rest_of
from tuner.core.values import key
from tuner.search.predictions import Predictions


def spared(predictions: Predictions) -> Bools:
    """Whether a candidate was never asked for and equals another one in effect (candidates,).

    That other one has the baseline's values of the parameters that the stage does not read. Each of the
    candidate's other values must have been in a pair of runs which shows that: a parameter may matter beside
    one value of another alone. Parameters of which the stage says that NRMSE does not depend on them are
    read: equal NRMSE says nothing of those. The runs of a certificate do not count: they would reopen a
    search that is over.
    """
    problem, candidates = predictions.problem, predictions.candidates
    found: Bools = np.zeros(len(candidates.configs), dtype=np.bool_)
    declared = problem.traits.quality_invariant_to
    alike = unread(predictions.observations.twins, problem.baseline, left_out=declared)
    kept = problem.baseline.as_dict()

    def is_alike(config: TrialConfig, name: str) -> bool:
        seen = alike[name].get(key(config.as_dict()[name]))
        return seen is not None and seen.issuperset(rest_of(config, name))

    for row, config in enumerate(candidates.configs) if alike else ():
        if config in predictions.observations.num_asked:
            continue
        same = {name: kept[name] for name in alike if is_alike(config, name)}
        found[row] = bool(same) and with_values(config, same) in candidates.index
    return found
