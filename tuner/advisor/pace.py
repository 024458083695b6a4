"""How long a trial should train between two of its reports."""

from __future__ import annotations

from collections.abc import Iterable

from tuner.advisor.knowledge import Knowledge
from tuner.core.config import TrialConfig


def expected_report_s(knowledge: Knowledge, configs: Iterable[TrialConfig]) -> float:
    """Returns the predicted seconds of training between two reports, of a probe until its answer.

    Start-up and evaluation are not part of it.

    Args:
        knowledge: Predicts times; its finished trials say how many epochs come with one report.
        configs: What is trained between the two: one configuration of a trial, or all of a probe.

    Returns:
        0 where nothing is predicted: before the first trial has ended.
    """
    predictions = knowledge.predictions
    whole = [record for record in knowledge.complete if record.measurements]
    if not predictions.measured or not whole:
        return 0.0
    most = max(1.0 / len(record.measurements) for record in whole)
    rows = [row for row in map(predictions.candidates.index.get, configs) if row is not None]
    return most * sum(float(predictions.time_s[row]) for row in rows)
