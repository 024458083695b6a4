"""Which configuration deserves another run with another seed: a single run may be luck.

What would be recommended is run again at once when it is so close to the target that its seed may have
decided (a lucky configuration would otherwise stop better ones), else when the search is over; the baseline
with the same seeds last, since that only sharpens the speed-up. Pure: knows records and the study.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from tuner.core.config import TrialConfig
from tuner.core.recommend import baseline_estimate, recommend
from tuner.core.trial import TrialRecord
from tuner.spec import StudySpec

DOUBTFUL_MARGIN_PCT = 2.5
"""A margin a seed can make up: three standard deviations of the bundled stage's NRMSE (docs/stage.md)."""


class Replicate(NamedTuple):
    """A configuration and the seed it was not asked with yet."""

    config: TrialConfig
    seed: int


def next_replicate(
    study: StudySpec, records: Sequence[TrialRecord], elapsed_s: float, *, is_searching: bool
) -> Replicate | None:
    """The replicate to run before anything new; None when none is due, or no time is left for it.

    Args:
        study: Says how many seeds a finalist gets, and the target.
        records: Of every trial asked for so far.
        elapsed_s: Since the study began.
        is_searching: Whether new configurations are still to be tried.
    """
    found = recommend(records, study.target)
    if found is None or (is_searching and found.margin_pct >= DOUBTFUL_MARGIN_PCT):
        return None
    finalists = [found.estimate] if is_searching else [found.estimate, baseline_estimate(records)]
    for estimate in finalists:
        if estimate is not None and elapsed_s + estimate.time_s <= study.budget.budget_s:
            for seed in _missing_seeds(study, estimate.config, records):
                return Replicate(estimate.config, seed)
    return None


def reserved_s(study: StudySpec, records: Sequence[TrialRecord]) -> float:
    """Training seconds the search must leave for the replicates that are still to come.

    All of the best configuration's count: one more trial may find a faster one, which then needs its own.
    """
    found, baseline = recommend(records, study.target), baseline_estimate(records)
    if found is None or study.budget.seeds == 1:
        return 0.0
    missing = _missing_seeds(study, baseline.config, records) if baseline else []
    return study.budget.seeds * found.estimate.time_s + len(missing) * (baseline.time_s if baseline else 0.0)


def _missing_seeds(study: StudySpec, config: TrialConfig, records: Sequence[TrialRecord]) -> list[int]:
    """The seeds a finalist gets that this configuration was never asked with, ascending."""
    asked = {record.seed for record in records if record.config == config}
    seeds = range(study.seed, study.seed + study.budget.seeds)
    return [seed for seed in seeds if seed not in asked]
