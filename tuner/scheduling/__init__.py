"""WHEN to stop a trial: pure rules over records, and what a partial trial projects to.

Knows records and thresholds only: not what will be tried next, not Ray, no clock.
"""

from tuner.scheduling.asha import Asha
from tuner.scheduling.contract import Continue, Decision, Evidence, Rival, Stop, StoppingRule
from tuner.scheduling.feasible_and_faster import FeasibleAndFaster
from tuner.scheduling.moasha import Moasha
from tuner.scheduling.projection import Projection, project
from tuner.scheduling.rules import NoStopping, make_rule
from tuner.scheduling.rungs import comparable

__all__ = [
    "Asha",
    "Continue",
    "Decision",
    "Evidence",
    "FeasibleAndFaster",
    "Moasha",
    "NoStopping",
    "Projection",
    "Rival",
    "Stop",
    "StoppingRule",
    "comparable",
    "make_rule",
    "project",
]
