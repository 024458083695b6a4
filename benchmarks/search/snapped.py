"""The common part of other projects' searches as tuners: none of them knows the lattice.

Each search works on the lattice's coordinates. Its proposal is moved to the nearest unused legal point, and
the search is told about that point.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from unittest import mock

import numpy as np

from tuner.core.config import TrialConfig
from tuner.core.trial import TrialRecord, TrialState
from tuner.search.by_optuna.encoding import Encoding
from tuner.simulate import Instance

PENALTY = 100.0
"""Percent of time added for each percent of NRMSE over the target, for a search that knows no constraint."""


class SnappedTuner:
    """A tuner whose proposals are moved to unused legal points, the common base of the peers.

    Args:
        instance: Instance that is searched.
    """

    def __init__(self, instance: Instance) -> None:
        self.study = instance.study
        self.encoding = Encoding(self.study.lattice)
        self._unused = np.ones(len(self.study.lattice), dtype=np.bool_)

    def snap(self, coordinates: Mapping[str, Any]) -> TrialConfig | None:
        """Returns the nearest unused point and marks it as used; None if all have been used."""
        if not self._unused.any():
            return None
        row = self.encoding.nearest(dict(coordinates), self._unused)
        self._unused[row] = False
        return self.study.lattice.config(row)

    def unused(self) -> list[dict[str, Any]]:
        """Returns the coordinates of every point that may still be proposed."""
        rows = np.flatnonzero(self._unused)
        return [{axis.name: axis.column[row].item() for axis in self.encoding.dimensions} for row in rows]

    def should_stop(self, record: TrialRecord) -> bool:
        """Returns False: it stops no trial."""
        return False


@contextmanager
def exactly_optimised(module: Any, candidates: Any) -> Iterator[None]:
    """Makes `module.optimize_acqf` return the best of `candidates`, shape (points, coordinates)."""

    def best(acq_function: Any, **_: Any) -> tuple[Any, Any]:
        import torch

        with torch.no_grad():
            values = torch.cat([acq_function(part[:, None, :]) for part in candidates.split(1024)])
        k = int(values.argmax())
        return candidates[k : k + 1], values[k]

    with mock.patch.object(module, "optimize_acqf", best):
        yield


def values_of(record: TrialRecord) -> tuple[float, float] | None:
    """Returns the time and the NRMSE of a trial, or None if it has none."""
    has_none = record.state in (TrialState.FAILED, TrialState.INFEASIBLE) or not record.epoch
    return None if has_none else (record.time_s, record.nrmse)


def penalised_s(values: tuple[float, float], threshold: float | None) -> float:
    """Returns the time, longer by `PENALTY` percent for each percent of NRMSE over the target."""
    over = max(0.0, values[1] / threshold - 1) if threshold else 0.0
    return values[0] * (1 + PENALTY * over)
