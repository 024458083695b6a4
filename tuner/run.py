"""The command line: `python -m tuner.run --space a100.yaml`, and `python -m tuner.run COMMAND ...`.

The only place that prints, exits or parses arguments; what each command does is in `tuner.commands`.
Without a command it is `run`.

Exit codes: 0 a configuration is recommended, or the command did what it is for; 1 it did, and the answer is
no; 2 a mistake or a failure of any kind, said in one message, output that cannot be written among them; 130
after SIGINT; 143 after SIGTERM or SIGHUP.
"""

from __future__ import annotations

import argparse
import errno
import os
import stat
import sys
import textwrap
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, NoReturn

from foundation.one_line import printable
from tuner.commands import COMMANDS, load
from tuner.commands.output import Output
from tuner.errors import Interrupted
from tuner.ray_adapter.interrupts import Interrupts, leave

NOTHING_RUN = "interrupted before the first trial; nothing was run"

FAILED = 2
"""The exit code after a failure of any kind."""

_LOST = "what the command has to say is lost. Fix: free some space, or send it elsewhere."

_PROGRAM = "python -m tuner.run"


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command line and returns the exit code.

    Raises:
        SystemExit: The words ask for help, or cannot be parsed; argparse has said so.
    """
    with Interrupts() as interrupts:
        return _carry_out(sys.argv[1:] if argv is None else argv, interrupts)


def _carry_out(argv: Sequence[str], interrupts: Interrupts) -> int:
    words = list(argv)
    is_named = bool(words) and not words[0].startswith("-")
    name = words.pop(0) if is_named else ""
    try:
        with interrupts.at_once():
            return _call(name, make_parser(name).parse_args(words))
    except Interrupted as interrupted:
        _note(NOTHING_RUN if name in ("", "run") else "interrupted")
        return interrupted.exit_code
    except Exception as error:
        return _tell(error)


def _call(name: str, args: argparse.Namespace) -> int:
    """Runs a command; one that is made to end by what it calls has failed, whatever is raised for that."""
    stdout = _StandardOutput()
    try:
        code = load(name or "run").run(args, Output(say=stdout.say, log=stdout.log, note=_note))
    except Interrupted:
        raise
    except BaseException as error:
        return _tell(error)
    return FAILED if stdout.has_lost and code in (0, 1) else code


def _tell(error: BaseException) -> int:
    """Says what went wrong in one message, and returns the exit code."""
    from tuner.runs.unexpected import as_tuner_error

    told = as_tuner_error(error)
    _note(f"error: {told}")
    return told.exit_code


def make_parser(name: str = "") -> argparse.ArgumentParser:
    """The arguments of a command; of no command: those of `run`, with the commands in the help.

    Raises:
        TunerError: There is no such command.
    """
    command = load(name or "run")
    parser = _Parser(prog=f"{_PROGRAM} {name}".rstrip(), formatter_class=argparse.RawDescriptionHelpFormatter)
    command.add_arguments(parser)
    parser.description = _wrapped(parser.description)
    parser.epilog = _wrapped(parser.epilog)
    if not name:
        listed = "\n".join(f"  {command:<13}{does}" for command, does in COMMANDS.items())
        parser.epilog = f"commands ({_PROGRAM} COMMAND --help):\n{listed}\n\n{parser.epilog}"
    return parser


class _Parser(argparse.ArgumentParser):
    """Does not pass over help, or a version, that cannot be written, as argparse does."""

    def _print_message(self, message: str, file: Any = None) -> None:
        if file is not sys.stdout:
            return super()._print_message(message, file)
        stdout = _StandardOutput()
        stdout.say(message.rstrip("\n"))
        return self.exit(FAILED) if stdout.has_lost else None


def _wrapped(text: str | None) -> str:
    return textwrap.fill(text or "", width=79)


class _StandardOutput:
    """Prints; a reader or a terminal that has gone away, or a full disk below a log, does not end a run.

    Attributes:
        has_lost: Whether a line could not be written that nothing else holds.
    """

    def __init__(self) -> None:
        self.has_lost = self._is_full = False

    def say(self, line: str) -> None:
        """See `Output`."""
        self._print(line, _LOST)
        self.has_lost = self._is_full

    def log(self, line: str) -> None:
        """See `Output`."""
        self._print(line, "its further lines are lost, the run's files are not")

    def _print(self, line: str, loss: str) -> None:
        try:
            print(printable(line), flush=True)
        except OSError as error:
            if _give_up_output(error, loss):
                self._is_full = True


def _is_left(error: OSError) -> bool:
    """Whether nobody reads standard output any more: a reader that has gone, or a terminal."""
    is_device = stat.S_ISCHR(os.fstat(sys.stdout.fileno()).st_mode)
    return error.errno == errno.EPIPE or (error.errno == errno.EIO and is_device)


def _give_up_output(error: OSError, loss: str) -> bool:
    """Sends standard output to nowhere, also what it has kept: Python would fail on that when it ends.

    Returns:
        Whether somebody may still want it; the loss has then been said.
    """
    is_wanted = not _is_left(error)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)
    if is_wanted:
        _note(f"standard output: {error.strerror}; {loss}")
    return is_wanted


def _note(line: str) -> None:
    """Prints on standard error; if that cannot be written to, the exit code says enough."""
    with suppress(OSError):
        print(printable(line), file=sys.stderr, flush=True)


def command_line() -> NoReturn:
    """Runs the command line and ends the process."""
    interrupts = Interrupts()
    interrupts.take()  # until `leave` does
    leave(_carry_out(sys.argv[1:], interrupts))


if __name__ == "__main__":
    command_line()
