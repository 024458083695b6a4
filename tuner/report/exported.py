"""Prepares a recommendation for export into a pipeline: without the changes that have no effect."""

from __future__ import annotations

from tuner.core.effects import Export, NoEffect, to_export
from tuner.runs.result import RunResult


def exported(result: RunResult) -> Export | None:
    """Returns the configuration to export; None if nothing is recommended."""
    found, study = result.conclusion.recommendation, result.study
    if found is None:
        return None
    return to_export(
        result.records,
        study.baseline,
        found.estimate.config,
        lambda config: study.lattice.why_excluded(config.as_dict()) is None,
    )


def no_effect_lines(result: RunResult) -> list[str]:
    """Says which parameters keep the baseline's value, and why, in one line each."""
    export = exported(result)
    return [no_effect_line(one) for one in export.no_effect] if export else []


def no_effect_line(one: NoEffect) -> str:
    """Says that a parameter keeps the baseline's value, and why."""
    pairs = f"{one.num_pairs} pair{'' if one.num_pairs == 1 else 's'} of runs"
    return f"{one.text} ({one.recommended} was measured; it makes no difference in {pairs})"
