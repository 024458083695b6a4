"""A run whose driver was killed, what is changed of it, and what Tuner.restore makes of that."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.faults_alone.seen import Seen, watch
from benchmarks.faults_alone.small_disk import mount, unmount
from benchmarks.faults_alone.watched import Program


@contextmanager
def _killed(**options: Any) -> Iterator[Program]:
    """A program of six trials, whose driver was killed in its fourth; it took a snapshot every second."""
    with Program(trials=6, **options).start(env={"TUNE_GLOBAL_CHECKPOINT_S": "1"}) as program:
        program.wait_for_note("step", 11)
        program.kill(program.pid)
        watch(program)
        program.end()
        yield program


def _restored(change: Callable[[Path], None], **options: Any) -> Seen:
    """Watches a restore after a change to the experiment's folder."""
    with _killed() as program:
        change(program.storage / "alone")
        program.start(restore=True, **options)
        seen = watch(program, from_start=True)
        losses = [round(one["loss"] or 0.0, 2) for one in program.results or []]
        return seen.also(losses=losses)


def _state(folder: Path) -> Path:
    return max(folder.glob("experiment_state-*.json"))


def state_is_cut() -> Seen:
    """The experiment's state is cut in half."""

    def cut(folder: Path) -> None:
        state = _state(folder)
        state.write_bytes(state.read_bytes()[: state.stat().st_size // 2])

    return _restored(cut)


def state_has_zeroes() -> Seen:
    """64 bytes in the middle of the experiment's state are zero."""

    def zero(folder: Path) -> None:
        state, text = _state(folder), bytearray(_state(folder).read_bytes())
        middle = len(text) // 2
        text[middle : middle + 64] = bytes(64)
        state.write_bytes(text)

    return _restored(zero)


def state_has_another_shape() -> Seen:
    """The experiment's state is JSON of another shape."""
    return _restored(lambda folder: _edit(_state(folder), {"trial_data": [1, 2], "runner_data": None}))


def state_has_another_value() -> Seen:
    """A finished trial's loss in the experiment's state is changed."""

    def change(folder: Path) -> None:
        state = _state(folder)
        text = state.read_text()
        data = json.loads(text)
        trials = [[_with_loss(part, -99.0) for part in trial] for trial in data["trial_data"]]
        state.write_text(json.dumps(data | {"trial_data": trials}))

    return _restored(change)


def _with_loss(part: str, loss: float) -> str:
    """Returns a part of a trial's state, as JSON, with another loss if it has the last result."""
    data = json.loads(part)
    if "loss" in data.get("last_result", {}):
        data["last_result"]["loss"] = loss
    return json.dumps(data)


def _edit(file: Path, changes: dict[str, Any]) -> None:
    file.write_text(json.dumps(json.loads(file.read_text()) | changes))


def tuner_file_is_lost() -> Seen:
    """tuner.pkl, which holds the search's settings, is lost."""
    return _restored(lambda folder: (folder / "tuner.pkl").unlink())


def results_have_a_torn_line() -> Seen:
    """A trial's result.json ends in half a line."""

    def tear(folder: Path) -> None:
        for results in folder.rglob("result.json"):
            results.write_bytes(results.read_bytes()[:-40])

    return _restored(tear)


def checkpoint_is_torn() -> Seen:
    """The checkpoint of the unfinished trial is cut short."""

    def tear(folder: Path) -> None:
        for state in folder.rglob("state.json"):
            state.write_text('{"at"')

    return _restored(tear)


def space_is_changed() -> Seen:
    """Tuner.restore is given another search space."""
    with _killed() as program:
        program.start(restore=True, low=0.9)
        seen = watch(program, from_start=True)
        values = {note["trial"]: note["x"] for note in program.notes}
        return seen.also(values=[round(value, 2) for value in values.values()])


def training_is_changed() -> Seen:
    """Tuner.restore is given another training: twice the steps."""
    return _restored(lambda _: None, steps=6)


def restored_twice_at_once() -> Seen:
    """Two processes restore one experiment at the same time."""
    with _killed() as program, Program(**_same_place(program)) as other:
        other.notes_file = program.notes_file
        program.start(restore=True)
        other.start(restore=True)
        seen = watch(program, from_start=True)
        return seen.also(the_other=str(watch(other, from_start=True)))


def _same_place(program: Program) -> dict[str, Any]:
    return {"storage": str(program.storage), "notes": str(program.notes_file), "trials": 6}


def restored_on_a_read_only_disk() -> Seen:
    """The folder cannot be written to when it is restored."""
    with _killed() as program:
        kept = program.folder / "kept"
        shutil.move(program.storage, kept)
        program.storage.mkdir()
        mount("--bind", kept, program.storage)
        mount("-o", "remount,bind,ro", program.storage)
        try:
            program.start(restore=True)
            return watch(program, from_start=True)
        finally:
            unmount(program.storage)


ALL = (
    state_is_cut,
    state_has_zeroes,
    state_has_another_shape,
    state_has_another_value,
    tuner_file_is_lost,
    results_have_a_torn_line,
    checkpoint_is_torn,
    space_is_changed,
    training_is_changed,
    restored_twice_at_once,
    restored_on_a_read_only_disk,
)
