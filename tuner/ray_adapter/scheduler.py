"""Tune's scheduler: first in, first out; the advisor says after each report whether to stop.

Also the only place where Tune lets one see why a trial failed.
"""

from __future__ import annotations

import pickle
from contextlib import suppress
from pathlib import Path
from typing import Any

import ray
from ray.tune.schedulers import FIFOScheduler, TrialScheduler

from tuner.ray_adapter.bridge import Bridge
from tuner.ray_adapter.failures import classify, died_on
from tuner.ray_adapter.overdue import Actors


class AdvisorScheduler(FIFOScheduler):  # type: ignore[misc]  # ray ships no types
    """Answers CONTINUE or STOP, never PAUSE: a paused trial's clock would not be comparable.

    Args:
        bridge: Bridge to the advisor.
        errors_dir: Folder for the full tracebacks of failed trials.

    Attributes:
        actors: Finds the workers of trials.
    """

    def __init__(self, bridge: Bridge, errors_dir: Path) -> None:
        super().__init__()
        self._bridge = bridge
        self._errors_dir = errors_dir
        self.actors = Actors()

    def on_trial_add(self, tune_controller: Any, trial: Any) -> None:
        """Called before a trial starts; the only place that shows Tune's controller by then."""
        self.actors.controller = tune_controller._tune_controller
        super().on_trial_add(tune_controller, trial)

    def on_trial_result(self, tune_controller: Any, trial: Any, result: dict[str, Any]) -> str:
        """Called for every report but the last one, which goes to the searcher."""
        stop = self._bridge.report(trial.trial_id, result)
        answer = TrialScheduler.STOP if stop else TrialScheduler.CONTINUE
        return str(answer)

    def on_trial_error(self, tune_controller: Any, trial: Any) -> None:
        """Classifies the failure before Tune tells the searcher that there was one."""
        with self._bridge.guarded():
            error, text = _error_of(trial), _text_of(trial)
            if died_on(error, text) == ray.util.get_node_ip_address():
                self._bridge.note_death(trial.trial_id, lambda: self.actors.num_dead(trial))
            self._bridge.note_failure(trial.trial_id, classify(error, text))
            self._keep(trial, text)

    def _keep(self, trial: Any, text: str) -> None:
        """Keeps a failed trial's traceback with the run, if its folder takes it."""
        if not text:
            return
        with suppress(OSError):  # on a full disk the journal, which has the reason, says so itself
            self._errors_dir.mkdir(exist_ok=True)
            copy = self._errors_dir / f"{self._bridge.trial_id(trial.trial_id)}.txt"
            copy.write_text(text, encoding="utf-8")


def _text_of(trial: Any) -> str:
    """What Tune wrote down of the failure in words; empty if it could not."""
    with suppress(OSError):
        if trial.error_file:
            return Path(trial.error_file).read_text(encoding="utf-8", errors="replace")
    return ""


def _error_of(trial: Any) -> BaseException | None:
    """The exception Tune wrote down; `trial.get_pickled_error()` reads storage, not yet synced by now.

    Returns:
        None if there is none, or if it cannot be made again from what was written.
    """
    with suppress(Exception):  # unpickling calls the exception's class, which may do anything
        if trial.pickled_error_file:
            with Path(trial.pickled_error_file).open("rb") as file:
                error = pickle.load(file)  # noqa: S301  # written by our own worker a moment ago
                return error if isinstance(error, BaseException) else None
    return None
