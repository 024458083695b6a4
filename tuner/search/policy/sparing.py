"""Finds candidates that are not worth a run: they differ from another by what was seen to change nothing."""

from __future__ import annotations

import numpy as np

from tuner.core.arrays import Bools
from tuner.core.effects import unread, with_values
from tuner.core.values import key
from tuner.search.predictions import Predictions


def spared(predictions: Predictions) -> Bools:
    """Whether a candidate was never asked for and equals another one in effect (candidates,).

    That other one has the baseline's values of the parameters that the stage does not read. Parameters of
    which the stage says that NRMSE does not depend on them are read: equal NRMSE says nothing of those.
    """
    problem, candidates = predictions.problem, predictions.candidates
    found: Bools = np.zeros(len(candidates.configs), dtype=np.bool_)
    alike = unread(predictions.observations.complete, problem.baseline)
    alike = {
        name: values for name, values in alike.items() if name not in problem.traits.quality_invariant_to
    }
    kept = problem.baseline.as_dict()
    for row, config in enumerate(candidates.configs) if alike else ():
        if config in predictions.observations.num_asked:
            continue
        mine = config.as_dict()
        same = {name: kept[name] for name, values in alike.items() if key(mine[name]) in values}
        found[row] = bool(same) and with_values(config, same) in candidates.index
    return found
