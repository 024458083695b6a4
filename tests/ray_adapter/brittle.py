"""A stopping rule with a bug: for runs that end as nobody foresaw.

Named by a study as ``tests.ray_adapter.brittle:Brittle``.
"""

import asyncio
import sys

from tuner.scheduling import Continue

ERRORS = {
    error.__name__: error
    for error in (ZeroDivisionError, KeyboardInterrupt, SystemExit, GeneratorExit, asyncio.CancelledError)
}


class Brittle:
    """Breaks at trial 0003, by what ``raises`` names; or when it is made: ``raise`` or ``exit``."""

    def __init__(self, made="", raises="ZeroDivisionError"):
        self._error = ERRORS[raises]
        if made == "raise":
            raise ZeroDivisionError("division by\nzero")
        if made == "exit":
            sys.exit(0)

    def decide(self, trial, evidence):
        if trial.trial_id >= "0003":
            raise self._error("division by zero")
        return Continue()
