"""WHEN to stop a trial: pure rules over records, and what a partial trial projects to.

Knows records and thresholds only: not what will be tried next, not Ray, no clock.
"""

from tuner.scheduling.contract import Continue, Decision, Evidence, Stop, StoppingRule
from tuner.scheduling.projection import Projection, project
from tuner.scheduling.rules import FeasibleAndFaster, NoStopping, make_rule

__all__ = [
    "Continue",
    "Decision",
    "Evidence",
    "FeasibleAndFaster",
    "NoStopping",
    "Projection",
    "Stop",
    "StoppingRule",
    "make_rule",
    "project",
]
