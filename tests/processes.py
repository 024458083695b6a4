"""The command line as a real process, for tests that watch, signal or kill it."""

import io
import ipaddress
import os
import pty
import select
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import redirect_stderr, redirect_stdout, suppress
from pathlib import Path
from typing import Any, Self

import yaml

from tests.studies import study_dict
from tuner.run import main

ROOT = Path(__file__).parent.parent
TUNER = [sys.executable, "-m", "tuner.run"]


def write_study(folder: Path, **changes: Any) -> Path:
    """Writes a study of the synthetic stage."""
    path = folder / "study.yaml"
    path.write_text(yaml.safe_dump(study_dict(**changes), sort_keys=False))
    return path


def run_tuner(
    *args: str | Path, timeout_s: float = 280, cwd: Path = ROOT, **env: str
) -> subprocess.CompletedProcess[str]:
    """Runs the command line to its end, in ``cwd``; standard output is a pipe."""
    command = [*TUNER, *map(str, args)]
    environment = os.environ | {"PYTHONPATH": str(ROOT)} | env
    return subprocess.run(
        command, cwd=cwd, capture_output=True, text=True, timeout=timeout_s, env=environment, check=False
    )


def call_tuner(*args: str | Path) -> subprocess.CompletedProcess[str]:
    """The command line in this process: the same as `run_tuner` where a process is not what is tested.

    An interpreter of its own takes seconds to import scipy, optuna and rich. Ray belongs to a process: what
    starts it is for `run_tuner`, and what only runs on it for the fixture `call_on_ray`.
    """
    words = list(map(str, args))
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        code = main(words)
    return subprocess.CompletedProcess([*TUNER, *words], code, out.getvalue(), err.getvalue())


class Terminal:
    """A command on a terminal of its own, in whose foreground it is."""

    def __init__(self, command: Sequence[str], cwd: Path = ROOT) -> None:
        self._command, self._cwd = list(command), cwd
        self._read = b""

    def __enter__(self) -> Self:
        self._master, other_end = pty.openpty()
        self._process = subprocess.Popen(
            ["setsid", "--ctty", *self._command],
            cwd=self._cwd,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
            stdin=other_end,
            stdout=other_end,
            stderr=other_end,
        )
        os.close(other_end)
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()
        self.hang_up()

    @property
    def output(self) -> str:
        """What was written to the terminal and read so far."""
        return self._read.decode(errors="replace")

    def wait_for(self, text: str) -> None:
        """Returns once the command has written `text`."""
        wait_until(lambda: text in self._more())

    def press_ctrl_c(self) -> None:
        """The terminal sends SIGINT to everything in its foreground."""
        os.write(self._master, b"\x03")

    def hang_up(self) -> None:
        """The terminal is no more."""
        if self._master >= 0:
            os.close(self._master)
        self._master = -1

    def exit_code(self) -> int:
        """Waits for the end of the command."""

        def has_ended() -> bool:
            self._more()
            return self._process.poll() is not None

        wait_until(has_ended)
        return self._process.wait()

    def _more(self) -> str:
        while self._master >= 0 and select.select([self._master], [], [], 0)[0]:
            try:
                self._read += os.read(self._master, 1 << 16)
            except OSError:  # nobody has it open any more
                break
        return self.output


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
    """Returns what `ps` shows of a process; a question mark if it is gone or a zombie."""
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


def in_namespaces(*options: str) -> list[str]:
    """The words before a command that `unshare` is to run; none where the system does not allow that."""
    words = ["unshare", "--user", *options]
    with suppress(FileNotFoundError):
        if subprocess.run([*words, "true"], capture_output=True, check=False).returncode == 0:
            return words
    return []


def own_processes() -> list[str]:
    """The same for a command that is to see, and to leave, no process but its own, as in a container."""
    return in_namespaces("--map-root-user", "--pid", "--fork", "--mount-proc", "--kill-child")


def listening(pids: Iterable[int]) -> dict[str, str]:
    """Every address and port that processes listen at by TCP, with who does."""
    owners: dict[str, str] = {}
    for pid in pids:
        with suppress(FileNotFoundError, ProcessLookupError):
            for fd in Path(f"/proc/{pid}/fd").iterdir():
                with suppress(FileNotFoundError):
                    owners[os.readlink(fd)] = title(pid)
    found = {}
    for table in (Path("/proc/net/tcp"), Path("/proc/net/tcp6")):
        for line in table.read_text().splitlines()[1:]:
            _, local, _, state, *_, inode = line.split()[:10]
            owner = owners.get(f"socket:[{inode}]")
            if owner and state == "0A":  # TCP_LISTEN
                found[_address(local)] = owner
    return found


def _address(text: str) -> str:
    """An address as /proc shows it: words of four bytes, the least significant one first."""
    words, port = text.split(":")
    raw = b"".join(bytes.fromhex(words[at : at + 8])[::-1] for at in range(0, len(words), 8))
    address = ipaddress.ip_address(raw)
    mapped = getattr(address, "ipv4_mapped", None)
    return f"{mapped or address}:{int(port, 16)}"


def is_loopback(address: str) -> bool:
    """Whether only this machine reaches what `listening` found."""
    return ipaddress.ip_address(address.rpartition(":")[0]).is_loopback
