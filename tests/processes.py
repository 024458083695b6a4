"""The command line as a real process, for tests that watch, signal or kill it."""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from tests.studies import study_dict

ROOT = Path(__file__).parent.parent
TUNER = [sys.executable, "-m", "tuner.run"]


def write_study(folder: Path, **changes: Any) -> Path:
    """Writes a study of the synthetic stage."""
    path = folder / "study.yaml"
    path.write_text(yaml.safe_dump(study_dict(**changes), sort_keys=False))
    return path


def run_tuner(
    *args: str | Path, timeout_s: float = 120, cwd: Path = ROOT, **env: str
) -> subprocess.CompletedProcess[str]:
    """Runs the command line to its end, in ``cwd``; standard output is a pipe."""
    command = [*TUNER, *map(str, args)]
    environment = os.environ | {"PYTHONPATH": str(ROOT)} | env
    return subprocess.run(
        command, cwd=cwd, capture_output=True, text=True, timeout=timeout_s, env=environment, check=False
    )


def wait_until(condition: Callable[[], bool], *, timeout_s: float = 90) -> None:
    """Returns once `condition` holds; fails after `timeout_s`."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "timed out"
        time.sleep(0.1)


def is_alive(pid: int) -> bool:
    """True while a process exists that is not a zombie."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"


def title(pid: int) -> str:
    """What `ps` shows of a process; a question mark when it is gone or a zombie."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ").strip() or "?"
    except (FileNotFoundError, ProcessLookupError):
        return "?"


def descendants(pid: int) -> set[int]:
    """All processes below `pid`."""
    parents: dict[int, int] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parents[int(entry.name)] = int((entry / "stat").read_text().rsplit(")", 1)[1].split()[1])
            except (FileNotFoundError, ProcessLookupError):
                continue
    found: set[int] = set()
    frontier = {pid}
    while frontier:
        frontier = {child for child, parent in parents.items() if parent in frontier} - found
        found |= frontier
    return found
