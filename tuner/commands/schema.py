"""`schema`: the JSON Schema of the study file."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from tuner.commands.output import Output, shown
from tuner.errors import TunerError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Where it goes."""
    parser.description = (
        "Print the JSON Schema of the study file. An editor that knows YAML uses it by a first line such as "
        "`# yaml-language-server: $schema=study.schema.json`."
    )
    parser.epilog = "exit codes: 0 printed or written, 2 a failure"
    parser.add_argument("--write", type=Path, metavar="FILE", help="write it there instead of printing it")


def run(args: argparse.Namespace, out: Output) -> int:
    """Prints or writes it."""
    from tuner.spec.json_schema import study_schema

    text = json.dumps(study_schema(), indent=2)
    if args.write is None:
        out.say(text)
        return 0
    try:
        args.write.write_text(text + "\n", encoding="utf-8")
    except OSError as error:
        raise TunerError(
            f"{args.write}: cannot write it: {error.strerror}.", "choose another file."
        ) from error
    out.say(f"wrote {shown(args.write)}")
    return 0
