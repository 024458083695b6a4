"""Keeps a trial's newest checkpoint, and continues from the one that a lost trial left.

Knows what is in a checkpoint: the trial's progress and the stage's own state. Does not know files
(``checkpoint``), nor who asks for trials.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar

from trainables import checkpoint
from trainables.progress import TrialProgress
from trainables.trial import EpochResult, TrialSpec


class Resuming:
    """The part of ``MeasuredTrainable`` that a resumable stage uses."""

    resumable: ClassVar[bool] = False
    _progress: TrialProgress
    _failure: EpochResult | None

    # What the author of a resumable stage writes.

    def state_dict(self) -> dict[str, Any]:
        """Returns everything on which the following epochs depend; must be picklable."""
        raise self._lacks("state_dict")

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continues from the point at which ``state_dict`` was taken."""
        raise self._lacks("load_state_dict")

    def _lacks(self, method: str) -> NotImplementedError:
        return NotImplementedError(
            f"{type(self).__name__} has no {method}(), without which its trials cannot be resumed. "
            "Fix: write it, or leave out `resumable = True`."
        )

    # What Ray calls.

    def save_checkpoint(self, checkpoint_dir: str) -> None:
        """Writes what a resumed trial needs, measured times and counts included."""
        with self._progress.clock.phase("checkpoint"):
            checkpoint.write(checkpoint_dir, self._state())

    def load_checkpoint(self, checkpoint_dir: str) -> None:
        """Resumes from a checkpoint; ``resumed`` is True from now on, as the times are from two processes."""
        self._go_on(checkpoint.read(checkpoint_dir))

    # How it is done.

    @abstractmethod
    def _start(self, spec: TrialSpec) -> None:
        """Builds and warms up a trial."""

    @abstractmethod
    def release(self) -> None:
        """Drops everything that the trial made."""

    def _resume(self, spec: TrialSpec) -> None:
        """Continues from the checkpoint that the trial names; if it is unusable, the trial begins anew."""
        self._checkpoints = checkpoint.TrialFolder(spec.checkpoints if self.resumable else "")
        if not spec.from_epoch or self._failure is not None:
            return
        try:
            state = self._checkpoints.read(spec.from_epoch)
            checkpoint.require_epoch(state, spec.from_epoch)
            self._go_on(state)
        except Exception:  # whatever a missing, damaged or strange file leads to
            self._checkpoints.clear()
            self.release()
            self._start(spec)

    def _keep_checkpoint(self) -> None:
        """Writes a checkpoint before the next epoch: by then the study has heard of the last one."""
        progress = self._progress
        if self._failure is None and self._checkpoints.wants(progress.epoch):
            with progress.clock.phase("checkpoint"):
                self._checkpoints.keep(progress.epoch, self._state())

    def _state(self) -> dict[str, Any]:
        if type(self).load_state_dict is Resuming.load_state_dict:
            raise self._lacks("load_state_dict")  # now, rather than when it is needed
        stage = self.state_dict() if self._failure is None else None
        return {"progress": self._progress.state_dict(), "failure": self._failure, "stage": stage}

    def _go_on(self, state: Mapping[str, Any]) -> None:
        self._progress.load_state_dict(state["progress"])
        self._failure = self._failure or state["failure"]
        if self._failure is None:
            self.load_state_dict(state["stage"])
