"""Tune's searcher: every question and every ending goes to the advisor."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ray.tune.search import Searcher

from tuner.ray_adapter.bridge import Bridge


class AdvisorSearcher(Searcher):  # type: ignore[misc]  # ray ships no types
    """Asks the advisor what to run next, and tells it how trials end.

    `metric` and `mode` stay unset: the advisor picks what it needs from whole reports.
    """

    def __init__(self, bridge: Bridge) -> None:
        super().__init__()
        self._bridge = bridge

    def set_search_properties(self, metric: Any, mode: Any, config: Any, **spec: Any) -> bool:
        """Accepts that Tune has no metric to give; the space is the advisor's."""
        return True

    def suggest(self, trial_id: str) -> dict[str, Any] | str | None:
        """A configuration, None for "ask again later", or FINISHED."""
        config = self._bridge.next_config(trial_id)
        return Searcher.FINISHED if config is None and self._bridge.is_finished else config

    def on_trial_complete(
        self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False
    ) -> None:
        """Passes on how a trial ended; a failure carries no result."""
        if error or not result:
            self._bridge.fail(trial_id)
        else:
            self._bridge.complete(trial_id, result)

    def save(self, checkpoint_path: str) -> None:
        """Leaves a pointer: the journal, not Tune's snapshot, is what a run is rebuilt from."""
        Path(checkpoint_path).write_text("see journal.jsonl in the run's folder\n", encoding="utf-8")

    def restore(self, checkpoint_path: str) -> None:
        """Not used: runs are rebuilt from the journal."""
