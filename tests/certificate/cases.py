"""Certifying runs for tests."""

from collections.abc import Sequence
from typing import Any

from tests.studies import BASELINE as BASELINE_VALUES
from tests.studies import report
from tuner.core.config import TrialConfig
from tuner.core.goal import Goal
from tuner.core.objectives import Target
from tuner.core.trial import Purpose, TrialRecord, TrialState

BASELINE = TrialConfig(**BASELINE_VALUES)
WINNER = TrialConfig(batch_size=24, micro_batch=24, num_taus=2, accum_steps=1)
GUIDE = TrialConfig(batch_size=12, micro_batch=4, num_taus=4, accum_steps=2)
GOAL = Goal(target=Target.parse("nrmse < 0.095"))
FIRST = 1000


def run(
    config: TrialConfig,
    seed: int,
    nrmse: float,
    time_s: float,
    *,
    purpose: Purpose = Purpose.CERTIFY,
    state: TrialState = TrialState.COMPLETE,
    constraint: str = "",
    **more: Any,
) -> TrialRecord:
    """A run of one epoch that ended."""
    return TrialRecord(
        trial_id=f"{seed:04d}-{config.batch_size}",
        config=config,
        seed=seed,
        num_epochs=1,
        purpose=purpose,
        state=state,
        constraint=constraint,
        measurements=(report(1, nrmse, time_s, time_s, **more),),
    )


def paired(
    changes_pct: Sequence[float],
    *,
    base: float = 0.091,
    ratios: Sequence[float] = (),
    baseline: dict[str, Any] | None = None,
    winner: dict[str, Any] | None = None,
) -> list[TrialRecord]:
    """Rounds in which the winner's NRMSE is so many percent above the baseline's; `ratios` times faster."""
    records = []
    for k, change in enumerate(changes_pct):
        ratio = ratios[k] if ratios else 3.0 + 0.01 * k
        records.append(run(BASELINE, FIRST + k, base, 4.0, **(baseline or {})))
        records.append(run(WINNER, FIRST + k, base * (1 + change / 100), 4.0 / ratio, **(winner or {})))
    return records
