"""The untrained start in words: that it meets the target already, and how far training came from it."""

from __future__ import annotations

from tuner.core.untrained import Start


def start_caution(start: Start | None) -> str:
    """Says that the untrained start meets the target, with the fix; empty if it does not, or is not known."""
    said = meets_target_text(start) if start else ""
    return f"{said} Lower the target." if said else ""


def meets_target_text(start: Start) -> str:
    """Says that the untrained start meets the target; empty if it does not."""
    if not start.meets_target:
        return ""
    metric = start.metric
    bound = "at least" if metric.is_maximized else "at most"
    figures = f"{metric.label} {metric.value(start.nrmse):.5g}, where {bound} {_threshold(start)} is wanted"
    return f"The untrained start already meets the target ({figures}): the target does not ask for training."


def trained_text(start: Start, nrmse: float) -> str:
    """Says how far the NRMSE of a trained configuration is from the start's.

    Args:
        start: The untrained start.
        nrmse: Mean NRMSE of the configuration's runs.
    """
    metric = start.metric
    better = "rose" if metric.is_maximized else "fell"
    change = better if nrmse < start.nrmse else f"did not {'rise' if metric.is_maximized else 'fall'}"
    caution = start_caution(start)
    return f"{metric.label} {change} from {metric.text(start.nrmse)} to {metric.text(nrmse)}" + (
        f". {caution}" if caution else ""
    )


def _threshold(start: Start) -> str:
    assert start.threshold is not None  # it is met
    return f"{start.metric.value(start.threshold):.5g}"
