"""Says what has no effect, and prepares a recommendation for export into a pipeline without such changes."""

from __future__ import annotations

from tuner.core.config import TrialConfig
from tuner.core.effects import Export, NoEffect, to_export
from tuner.core.seeds import DIGITS, num_alike
from tuner.core.trial import TrialRecord
from tuner.core.twins import AllTwins
from tuner.core.values import key
from tuner.runs.result import RunResult


def exported(result: RunResult) -> Export | None:
    """Returns the configuration to export; None if nothing is recommended."""
    found, study = result.conclusion.recommendation, result.study
    if found is None:
        return None
    twins, is_legal = AllTwins(result.records), study.lattice.keeps_constraints
    return to_export(twins, study.baseline, found.estimate.config, is_legal)


def no_effect_lines(result: RunResult) -> list[str]:
    """Says which parameters change nothing, and which value they get, in one line each."""
    export = exported(result)
    return [no_effect_line(one) for one in export.no_effect] if export else []


def seed_lines(result: RunResult) -> list[str]:
    """Says that the seed changes nothing, where runs with different seeds agree."""
    runs: dict[TrialConfig, list[TrialRecord]] = {}
    for record in result.records:
        if record.is_whole:
            runs.setdefault(record.config, []).append(record)
    num = num_alike(runs.values())
    if not num:
        return []
    return [
        f"The seed changes nothing: {result.study.metric.label} is equal to {DIGITS} digits over {num} runs "
        "with different seeds, so two runs of a configuration say all. Either the training is deterministic, "
        "or it does not read its seed."
    ]


def no_effect_line(one: NoEffect) -> str:
    """Says that a parameter changes nothing, which value it gets, and why."""
    pairs = f"{one.num_pairs} pair{'' if one.num_pairs == 1 else 's'} of runs"
    if key(one.recommended) != key(one.exported):
        return f"{one.text} ({one.recommended} was measured; it makes no difference in {pairs})"
    return f"{one.text} ({one.other if one.is_legal else one.kept} makes no difference in {pairs})"
