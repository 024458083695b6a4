"""What happens to the folder of results while the program runs."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from benchmarks.faults_alone.seen import Seen, watch
from benchmarks.faults_alone.small_disk import fill, mount, small_disk
from benchmarks.faults_alone.watched import LIMIT_S, Program

FULL = Path("/dev/full")


def disk_fills() -> Seen:
    """The disk of the results fills up in mid-run; then there is space again, and a restore."""
    with Program() as program, small_disk(program.storage, "3m") as disk:
        program.start()
        program.wait_for_note("step", 4)
        filler = fill(disk)
        seen = watch(program)
        filler.unlink()
        program.start(restore=True)
        return seen.also(then_restored=str(watch(program, from_start=True)))


def temporary_disk_fills() -> Seen:
    """The disk of Ray's temporary folder fills up in mid-run."""
    with Program() as program, small_disk(program.folder / "r", "200m") as disk:
        init = {**program.options["init"], "object_store_memory": 80_000_000}
        program.start(init=init)
        program.wait_for_note("step", 4)
        fill(disk)
        return watch(program)


def disk_turns_read_only() -> Seen:
    """The disk of the results turns read-only in mid-run."""
    with Program() as program, small_disk(program.storage, "3m") as disk:
        program.start()
        program.wait_for_note("step", 4)
        mount("-o", "remount,ro", disk)
        return watch(program)


def folder_is_moved() -> Seen:
    """The folder of the results is moved in mid-run."""

    def move(program: Program) -> None:
        program.storage.rename(program.folder / "elsewhere")

    seen, program_files = _with_folder(move)
    return seen.also(**program_files)


def folder_is_deleted() -> Seen:
    """The folder of the results is deleted in mid-run."""
    seen, program_files = _with_folder(lambda program: shutil.rmtree(program.storage, ignore_errors=True))
    return seen.also(**program_files)


def _with_folder(change: Callable[[Program], None]) -> tuple[Seen, dict[str, str]]:
    with Program().start() as program:
        program.wait_for_note("step", 5)
        change(program)
        seen = watch(program)
        where = {name: _holds(program.folder / name) for name in ("storage", "elsewhere")}
        return seen, where


def _holds(folder: Path) -> str:
    states = len(list(folder.rglob("experiment_state-*.json")))
    return f"{states} states, {len(list(folder.rglob('result.json')))} of result.json"


def standard_output_is_full() -> Seen:
    """The disk below standard output is full from the start."""
    with Program() as program:
        program.start(to=FULL)
        seen = watch(program, from_start=True)
        return seen.also(states=_holds(program.storage))


def sqlite_is_locked() -> Seen:
    """Another process holds the lock of Optuna's SQLite file for good."""
    with Program() as program:
        file = program.folder / "optuna.sqlite3"
        program.start(sqlite=str(file))
        program.wait_for_note("step", 2)
        with closing(sqlite3.connect(file, timeout=30.0)) as database:
            database.execute("BEGIN EXCLUSIVE")
            return watch(program, LIMIT_S)


ALL = (
    disk_fills,
    temporary_disk_fills,
    disk_turns_read_only,
    folder_is_moved,
    folder_is_deleted,
    standard_output_is_full,
    sqlite_is_locked,
)
