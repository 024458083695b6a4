"""The one decision-maker: what to run next, when to stop it, what to recommend.

Pure: no Ray, no torch, no clock, no global random numbers. Whatever runs trials (the Ray adapter, the
simulator, a test, a third party's harness) drives an `Advisor` through the five calls of its contract. A
`JournaledAdvisor` writes those calls down, so that replaying them rebuilds the advisor exactly.
"""

from tuner.advisor.advisor import Advisor
from tuner.advisor.messages import Ask, Broken, Ending, Finished, Probe, ProbeResult, Run, Wait

__all__ = [
    "Advisor",
    "Ask",
    "Broken",
    "Ending",
    "Finished",
    "Probe",
    "ProbeResult",
    "Run",
    "Wait",
]
