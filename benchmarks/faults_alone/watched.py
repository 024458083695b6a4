"""Runs the plain program in a place of its own, and watches it. Knows processes; not the faults."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

from trainables.command import ending

PROGRAM = Path(__file__).with_name("program.py")
AS_FROM_A_TERMINAL = ("env", "--default-signal=INT,HUP,TERM")
"""A shell's background job, which this may be, ignores Ctrl-C, and so would what it starts."""
POLL_S = 0.1
LIMIT_S = 90.0
"""How long anything may take before it is `still waiting`."""
STARTS_S = 180.0
"""How long Ray may take to start and to run a first trial, on a machine that is busy."""
WORDS = re.compile(r"error|fail|died|dead|exception|warn|kill|signal|interrupt|no space|timed out", re.I)


class Program:
    """The plain program with a private Ray, in a temporary folder; as a context it leaves no process."""

    def __init__(self, **options: Any) -> None:
        # Paths of sockets may have 107 characters.
        self.folder = Path(tempfile.mkdtemp(prefix="alone-"))
        self.storage, self.notes_file = self.folder / "storage", self.folder / "notes.jsonl"
        self.output = self.folder / "output.txt"
        self.output.touch()
        self.mark = uuid.uuid4().hex
        init = {"address": "local", "num_cpus": 1, "include_dashboard": False}
        self.options: dict[str, Any] = {
            "init": init | {"_temp_dir": str(self.folder / "r")},
            "storage": str(self.storage),
            "notes": str(self.notes_file),
        } | options
        self._processes: list[subprocess.Popen[bytes]] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.end()
        shutil.rmtree(self.folder, ignore_errors=True)

    def start(
        self,
        *,
        env: Mapping[str, str] | None = None,
        before: tuple[str, ...] = (),
        to: Path | None = None,
        **changed: Any,
    ) -> Program:
        """Starts it, with changed options; its output follows on what was printed before, or goes elsewhere.

        Args:
            env: Variables of its environment beside those of this process.
            before: Words before the command.
            to: A file for its output, which is then not read; None for one of its own.
            changed: Options that differ this time.
        """
        home = self.folder / "home"
        home.mkdir(exist_ok=True)
        own = {
            ending.VARIABLE: self.mark,
            "HOME": str(home),
            "PYTHONUNBUFFERED": "1",
            "RAY_USAGE_STATS_ENABLED": "0",
            "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",  # its ports are on the loopback only
        }
        kept = {key: value for key, value in os.environ.items() if not key.startswith("RAY_")}
        self.began_s = time.monotonic()
        self._read_from = self.output.stat().st_size
        with (to or self.output).open("ab") as output:
            self._process = subprocess.Popen(  # noqa: S603  # this interpreter
                [
                    *AS_FROM_A_TERMINAL,
                    *before,
                    sys.executable,
                    str(PROGRAM),
                    json.dumps(self.options | changed),
                ],
                cwd=self.folder,
                env=kept | own | dict(env or {}),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._processes.append(self._process)
        return self

    def end(self) -> None:
        """Ends all of its processes."""
        for process in self._processes:
            ending.end_all(process.pid, self.mark, 0.0)
            process.wait()

    @property
    def pid(self) -> int:
        """The driver."""
        return self._process.pid

    @property
    def pids(self) -> set[int]:
        """The driver and all that it started and that lives."""
        return ending.members(self.pid, self.mark)

    def pid_of(self, name: str) -> int:
        """The process of Ray with that name, such as `raylet`."""
        (pid,) = (pid for pid in self.pids if _title(pid).split(" ")[0].endswith(f"/{name}"))
        return pid

    @property
    def said(self) -> str:
        """What was printed since the last start."""
        return self.output.read_bytes()[self._read_from :].decode(errors="replace")

    @property
    def notes(self) -> list[dict[str, Any]]:
        """What the training noted, of all starts."""
        if not self.notes_file.exists():
            return []
        return [json.loads(line) for line in self.notes_file.read_text().splitlines()]

    @property
    def finished(self) -> set[str]:
        """Trials that came to their end."""
        return {note["trial"] for note in self.notes if note["what"] == "end"}

    @property
    def results(self) -> list[dict[str, Any]] | None:
        """What Tune returned in the end, since the last start; None if it returned nothing."""
        lines = [line for line in self.said.splitlines() if line.startswith("RESULTS ")]
        return json.loads(lines[-1].removeprefix("RESULTS ")) if lines else None

    def wait_for(self, condition: Callable[[], object], limit_s: float = STARTS_S) -> bool:
        """Waits until a condition holds, the program has ended, or the limit has passed; whether it holds."""
        deadline = time.monotonic() + limit_s
        while not (held := bool(condition())) and self.code is None and time.monotonic() < deadline:
            time.sleep(POLL_S)
        return held or bool(condition())

    def wait_for_note(self, what: str, number: int = 1, limit_s: float = STARTS_S) -> dict[str, Any]:
        """Waits for so many notes of a kind, and returns the last of them."""

        def found() -> list[dict[str, Any]]:
            return [note for note in self.notes if note["what"] == what]

        if not self.wait_for(lambda: len(found()) >= number, limit_s):
            raise RuntimeError(f"the program never came to its fault: {self.said[-2000:]}")
        return found()[number - 1]

    @property
    def code(self) -> int | None:
        """The exit code, negative for a signal; None while it runs. Its number stays its own."""
        if self._process.returncode is not None:
            return self._process.returncode
        ended = os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        if ended is None:
            return None
        return ended.si_status if ended.si_code == os.CLD_EXITED else -ended.si_status

    def kill(self, pid: int, signum: int = signal.SIGKILL) -> None:
        """Sends a signal to one process, if it still lives."""
        with suppress(ProcessLookupError):
            os.kill(pid, signum)


def first_word_of_trouble(text: str) -> str:
    """Returns the first line that speaks of trouble; empty if none does."""
    for line in text.splitlines():
        if WORDS.search(line) and "authentication" not in line and not line.startswith("RESULTS "):
            return line.strip()
    return ""


def _title(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ")
    except OSError:
        return ""
