"""The Pareto front of time_s and NRMSE; a trial that did not run to its full budget is never on it."""

from __future__ import annotations

from collections.abc import Iterable

from tuner.core.trial import TrialRecord


def front(records: Iterable[TrialRecord]) -> list[TrialRecord]:
    """The full-budget trials that no other one beats in both time_s and NRMSE, fastest first.

    Of trials equal in both, all are kept. Sorting by (time_s, nrmse) makes one sweep enough: a
    trial is on the front exactly when its NRMSE is below that of every faster one.
    """
    eligible = sorted(
        (record for record in records if record.is_full_budget),
        key=_figures,
    )
    kept: list[TrialRecord] = []
    for record in eligible:
        if not kept or record.nrmse < kept[-1].nrmse or _figures(record) == _figures(kept[-1]):
            kept.append(record)
    return kept


def _figures(record: TrialRecord) -> tuple[float, float]:
    return record.time_s, record.nrmse
