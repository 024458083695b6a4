"""Says who writes to a journal, in files beside it, where the file system knows no locks.

Each writer makes a file of its own, which names its process, before it looks for those of others. Of two that
begin at the same moment, the later one at least sees the other's; both may be refused, both are never let in.
A process is known by machine (its boot), PID namespace, PID and start, so that neither a reboot nor another
process of the same number passes for it. Of a process on another machine, or in another container, nobody can
tell from here whether it lives: it counts as if it did.
"""

from __future__ import annotations

import json
import os
import socket
import uuid
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self

from foundation.whole_file import whole_file

_PREFIX = ".writer-"
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_STATE, _START = 3 - 3, 22 - 3
"""Indices in what follows a process's name in its `stat`, whose fields 1 and 2 are its PID and its name."""
_DEAD = "ZX"
"""States of a process that is dead, though its parent has not heard of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Process:
    """A process, as any other may find out whether it lives.

    Attributes:
        host: Name of its machine, for people.
        boot: What the machine's kernel calls this boot; empty where it does not say.
        namespace: Its PID namespace, without which a PID means nothing.
        pid: Its PID there.
        start: When it began, in the kernel's ticks since the boot.
    """

    host: str
    boot: str
    namespace: str
    pid: int
    start: str

    @classmethod
    def own(cls) -> Self:
        """Returns this process."""
        try:
            boot, namespace = _BOOT_ID.read_text().strip(), os.readlink("/proc/self/ns/pid")
        except OSError:
            boot = namespace = ""
        pid = os.getpid()
        return cls(host=socket.gethostname(), boot=boot, namespace=namespace, pid=pid, start=_start_of(pid))

    def lives(self) -> bool | None:
        """Whether it lives; None where that cannot be told from here."""
        here = Process.own()
        if not here.boot or (self.boot, self.namespace) != (here.boot, here.namespace):
            return None
        if start := _start_of(self.pid):
            return start == self.start
        return None if _is_hidden(self.pid) else False


@dataclass(frozen=True, slots=True, kw_only=True)
class Writer:
    """A file that names a process, and the process; None if the file cannot be read."""

    file: Path
    process: Process | None

    def lives(self) -> bool | None:
        """Whether the process lives; None where that cannot be told."""
        return None if self.process is None else self.process.lives()

    def __str__(self) -> str:
        if self.process is None:
            return f"the process that {self.file.name} names"
        return f"process {self.process.pid} on {self.process.host}"


def enter(folder: Path) -> tuple[Path, list[Writer]]:
    """Makes this process's file, and removes those of processes that are dead.

    Args:
        folder: The folder of the journal.

    Returns:
        The file, to be removed when this process writes no more, and the writers that are not known to be
        dead. Unless there is none, this process must not write.

    Raises:
        OSError: The folder cannot be written to.
    """
    own = folder / f"{_PREFIX}{uuid.uuid4().hex[:8]}"
    with whole_file(own) as draft:
        draft.write_text(json.dumps(asdict(Process.own())), encoding="utf-8")
    others = []
    for writer in writers(folder):
        if writer.file == own:
            continue
        if writer.lives() is False:
            writer.file.unlink(missing_ok=True)
        else:
            others.append(writer)
    return own, others


def writers(folder: Path) -> list[Writer]:
    """Returns the writers of the journal in a folder, dead ones too."""
    return [Writer(file=file, process=_read(file)) for file in sorted(folder.glob(f"{_PREFIX}*"))]


def _read(file: Path) -> Process | None:
    try:
        return Process(**json.loads(file.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def _start_of(pid: int) -> str:
    """Returns when a process of this PID namespace began; empty if it is dead, or hidden from this user."""
    with suppress(OSError):
        fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
        return "" if fields[_STATE] in _DEAD else fields[_START]
    return ""


def _is_hidden(pid: int) -> bool:
    """Whether there is a process whose `stat` this user may not be able to read: another user's."""
    try:
        os.kill(pid, 0)
    except OSError as error:
        return isinstance(error, PermissionError)
    return False
