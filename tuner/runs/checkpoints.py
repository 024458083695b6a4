"""The checkpoints of a run's trials, `checkpoints/TRIAL_ID/` in its folder; stages write them.

Knows the names of the files, `epoch-K.pkl`, not what is in them. Where a worker does not see the run's
folder, nothing is ever written here, and every trial begins anew.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path

from tuner.advisor.messages import Run

_FOLDER = "checkpoints"
_KEPT = re.compile(r"epoch-(\d+)\.pkl")


class Checkpoints:
    """A folder for each trial that runs, or that was lost and will be asked again.

    Args:
        run_folder: Folder of the run; what is kept of its trials is below it.
    """

    def __init__(self, run_folder: Path) -> None:
        self._folder = run_folder.absolute() / _FOLDER

    @classmethod
    def are_in(cls, run_folder: Path) -> bool:
        """Whether a run's folder holds checkpoints."""
        return bool(cls._listed(run_folder / _FOLDER))

    def open(self, run: Run) -> Path:
        """The folder of a trial about to start: empty, or with the checkpoint that it goes on from.

        That of the lost trial becomes its own, so that it is there if this one is lost soon as well.
        """
        own = self._folder / run.trial_id
        shutil.rmtree(own, ignore_errors=True)
        with suppress(OSError):  # without a folder there is no checkpoint, and no harm done
            self._folder.mkdir(exist_ok=True)
            if run.resumed_from:
                (self._folder / run.resumed_from).rename(own)
        with suppress(OSError):
            own.mkdir(exist_ok=True)
        return own

    def epoch_of(self, trial_id: str) -> int:
        """The epoch after which a trial's newest checkpoint was taken; 0 if there is none."""
        names = [path.name for path in self._listed(self._folder / trial_id)]
        return max((int(found[1]) for name in names if (found := _KEPT.fullmatch(name))), default=0)

    def keep_only(self, trial_ids: Collection[str]) -> None:
        """Deletes the checkpoints of all other trials, and the folder itself when it is empty then."""
        listed = self._listed(self._folder)
        for path in listed:
            if path.name not in trial_ids:
                shutil.rmtree(path, ignore_errors=True)
        if listed:
            with suppress(OSError):
                self._folder.rmdir()

    @staticmethod
    def _listed(folder: Path) -> list[Path]:
        try:
            return list(folder.iterdir())
        except OSError:
            return []
