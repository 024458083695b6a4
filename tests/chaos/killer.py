"""Kills a run's processes at random moments, and goes on with the run after every death of its driver.

Every kill is a real SIGKILL. A seed draws what is killed, and when.
"""

from __future__ import annotations

import itertools
import os
import random
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from tests.processes import ROOT, TUNER, descendants, title, wait_until

VICTIMS: dict[str, Callable[[str], bool]] = {
    "driver": lambda _: False,  # not among its own descendants
    "worker": lambda title: title.startswith("ray::") and "Agent" not in title,
    "raylet": lambda title: title.split()[0].endswith("/raylet"),
    "gcs_server": lambda title: title.split()[0].endswith("/gcs_server"),
    "follower": lambda title: "tuner.run follow" in title,
}
"""Who may be killed, and how `ps` shows each."""

ENDS_THE_DRIVER = {"driver": -signal.SIGKILL, "raylet": 2, "gcs_server": 2}
"""The exit code of the driver after a kill that ends it."""

FIRST_SECONDS, WHOLE_TRIALS = 3.0, 15.0
"""Kills come within so many seconds after the last start or kill, half of them each."""


@dataclass(frozen=True, slots=True)
class Kill:
    """What is killed, and how long after the last start or kill."""

    victim: str
    after_s: float


def plan(num_kills: int, seed: int) -> list[Kill]:
    """Draws the kills: each victim as often as any other, in any order, at any moment."""
    draw = random.Random(seed)
    victims = list(itertools.islice(itertools.cycle(VICTIMS), num_kills))
    draw.shuffle(victims)
    while not _can_be_found(victims):
        draw.shuffle(victims)
    return [Kill(name, draw.uniform(0, draw.choice((FIRST_SECONDS, WHOLE_TRIALS)))) for name in victims]


def _can_be_found(victims: Sequence[str]) -> bool:
    """Whether no follower is killed twice while one driver lives: only a driver starts another."""
    is_dead = False
    for victim in victims:
        if victim == "follower" and is_dead:
            return False
        is_dead = victim == "follower" or (is_dead and victim not in ENDS_THE_DRIVER)
    return True


class Chaos:
    """Runs a study, kills its processes, and goes on with it.

    Args:
        study: File of the study.
        folder: Holds `runs`, and what the run says; made if it is missing.
    """

    def __init__(self, study: Path, folder: Path) -> None:
        folder.mkdir(exist_ok=True)
        self.run = folder / "runs/last"
        self._study, self._runs = study, folder / "runs"
        self._output = folder / "output.txt"
        self._kept = b""

    @property
    def said(self) -> str:
        """All that the run has said on its standard streams."""
        return self._output.read_text()

    def carry_out(self, kills: Sequence[Kill], say: Callable[[str], object] = lambda _: None) -> int:
        """Runs the study to its end through all kills; returns the exit code of its last process.

        Raises:
            AssertionError: The run ended before the last kill, a driver ended otherwise than it must after
                a kill or did not end, or a line that was in the journal is no longer there.
        """
        process = self._start()
        try:
            for number, kill in enumerate(kills, start=1):
                say(f"{number:3d}. {kill.victim} {kill.after_s:.1f} s after the last")
                self._kill(process, kill)
                if kill.victim in ENDS_THE_DRIVER:
                    code = process.wait(timeout=60)
                    assert code == ENDS_THE_DRIVER[kill.victim], f"exit {code} after {kill}:\n{self.said}"
                    self._check_kept()
                    process = self._start()
            code = process.wait(timeout=900)
            self._check_kept()
            return code
        finally:
            process.kill()
            process.wait()

    def _start(self) -> subprocess.Popen[bytes]:
        """Starts the run, or goes on with it if it has begun."""
        words = ["--resume", str(self.run)] if self._kept else ["--space", str(self._study)]
        if not self._kept:
            words += ["--runs-dir", str(self._runs)]
        with self._output.open("a") as output:
            return subprocess.Popen([*TUNER, *words], cwd=ROOT, stdout=output, stderr=output)

    def _kill(self, process: subprocess.Popen[bytes], kill: Kill) -> None:
        """Waits for the moment, and for the victim to be there."""
        time.sleep(kill.after_s)
        found: list[int] = []

        def is_there() -> bool:
            assert process.poll() is None, f"the run ended before {kill}:\n{self.said}"
            found[:] = [process.pid] if kill.victim == "driver" else self._find(process.pid, kill.victim)
            return bool(found)

        wait_until(is_there)
        with suppress(ProcessLookupError):  # it ended in this moment: as if it had been killed
            os.kill(found[0], signal.SIGKILL)

    def _find(self, driver: int, victim: str) -> list[int]:
        return sorted(pid for pid in descendants(driver) if VICTIMS[victim](title(pid)))

    def _check_kept(self) -> None:
        """Every whole line that was in the journal is still there, and nothing before it has changed."""
        journal = self.run / "journal.jsonl"
        now = journal.read_bytes() if journal.exists() else b""
        assert now.startswith(self._kept), "the journal has lost what it held"
        self._kept = now[: now.rfind(b"\n") + 1]
