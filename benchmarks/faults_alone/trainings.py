"""What a training, or the class of it, does wrong."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from benchmarks.faults_alone.seen import Seen, watch
from benchmarks.faults_alone.watched import LIMIT_S, Program

ELSEWHERE = """
def needed_by(kind):
    return type("Training", (kind,), {"setup": lambda self, config: (kind.setup(self, config), help_it())})


def help_it():
    return None
"""


def _second_trial(fault: str, **options: Any) -> Seen:
    """Watches a program whose second trial does something wrong."""
    with Program(fault=fault, **options).start() as program:
        program.wait_for_note("setup", 2)
        return watch(program)


def setup_hangs() -> Seen:
    """The set-up of the second trial hangs."""
    return _second_trial("setup hangs")


def step_hangs() -> Seen:
    """A step of the second trial hangs."""
    return _second_trial("step hangs")


def loss_is_nan() -> Seen:
    """The second trial reports NaN."""
    return _second_trial("loss is NaN")


def loss_is_missing() -> Seen:
    """The second trial leaves out the metric."""
    return _second_trial("loss is missing")


def same_epoch_twice() -> Seen:
    """The second trial reports one epoch again and again."""
    return _second_trial("same epoch twice")


def unpicklable_error() -> Seen:
    """The second trial raises what cannot be pickled."""
    return _second_trial("step raises what cannot be pickled")


def error_of_5_mb() -> Seen:
    """The set-up raises 5 MB of text that begins with an escape code."""
    with Program(fault="setup raises 5 MB").start() as program:
        program.wait_for_note("setup", 2)
        seen = watch(program)
        return seen.also(printed_bytes=len(program.said), escape_code="\x1b[31mxxx" in program.said)


def odd_texts() -> Seen:
    """The second trial reports 5 MB of text, escape codes, line breaks and a formula."""
    choices = ["yes", "1e5: a\nb", "\x1b[31mred", "y" * 50_000]
    with Program(fault="odd texts", choices=choices, trials=10, steps=2, step_s=0.1).start() as program:
        seen = watch(program, 2 * LIMIT_S, from_start=True)
        tables = list(program.storage.rglob("progress.csv"))
        return seen.also(
            printed_bytes=len(program.said),
            printed_escape_codes=[text for text in ("red", "name") if f"\x1b[31m{text}" in program.said],
            result_json_bytes=max(
                (p.stat().st_size for p in program.storage.rglob("result.json")), default=0
            ),
            formula_in_csv=any("=1+1" in table.read_text() for table in tables),
            longest_name=max(len(path.name) for path in program.storage.rglob("*")),
            params_json=_params(program.storage),
        )


def _params(storage: Path) -> str:
    values = [json.loads(path.read_text()).get("choice", "") for path in storage.rglob("params.json")]
    return repr(sorted({value[:12] for value in values}))


def worker_dies_in_its_checkpoint() -> Seen:
    """The worker dies while it writes a checkpoint, with max_failures=1."""
    return _second_trial("worker dies in its checkpoint", max_failures=1)


def class_cannot_be_pickled() -> Seen:
    """The trainable's class cannot be pickled."""
    with Program(fault="class cannot be pickled").start() as program:
        return watch(program, from_start=True)


def module_raises() -> Seen:
    """A module of the program (the trainable's, a scheduler's) raises while it is imported."""
    with Program() as program:
        (program.folder / "optuna.py").write_text("raise RuntimeError('at import')\n")
        program.start(env={"PYTHONPATH": str(program.folder)})
        return watch(program, from_start=True)


def worker_cannot_import() -> Seen:
    """Only the driver can import what the trainable needs."""
    with Program(fault="only the driver can import it") as program:
        place = program.folder / "elsewhere"
        place.mkdir()
        (place / "elsewhere.py").write_text(ELSEWHERE)
        program.start(elsewhere=str(place))
        return watch(program, from_start=True)


def no_card() -> Seen:
    """A trial asks for a card where there is none."""
    with Program(gpus=1).start(env={"CUDA_VISIBLE_DEVICES": ""}) as program:
        return watch(program, 60.0, from_start=True)


ALL = (
    setup_hangs,
    step_hangs,
    loss_is_nan,
    loss_is_missing,
    same_epoch_twice,
    unpicklable_error,
    error_of_5_mb,
    odd_texts,
    worker_dies_in_its_checkpoint,
    class_cannot_be_pickled,
    module_raises,
    worker_cannot_import,
    no_card,
)
