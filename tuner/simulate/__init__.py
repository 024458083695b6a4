"""The advisor's loop in virtual time: no Ray, no torch, no waiting.

The same `JournaledAdvisor` as on Ray, driven by a law instead of a training. What comes out is
simulated and must be called so wherever it is shown.
"""

from tuner.simulate.loop import Law, VirtualClock, simulate

__all__ = ["Law", "VirtualClock", "simulate"]
