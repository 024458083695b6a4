"""The commands of the command line, one module each, imported when it is called.

A module has `add_arguments(parser)` and `run(args, out) -> int`, the exit code. It says things through the
`Output` it is given and reports a mistake as a `TunerError`; parsing, printing and exiting are `tuner.run`'s.
Importing this package loads no command.
"""

from __future__ import annotations

import argparse
import difflib
import importlib
from typing import Protocol, cast

from tuner.commands.output import Output
from tuner.errors import TunerError

COMMANDS = {
    "run": "find the fastest configuration; this is the default command",
    "status": "show whether a run is running, ended or was killed, and how far it got",
    "report": "make the report again from a run's journal",
    "compare": "compare two runs and list what is not comparable",
    "follow": "write a run to Optuna, TensorBoard, Parquet or W&B, while it runs or afterwards",
    "export": "write a run's recommendation into your own YAML",
    "doctor": "check this machine and suggest fixes",
    "init": "write a commented study for this machine's card",
    "schema": "print the JSON Schema of the study file, for editors",
    "list-spaces": "list the shipped studies",
}
"""Every command and what it does, in one line."""


class Command(Protocol):
    """The contract that each module of this package keeps."""

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Adds its arguments and its description."""

    def run(self, args: argparse.Namespace, out: Output) -> int:
        """Carries the command out and returns the exit code."""


def load(name: str) -> Command:
    """The module of a command.

    Raises:
        TunerError: There is no such command.
    """
    if name not in COMMANDS:
        close = difflib.get_close_matches(name, COMMANDS, n=1)
        fix = f"did you mean {close[0]!r}?" if close else f"the commands are {', '.join(COMMANDS)}."
        raise TunerError(f"there is no command {name!r}.", f"{fix} A study is given by --space.")
    module = "study" if name == "run" else name.replace("-", "_")
    return cast("Command", importlib.import_module(f"tuner.commands.{module}"))
