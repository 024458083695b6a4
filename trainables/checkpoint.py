"""The file that a trial is resumed from. Does not know what is in it."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

_FILE = "trial.pkl"


def write(folder: str, state: dict[str, Any]) -> None:
    """Writes ``state`` into a folder of its own."""
    with Path(folder, _FILE).open("wb") as file:
        pickle.dump(state, file)


def read(folder: str) -> dict[str, Any]:
    """What ``write`` wrote there; only for files of one's own study, since a pickle can run code."""
    with Path(folder, _FILE).open("rb") as file:
        state: dict[str, Any] = pickle.load(file)  # noqa: S301 - see above
    return state
