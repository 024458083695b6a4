"""The checkpoint files from which a trial continues. Knows nothing of their contents but the epoch.

Whoever asks for a trial makes it a folder and names it in the trial's config. The trial keeps its newest
checkpoint there as ``epoch-K.pkl``, and never makes the folder: on a node that does not see it there is none.
"""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from foundation.whole_file import whole_file

_FILE = "trial.pkl"
_DRAFT = ".draft"


def write(folder: str, state: dict[str, Any]) -> None:
    """Writes ``state`` into a folder of its own."""
    _write(Path(folder, _FILE), state)


def read(folder: str) -> dict[str, Any]:
    """Returns what ``write`` wrote there; only for files of one's own study, since a pickle can run code."""
    return _read(Path(folder, _FILE))


def require_epoch(state: Mapping[str, Any], epoch: int) -> None:
    """Raises ValueError unless a checkpoint was taken after this epoch."""
    found = state["progress"]["epoch"]
    if found != epoch:
        raise ValueError(f"the checkpoint is of epoch {found} instead of {epoch}")


class TrialFolder:
    """The folder of one trial, with its newest checkpoint.

    Args:
        path: The folder's path; empty if there is no folder.
    """

    def __init__(self, path: str = "") -> None:
        self._path = Path(path) if path else None
        self._newest = 0

    def wants(self, epoch: int) -> bool:
        """Whether a checkpoint after this epoch would be kept, and is not there yet."""
        return self._path is not None and epoch > self._newest and self._path.is_dir()

    def keep(self, epoch: int, state: dict[str, Any]) -> None:
        """Writes the complete checkpoint of an epoch, then drops older ones.

        If it cannot be written (the disk is full, the folder has gone), the trial is not at fault: the
        checkpoint before it stays.
        """
        assert self._path is not None  # it was wanted
        with suppress(OSError):
            _write(self._file(epoch), state)
            self._newest = epoch
            self._drop(all_but=self._file(epoch))

    def read(self, epoch: int) -> dict[str, Any]:
        """Returns the checkpoint of an epoch; raises whatever a missing or damaged file leads to."""
        state = _read(self._file(epoch))
        self._newest = epoch
        return state

    def clear(self) -> None:
        """Deletes the checkpoints in the folder, because the trial begins anew."""
        self._newest = 0
        with suppress(OSError):
            self._drop()

    def _file(self, epoch: int) -> Path:
        assert self._path is not None
        return self._path / f"epoch-{epoch}.pkl"

    def _drop(self, all_but: Path | None = None) -> None:
        for path in self._path.glob("epoch-*.pkl") if self._path else ():
            if path != all_but:
                path.unlink()


def _write(path: Path, state: dict[str, Any]) -> None:
    with whole_file(path, path.with_name(_DRAFT)) as draft, draft.open("wb") as file:
        pickle.dump(state, file)


def _read(path: Path) -> dict[str, Any]:
    with path.open("rb") as file:
        state: dict[str, Any] = pickle.load(file)  # noqa: S301 - of one's own study, see ``read``
    return state
