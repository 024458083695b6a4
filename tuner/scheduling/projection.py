"""Projects a partial trial to its full budget, as learned from the trials that got there.

The law behind it is proportional: if finished trials ended at 0.8 times their NRMSE after epoch 2,
so will this one. It knows no other law, and it does not judge: a projection teaches the search and
the rules, it never wins.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from statistics import median

from tuner.core.trial import TrialRecord

MARGIN_OF_ONE_CURVE = 0.3
"""Share by which the next ratio may fall below the lowest one seen, when one curve is known.

With n curves it is an n-th of this, as the next of n + 1 exchangeable ratios is the lowest with
probability 1 / (n + 1). The 0.3 is a choice: 10 % at three curves, because a toy projection was
measured 10 % too high (`docs/decisions/0002-own-searcher-round-optuna.md`).
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Projection:
    """A trial at its full budget, as far as can be told.

    Attributes:
        time_s: Training seconds: the mean epoch so far, times all epochs.
        nrmse: The best guess; the newest NRMSE itself when no finished curve is known.
        nrmse_optimistic: A bound the truth should not be under; 0 when no finished curve is known.
        num_curves: Finished curves it was learned from.
    """

    time_s: float
    nrmse: float
    nrmse_optimistic: float
    num_curves: int


def project(trial: TrialRecord, finished: Iterable[TrialRecord]) -> Projection | None:
    """Projects a trial to its full budget; exact when all its epochs ran.

    Args:
        trial: Running, stopped or complete.
        finished: Records to learn from: the full-budget ones of the same number of epochs.

    Returns:
        None when the trial has no epoch that went well.
    """
    curve = trial.nrmse_curve
    if not curve:
        return None
    epoch = max(curve)
    nrmse, time_s = curve[epoch], trial.projected_time_s
    if epoch >= trial.num_epochs:
        return Projection(time_s=time_s, nrmse=nrmse, nrmse_optimistic=nrmse, num_curves=0)
    ratios = final_ratios(finished, epoch=epoch, num_epochs=trial.num_epochs)
    return Projection(
        time_s=time_s,
        nrmse=nrmse * (median(ratios) if ratios else 1.0),
        nrmse_optimistic=nrmse * lowest_ratio(ratios),
        num_curves=len(ratios),
    )


def final_ratios(finished: Iterable[TrialRecord], *, epoch: int, num_epochs: int) -> list[float]:
    """Final NRMSE over NRMSE after `epoch`, of every trial of all epochs that reported both."""
    curves = [
        record.nrmse_curve for record in finished if record.is_whole and record.num_epochs == num_epochs
    ]
    return [curve[num_epochs] / curve[epoch] for curve in curves if curve.get(epoch, 0.0) > 0]


def lowest_ratio(ratios: list[float]) -> float:
    """A ratio the next one should not be under: the lowest seen, less a margin of order 1 / n."""
    if not ratios:
        return 0.0
    return min(ratios) * (1 - MARGIN_OF_ONE_CURVE / len(ratios))
