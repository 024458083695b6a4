"""Tune's scheduler: first in, first out; the advisor says after each report whether to stop.

Also the only place where Tune lets one see why a trial failed.
"""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

from ray.tune.schedulers import FIFOScheduler, TrialScheduler

from tuner.ray_adapter.bridge import Bridge
from tuner.ray_adapter.failures import classify


class AdvisorScheduler(FIFOScheduler):  # type: ignore[misc]  # ray ships no types
    """Answers CONTINUE or STOP, never PAUSE: a paused trial's clock would not be comparable.

    Args:
        bridge: Bridge to the advisor.
        errors_dir: Folder for the full tracebacks of failed trials.
    """

    def __init__(self, bridge: Bridge, errors_dir: Path) -> None:
        super().__init__()
        self._bridge = bridge
        self._errors_dir = errors_dir

    def on_trial_result(self, tune_controller: Any, trial: Any, result: dict[str, Any]) -> str:
        """Called for every report but the last one, which goes to the searcher."""
        stop = self._bridge.report(trial.trial_id, result)
        answer = TrialScheduler.STOP if stop else TrialScheduler.CONTINUE
        return str(answer)

    def on_trial_error(self, tune_controller: Any, trial: Any) -> None:
        """Classifies the failure before Tune tells the searcher that there was one."""
        error = _error_of(trial)
        self._bridge.note_failure(trial.trial_id, classify(error))
        text = trial.error_file and Path(trial.error_file)
        if text and text.exists():
            self._errors_dir.mkdir(exist_ok=True)
            copy = self._errors_dir / f"{self._bridge.trial_id(trial.trial_id)}.txt"
            copy.write_text(text.read_text(encoding="utf-8", errors="replace"), encoding="utf-8")


def _error_of(trial: Any) -> BaseException | None:
    """The exception Tune wrote down; `trial.get_pickled_error()` reads storage, not yet synced by now."""
    path = trial.pickled_error_file
    if not path or not Path(path).exists():
        return None
    with Path(path).open("rb") as file:
        error = pickle.load(file)  # noqa: S301  # written by our own worker a moment ago
    return error if isinstance(error, BaseException) else None
