"""A stopping rule with a bug: for runs that end as nobody foresaw.

Named by a study as ``tests.ray_adapter.brittle:Brittle``.
"""

import sys

from tuner.scheduling import Continue


class Brittle:
    """Breaks at trial 0003; or when it is made, as ``made`` says: ``raise`` or ``exit``."""

    def __init__(self, made=""):
        if made == "raise":
            raise ZeroDivisionError("division by\nzero")
        if made == "exit":
            sys.exit(0)

    def decide(self, trial, evidence):
        if trial.trial_id >= "0003":
            raise ZeroDivisionError("division by zero")
        return Continue()
