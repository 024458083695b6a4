"""One trial in this process, without a cluster: for whoever tries a study out.

Knows Ray's Trainable and the stage's class methods. Does not know what is shown of it.
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout, suppress
from pathlib import Path
from types import FrameType
from typing import Any

from ray import tune

from tuner.advisor import Probe, Run
from tuner.core.study import StudySpec
from tuner.core.trial import Purpose
from tuner.ray_adapter.launch import trial_config
from tuner.ray_adapter.on_worker import load_stage
from tuner.ray_adapter.stages import check_parameters, evaluates_start, mistake_of


class OutOfTimeError(Exception):
    """The trial has not reported in time."""


class OneTrial:
    """A trial of the baseline, of which only the first report is wanted; use it as a context.

    Args:
        study: The study that is tried.

    Raises:
        StageError: The stage cannot be imported, or refuses the study's parameters.
    """

    def __init__(self, study: StudySpec) -> None:
        check_parameters(study)
        self._study, self._stage_class = study, load_stage(study.stage.class_path)
        self._trial: tune.Trainable = object.__new__(self._stage_class)
        self._trial.is_tried = True
        self._is_set_up = False
        self._cores = os.sched_getaffinity(0)

    def __enter__(self) -> OneTrial:
        return self

    def __exit__(self, *_: object) -> None:
        with redirect_stdout(sys.stderr):
            if self._is_set_up:
                self._trial.stop()
            elif hasattr(self._trial, "release"):
                with suppress(AttributeError):  # what is made in a set-up that has not got that far
                    self._trial.release()
        os.sched_setaffinity(0, self._cores)
        if folder := getattr(self._trial, "_logdir", None):  # Ray makes it, below ~/ray_results
            shutil.rmtree(folder, ignore_errors=True)
            with suppress(OSError):
                Path(folder).parent.rmdir()

    def prepare(self) -> None:
        """Makes what all trials share; StageError for options that the stage refuses."""
        try:
            with redirect_stdout(sys.stderr):
                self._stage_class.prepare(dict(self._study.stage.options))
        except ValueError as error:
            raise mistake_of(self._study, str(error)) from error

    @property
    def is_probe(self) -> bool:
        """Whether the baseline is probed instead of trained."""
        asked = getattr(self._stage_class, "is_tried_by_probe", None)
        return asked is not None and bool(asked(dict(self._study.stage.options)))

    def set_up(self) -> None:
        """Builds the trial and warms it up; what it tells of itself can be asked even if that fails."""
        study = self._study
        wanted: Run | Probe = Run(
            trial_id="try",
            config=study.baseline,
            seed=study.seed,
            num_epochs=self._epochs(),
            purpose=Purpose.BASELINE,
        )
        if self.is_probe:
            wanted = Probe(trial_id="try", configs=(study.baseline,))
        config = trial_config(study, wanted, measure_start=evaluates_start(study))
        with redirect_stdout(sys.stderr):
            self._stage_class.__init__(self._trial, config=config)
        self._is_set_up = True

    def _epochs(self) -> int:
        """Returns how many epochs the trial is asked to train: fewer if it reports none before its end."""
        stage = self._study.stage
        if self.is_probe or not hasattr(self._stage_class, "epochs_to_try"):
            return stage.num_epochs
        return int(self._stage_class.epochs_to_try(dict(stage.options), stage.num_epochs))

    def first_report(self) -> dict[str, Any]:
        """Trains until the first report, and returns it; of a probe, what it answers."""
        with redirect_stdout(sys.stderr):
            return dict(self._trial.train())

    def told(self, method: str) -> list[tuple[str, str]]:
        """Returns what the trial tells of itself; nothing if its stage has no such method."""
        return list(getattr(self._trial, method)()) if hasattr(self._trial, method) else []

    def what_is_missing(self) -> str:
        """Returns what the trial has waited for in vain, and the fix; "" if it cannot tell."""
        return str(getattr(self._trial, "what_is_missing", str)())

    def memory_source(self) -> str:
        """Returns what the trial's memory figure is of; "" if nobody measured it."""
        return str(getattr(self._trial, "memory_source", str)())


@contextmanager
def at_most(seconds: float) -> Iterator[None]:
    """Raises OutOfTimeError in the body if that takes longer; for the main thread.

    A timer of somebody else's goes on afterwards.
    """

    def ring(_signum: int, _frame: FrameType | None) -> None:
        raise OutOfTimeError

    handler = signal.signal(signal.SIGALRM, ring)
    left_s, interval_s = signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, left_s, interval_s)
        signal.signal(signal.SIGALRM, handler)
