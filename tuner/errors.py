"""The errors a user of distill-tuner can meet.

Every one says what is wrong, where, and how to mend it. Nothing here prints or exits: `tuner.run`
turns a `TunerError` into one message on standard error and its exit code.
"""

from __future__ import annotations

import signal

from foundation.one_line import clean_lines

_FIX = " Fix: "


def split_fix(text: str) -> tuple[str, str]:
    """Splits what a stage, a script or an error says into what is wrong and the fix; "" where it has none."""
    said, _, fix = text.partition(_FIX)
    return said, fix


class TunerError(Exception):
    """A mistake or an event the user can act on.

    Whatever text from outside it quotes, it is shown without escape codes and control characters, and not at
    more length than people read.

    Args:
        message: Says in one line what is wrong and where.
        hint: The fix, in one line; empty when the message already says it.
    """

    exit_code = 2

    def __init__(self, message: str, hint: str = "") -> None:
        self.message, self.hint = clean_lines(message), clean_lines(hint)
        super().__init__(self.message, self.hint)

    def __str__(self) -> str:
        return f"{self.message}{_FIX}{self.hint}" if self.hint else self.message


class MachineError(TunerError):
    """The system refused to read or write: the disk is full or broken, a right is missing, or the like."""


class SpecError(TunerError):
    """The study YAML, or something it names, is wrong."""


class ConfigError(TunerError):
    """A configuration that cannot exist, such as a micro_batch that does not divide its batch_size."""


class HardwareMismatchError(TunerError):
    """`--require-hardware` was given and the study was written for another device."""


class ClusterError(TunerError):
    """Ray could not be started, reached or used."""


class StageError(TunerError):
    """The stage class could not be imported, prepared or run."""


class ReportError(StageError):
    """A stage reported what cannot be: its trial has failed."""


class MissingFigureError(ReportError):
    """A stage's report lacks what every report must have: so it is with every configuration."""


class WrongDeviceError(StageError):
    """A trial ran on another device than the run's: it says nothing, and is asked again."""


class RecordsError(TunerError):
    """A run folder cannot be written, or its journal cannot be read."""


class WarmStartError(TunerError):
    """`--warm-start` names a run whose NRMSE says nothing about this study."""


class ResumeError(TunerError):
    """`--resume` names a run that cannot go on here: it has ended, or what it measures has changed since."""


class InternalError(TunerError):
    """Something failed that no study can be blamed for: a bug, in distill-tuner or in a plug-in."""


class Interrupted(KeyboardInterrupt):
    """A signal asked for the end. Nothing but our own handler raises it.

    Any other exception that is no `Exception` (KeyboardInterrupt, SystemExit, CancelledError) comes from a
    plug-in, and is a failure like any other. So what calls plug-ins lets this one pass and holds the others.
    """

    def __init__(self, signum: int) -> None:
        super().__init__(signal.Signals(signum).name)
        self.exit_code = exit_code_of(signum)


def exit_code_of(signum: int) -> int:
    """Returns the exit code after a signal: 130 after SIGINT, else 143."""
    return 128 + (signal.SIGINT if signum == signal.SIGINT else signal.SIGTERM)
