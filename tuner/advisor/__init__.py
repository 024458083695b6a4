"""The one decision-maker: what to run next, when to stop it, what to recommend.

Pure: no Ray, no torch, no clock, no global random numbers. Whatever runs trials (the Ray adapter,
    the simulator, a test, a third party's harness) drives an `Advisor` through the five calls of
    its contract, and a `JournaledAdvisor` writes those calls down, so that replaying them rebuilds
    it exactly.
"""

from tuner.advisor.advisor import Advisor
from tuner.advisor.journaled import JournaledAdvisor, write_start
from tuner.advisor.messages import Ask, Ending, Finished, Probe, ProbeResult, Resume, Run, Wait
from tuner.advisor.replay import rebuild, replay

__all__ = [
    "Advisor",
    "Ask",
    "Ending",
    "Finished",
    "JournaledAdvisor",
    "Probe",
    "ProbeResult",
    "Resume",
    "Run",
    "Wait",
    "rebuild",
    "replay",
    "write_start",
]
