"""A study file: it is refused by one message with a fix, or it is a study that its own YAML gives again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.fuzz.properties import PIECES, check_message, no_hang
from tests.studies import study_dict
from trainables.command.study_check import check_study
from tuner.errors import TunerError
from tuner.spec import study_as_yaml, study_from_text
from tuner.spec.yaml_format import write_yaml

_ROOT = Path(__file__).parent.parent.parent
_SCRIPT = "trainables.command:CommandStage"


def _script_study() -> bytes:
    options: dict[str, Any] = {
        "command": ["{python}", "train.py", "{config}", "{batch_size}"],
        "source": "regex",
        "pattern": r"val=(?P<val>\S+)",
        "keys": {"nrmse": "val / 2"},
        "env": {"A": "{num_threads}"},
    }
    stage = {"class": _SCRIPT, "num_epochs": 3, "num_samples": 2000, "options": options}
    return write_yaml(study_dict(stage=stage, limits=["peak_memory_gib <= 2"])).encode()


SEEDS = [
    *(path.read_bytes() for path in sorted((_ROOT / "search_spaces").glob("*.yaml"))),
    (_ROOT / "docs/examples/pipeline/study.yaml").read_bytes(),
    _script_study(),
    write_yaml(
        study_dict(
            metric={"name": "accuracy", "goal": "maximize"},
            target="accuracy > 0.9",
            constraints=["micro_batch divides batch_size", "batch_size * accum_steps <= 48"],
        )
    ).encode(),
]

WORDS = [
    *(*PIECES, b"&a ", b"*a", b"<<: *a\n", b"!!python/object:os.system ", b"!!set ", b"!!binary ", b"? "),
    *b"1_000 0x1f 0o17 1:30 2001-01-01 ~ yes ' 1+ - ( not  divides  / 0 // % min( 2** a.b if lambda:".split(),
    *b"low: high: step: log: type: values:[1e400] values:[] categorical float energy_j 1e-320".split(),
    *(
        b"%YAML 1.1\n---\n",
        b"---\n",
        b"...\n",
        b"metric: {name: time_s}",
        b"limits: [time_s <= nan * baseline]",
    ),
    *(
        b"objective: energy_j",
        b"hours: .inf",
        b"seed: -1",
        b"baseline: {}",
        b" divides ",
        b" and ",
        b"log: true",
    ),
]


def check(data: bytes) -> None:
    """Loads a study from a file's bytes."""
    with no_hang():
        try:
            study = study_from_text(data, label="study.yaml")
        except TunerError as error:
            check_message(error.message, error.hint)
            return
        again = study_from_text(study_as_yaml(study).encode(), label="again.yaml")
        assert again.as_dict() == study.as_dict()
        if study.stage.class_path == _SCRIPT:
            try:
                check_study(dict(study.stage.options), *study.varying_and_fixed())
            except ValueError as error:
                message, _, fix = str(error).partition(" Fix: ")
                check_message(message, fix)
