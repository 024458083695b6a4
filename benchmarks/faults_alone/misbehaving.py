"""What a training does wrong: real exceptions, real hangs, real deaths. Knows neither Ray nor ours."""

from __future__ import annotations

import os
import signal
import threading
import time
from pathlib import Path
from typing import Any

HOURS_S = 3600.0
MIB_5 = 5_000_000
RED = "\x1b[31m"


class CannotTravelError(Exception):
    """An exception that holds a lock, which cannot be pickled."""

    def __init__(self) -> None:
        super().__init__("the cause, which nobody reads")
        self.lock = threading.Lock()


def in_setup(fault: str) -> None:
    """Does what a fault of the set-up does."""
    if fault == "setup hangs":
        time.sleep(HOURS_S)
    if fault == "setup raises 5 MB":
        raise RuntimeError(RED + "x" * MIB_5)


def in_step(fault: str, result: dict[str, Any]) -> dict[str, Any]:
    """Returns the result of a step as a fault leaves it."""
    if fault == "step hangs":
        time.sleep(HOURS_S)
    if fault == "step raises what cannot be pickled":
        raise CannotTravelError
    if fault == "worker dies" and result["epoch"] == 2:
        os.kill(os.getpid(), signal.SIGKILL)
    changed: dict[str, dict[str, Any]] = {
        "loss is NaN": {"loss": float("nan")},
        "same epoch twice": {"epoch": 1},
        "odd texts": {"note": RED + "x" * MIB_5, RED + "name": 1.0, "formula": "=1+1", "lines": "one\ntwo"},
    }
    if fault == "loss is missing":
        return {name: value for name, value in result.items() if name != "loss"}
    return result | changed.get(fault, {})


def in_save(fault: str, folder: Path, at: int) -> None:
    """Dies in the middle of the first checkpoint after the first step, as a killed process does."""
    if fault == "worker dies in its checkpoint" and at == 2:
        (folder / "state.json").write_text('{"at"')
        os.kill(os.getpid(), signal.SIGKILL)


def cannot_be_pickled(kind: type) -> type:
    """Returns a class that holds a lock."""
    return type("Training", (kind,), {"lock": threading.Lock()})


def set_clock_back(notes: Path) -> None:
    """Lets this process see a clock that is set back by an hour, once a first step was noted."""
    now = time.time

    def set_back() -> None:
        while not (notes.exists() and "step" in notes.read_text()):
            time.sleep(0.1)
        time.time = lambda: now() - HOURS_S
        print("SET BACK", flush=True)

    threading.Thread(target=set_back, daemon=True).start()
