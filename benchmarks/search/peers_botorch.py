"""Makes a tuner of BoTorch itself, if it is installed: noisy expected improvement under a constraint.

One Gaussian process on the logarithm of time and one on NRMSE over the target; qLogNEI weighs improvement by
the probability that the constraint holds. It is evaluated at unused legal points, as for the other peers.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from benchmarks.search.snapped import SnappedTuner, values_of
from foundation.arrays import Floats
from tuner.core.config import TrialConfig
from tuner.core.trial import TrialRecord
from tuner.search.by_optuna.encoding import Dimension
from tuner.simulate import Instance

NUM_RANDOM = 10
"""Runs drawn at random before the models are fitted."""

MOST_CANDIDATES = 2000
"""Unused points at which the acquisition function is evaluated; of more, so many are drawn."""


class BotorchTuner(SnappedTuner):
    """Searches with BoTorch's qLogNoisyExpectedImprovement.

    A trial without figures is told the worst figures so far.
    """

    def __init__(self, instance: Instance) -> None:
        super().__init__(instance)
        self._rng = np.random.default_rng(self.study.seed)
        self._points = np.column_stack([_unit_columns(axis) for axis in self.encoding.dimensions])
        self._live: dict[str, int] = {}
        self._told: list[tuple[int, tuple[float, float] | None]] = []
        self._threshold = self.study.target.threshold(None)

    def propose(self, trial_id: str) -> TrialConfig | None:
        """Returns a random unused point at first, and then the one of the greatest acquisition."""
        rows = np.flatnonzero(self._unused)
        if not rows.size:
            return None
        if len(rows) > MOST_CANDIDATES:
            rows = self._rng.choice(rows, MOST_CANDIDATES, replace=False)
        known = [values for _, values in self._told if values]
        is_random = len(self._told) < NUM_RANDOM or len(known) < 2
        row = int(self._rng.choice(rows)) if is_random else self._best(rows, known)
        self._unused[row] = False
        self._live[trial_id] = row
        return self.study.lattice.config(row)

    def learn(self, record: TrialRecord, threshold: float | None) -> None:
        """Keeps the time and the NRMSE of a trial, or that it had none."""
        self._threshold = threshold
        self._told.append((self._live.pop(record.trial_id), values_of(record)))

    def _best(self, rows: Any, known: list[tuple[float, float]]) -> int:
        import torch
        from botorch.acquisition.logei import qLogNoisyExpectedImprovement
        from botorch.acquisition.objective import GenericMCObjective
        from botorch.sampling import SobolQMCNormalSampler

        torch.manual_seed(self.study.seed)
        worst = max(time for time, _ in known), max(nrmse for _, nrmse in known)
        told = torch.as_tensor(self._points[[row for row, _ in self._told]], dtype=torch.float64)
        acquisition = qLogNoisyExpectedImprovement(
            _models(told, [values or worst for _, values in self._told], self._threshold or worst[1]),
            X_baseline=told,
            sampler=SobolQMCNormalSampler(torch.Size([64]), seed=self.study.seed),
            objective=GenericMCObjective(lambda y, X=None: -y[..., 0]),  # noqa: N803  # BoTorch's name
            constraints=[lambda y: y[..., 1]],
            prune_baseline=True,
        )
        candidates = torch.as_tensor(self._points[rows], dtype=torch.float64)
        with torch.no_grad():
            values = torch.cat([acquisition(part[:, None, :]) for part in candidates.split(256)])
        return int(rows[int(values.argmax())])


def _models(points: Any, values: list[tuple[float, float]], threshold: float) -> Any:
    """Fitted models of log time and of NRMSE over the threshold; `points` has shape (trials, coordinates)."""
    import torch
    from botorch.fit import fit_gpytorch_mll
    from botorch.models import ModelListGP, SingleTaskGP
    from gpytorch.mlls import ExactMarginalLogLikelihood

    figures = [[math.log(time), nrmse / threshold - 1] for time, nrmse in values]
    columns = torch.as_tensor(figures, dtype=torch.float64)
    models = [SingleTaskGP(points, columns[:, k : k + 1]) for k in range(2)]
    for model in models:
        fit_gpytorch_mll(ExactMarginalLogLikelihood(model.likelihood, model))
    return ModelListGP(*models)


def _unit_columns(axis: Dimension) -> Floats:
    """A coordinate from 0 to 1 for numbers, in logarithms if all are positive; one for each category else."""
    if not axis.is_ordered:
        return np.stack([axis.column == value for value in axis.values], axis=1).astype(np.float64)
    column = axis.column.astype(np.float64)
    column = np.log(column) if axis.is_log else column
    low, high = column.min(), column.max()
    scaled: Floats = (column - low) / (high - low) if high > low else np.zeros(len(column))
    return scaled[:, None]
