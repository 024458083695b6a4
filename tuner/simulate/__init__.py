"""The advisor's loop in virtual time: no Ray, no torch, no waiting.

The same `JournaledAdvisor` as on Ray, driven by a law instead of a training. What comes out is
simulated and must be called so wherever it is shown.
"""

from tuner.simulate.instance import Instance
from tuner.simulate.loop import Account, Costs, Law, ProbeLaw, Unwritten, VirtualClock, simulate
from tuner.simulate.sets import SETS, make_instance

__all__ = [
    "SETS",
    "Account",
    "Costs",
    "Instance",
    "Law",
    "ProbeLaw",
    "Unwritten",
    "VirtualClock",
    "make_instance",
    "simulate",
]
