"""The untrained start: its NRMSE, what it says of the target, and of a trial that never left it.

A stage measures it once, before training (docs/stage.md). Knows records, not who evaluated.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from tuner.core.metric import NRMSE, Metric
from tuner.core.objectives import Target
from tuner.core.trial import TrialRecord

SAME_DIGITS = 9
"""Significant digits in which an NRMSE must agree with the start's to be the same."""

LEAST_DIGITS = 5
"""Significant digits that the start's NRMSE must have: fewer may agree by chance, or by rounding."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """The untrained start of a study's trials, as the first of them measured it.

    Attributes:
        nrmse: Its NRMSE.
        threshold: The target as an NRMSE; None while that is not known.
        meets_target: Whether the start meets the target, so that doing nothing would do.
        metric: The study's quality figure.
    """

    nrmse: float
    threshold: float | None
    meets_target: bool
    metric: Metric = NRMSE

    @property
    def value(self) -> float:
        """The quality figure of the start in its own terms."""
        return self.metric.value(self.nrmse)

    @classmethod
    def of(cls, records: Iterable[TrialRecord], target: Target, baseline_nrmse: float | None) -> Start | None:
        """Returns the start; None if no trial has measured it.

        Args:
            records: The records of all trials, in the order of asking.
            target: The study's target.
            baseline_nrmse: Mean NRMSE of the baseline, to which the target may be relative; None if unknown.
        """
        nrmse = next(iter(starts(records)), None)
        return None if nrmse is None else cls.at(nrmse, target, baseline_nrmse)

    @classmethod
    def at(cls, nrmse: float, target: Target, baseline_nrmse: float | None) -> Start:
        """Holds the NRMSE of a start against the target; see `of`."""
        return cls(
            nrmse=nrmse,
            threshold=target.threshold(baseline_nrmse),
            meets_target=target.is_met(nrmse, baseline_nrmse),
            metric=target.metric,
        )


def starts(records: Iterable[TrialRecord]) -> dict[float, None]:
    """Returns the different NRMSEs of untrained starts that trials measured, in the order of asking."""
    return {r.start_nrmse: None for r in records if r.start_nrmse is not None}


def why_not_trained(curve: Mapping[int, float], known: Iterable[float], metric: Metric = NRMSE) -> str:
    """Says that a trial did not train: after every epoch its NRMSE was the start's; empty if it did.

    Digits are those of the decimal number, so that what a script rounds for its output counts as it is
    written: an NRMSE of 0.12 says too little, whatever it agrees with.

    Args:
        curve: The trial's NRMSE by epoch; all of its reports.
        known: NRMSEs of untrained starts: the trial's own, or else those of the study's other trials.
        metric: The study's quality figure, whose own digits are compared.
    """
    said = {_digits(metric.value(nrmse)) for nrmse in curve.values()}
    if len(said) != 1:
        return ""
    (digits,) = said
    if _num_significant(digits) < LEAST_DIGITS or digits not in {
        _digits(metric.value(start)) for start in known
    }:
        return ""
    after = f"after each of {len(curve)} reports" if len(curve) > 1 else "at its end"
    return f"it did not train: its {metric.label} {after} is that of the untrained start, {float(digits):.9g}"


def _digits(value: float) -> str:
    return f"{value:.{SAME_DIGITS - 1}e}"


def _num_significant(digits: str) -> int:
    mantissa, _, _ = digits.partition("e")
    return len(mantissa.lstrip("-").replace(".", "").rstrip("0"))
