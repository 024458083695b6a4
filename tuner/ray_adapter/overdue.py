"""Ends trials that nobody waits for: silent ones, and those of a stage that does not work.

Tune calls its callbacks at every turn of its loop, ten times a second, whether or not anything happened.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import ray
from ray.tune import Callback
from ray.tune.experiment import Trial

from tuner.ray_adapter.bridge import Bridge


class Actors:
    """Finds the worker of a trial, also while that still starts: a trial itself knows only one that has.

    Attributes:
        controller: Tune's controller; None until it has shown itself.
    """

    def __init__(self) -> None:
        self.controller: Any = None

    def __reduce__(self) -> tuple[Any, ...]:
        """Tune pickles what it is made of; nothing is ever restored from that."""
        return (Actors, ())

    def of(self, trial: Trial) -> Any:
        """Returns the handle of a trial's worker; None if Tune has not asked Ray for one yet."""
        if self.controller is None:
            return None
        actor = self.controller._trial_to_actor.get(trial)
        known = self.controller._actor_manager._live_actors_to_ray_actors_resources
        return known[actor][0] if actor in known else None

    def num_dead(self, but: Trial) -> int:
        """Counts the trials, one left out, whose workers are dead, whether or not Tune knows it by now."""
        trials = [] if self.controller is None else list(self.controller._trial_to_actor)
        workers = [self.of(trial) for trial in trials if trial is not but]
        return sum(_is_dead(worker) for worker in workers if worker is not None)


def _is_dead(worker: Any) -> bool:
    return bool(ray._private.state.actors(worker._actor_id.hex()).get("State") == "DEAD")


class OverdueCallback(Callback):  # type: ignore[misc]  # ray ships no types
    """Kills the worker of a trial that is to be given up; its script ends with it, and the run goes on.

    Args:
        bridge: Knows which trials are to be given up; asked at every turn, and of each no more once it is.
        worker_of: Returns the handle of a trial's worker; None if it has none yet.
        end_tune: Makes Tune come to rest; it then kills what does not end in 5 seconds.
    """

    def __init__(
        self, bridge: Bridge, worker_of: Callable[[Trial], Any], end_tune: Callable[[], None]
    ) -> None:
        self._bridge, self._worker_of, self._end_tune = bridge, worker_of, end_tune
        self._given_up: set[str] = set()

    def __reduce__(self) -> tuple[Any, ...]:
        """Tune pickles its callbacks into its snapshots; nothing is ever restored from these."""
        return (Callback, ())

    def on_step_begin(self, iteration: int, trials: Iterable[Trial], **info: Any) -> None:
        """Called at every turn of Tune's loop."""
        self._bridge.turn()
        for trial in trials:
            if trial.is_finished() or trial.trial_id in self._given_up:
                continue
            worker = self._worker_of(trial)
            if self._bridge.is_given_up(trial.trial_id, has_worker=worker is not None):
                self._given_up.add(trial.trial_id)
                self._end(worker)

    def _end(self, worker: Any) -> None:
        """Kills a trial's worker. One without a worker waits for what does not come: then Tune is ended.

        Nothing is lost by that: the budget is spent or the stage does not work, and what other workers do is
        run again by `--resume`.
        """
        if worker is not None:
            ray.kill(worker)
        else:
            self._end_tune()
