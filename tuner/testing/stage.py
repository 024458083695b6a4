"""The contract suite of a stage."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tuner.testing.clauses import Clause, run_clauses
from tuner.testing.stage_case import StageCase
from tuner.testing.stage_reports import REPORT_CHECKS
from tuner.testing.stage_trials import TRIAL_CHECKS


def stage_clauses() -> list[Clause[StageCase]]:
    """The clauses of a stage's contract, in the order in which they make sense."""
    return [*REPORT_CHECKS, *TRIAL_CHECKS]


def check_stage(
    stage: Any,
    params: Mapping[str, Any],
    options: Mapping[str, Any],
    *,
    num_epochs: int = 3,
    other_params: Mapping[str, Any] | None = None,
    bad_params: Sequence[Mapping[str, Any]] | None = None,
) -> None:
    """Checks a stage by some twenty short trials in this process; arguments as of `StageCase`.

    Compute with one thread, so that sums have one order: NRMSE is compared bitwise on a CPU.

    Raises:
        ContractError: Clauses are broken; lists all of them.
    """
    case = StageCase(
        stage=stage,
        params=params,
        options=options,
        num_epochs=num_epochs,
        other_params=other_params,
        bad_params=bad_params,
    )
    run_clauses(stage_clauses(), case)
