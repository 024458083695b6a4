"""`schema`: the JSON Schema of the study file."""

from __future__ import annotations

import argparse
import json

from tuner.commands.output import Output, shown
from tuner.commands.paths import user_path
from tuner.errors import TunerError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the option that says where the schema goes."""
    parser.description = (
        "Print the JSON Schema of the study file. Editors with YAML support use it if the file begins with a "
        "line such as `# yaml-language-server: $schema=study.schema.json`."
    )
    parser.epilog = "exit codes: 0 printed or written, 2 a failure"
    parser.add_argument(
        "--write", type=user_path, metavar="FILE", help="write the schema to this file instead of printing it"
    )


def run(args: argparse.Namespace, out: Output) -> int:
    """Prints or writes the schema."""
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
