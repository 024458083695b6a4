"""The untrained start in words: that it meets the target already, and how far training came from it."""

from __future__ import annotations

from collections.abc import Callable

from tuner.core.untrained import Start
from tuner.runs.progress import Progress


def start_caution(start: Start | None) -> str:
    """Says that the untrained start meets the target, with the fix; empty if it does not, or is not known."""
    said = meets_target_text(start) if start else ""
    return f"{said} Lower the target." if said else ""


def meets_target_text(start: Start) -> str:
    """Says that the untrained start meets the target; empty if it does not."""
    if not start.meets_target:
        return ""
    figures = f"NRMSE {start.nrmse:.5g}, where at most {start.threshold:.5g} is wanted"
    return f"The untrained start already meets the target ({figures}): the target does not ask for training."


class StartWarning:
    """Says once in a run that the untrained start meets the target, as soon as that is known.

    Args:
        say: Takes the line.
    """

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self._is_said = False

    def look(self, progress: Progress) -> None:
        """Looks at the state of the run after something has changed."""
        if not self._is_said and (caution := start_caution(progress.start)):
            self._is_said = True
            self._say(f"*** {caution} ***")


def trained_text(start: Start, nrmse: float) -> str:
    """Says how far the NRMSE of a trained configuration is from the start's.

    Args:
        start: The untrained start.
        nrmse: Mean NRMSE of the configuration's runs.
    """
    change = "fell" if nrmse < start.nrmse else "did not fall"
    caution = start_caution(start)
    return f"NRMSE {change} from {start.nrmse:.4f} to {nrmse:.4f}" + (f". {caution}" if caution else "")
