"""The one decision-maker: what to run next, when to stop it, what to recommend.

Pure: no Ray, no torch, no clock, no global random numbers. Whatever runs trials (the Ray adapter, the
simulator, a test, a third party's harness) drives an `Advisor` through the five calls of its contract. A
`JournaledAdvisor` writes those calls down, so that replaying them rebuilds the advisor exactly.

Importing the package does not load the models and scipy: whoever reads what a run said needs none of them.
"""

from typing import TYPE_CHECKING, Any

from tuner.advisor.messages import Ask, Broken, Ending, Finished, Probe, ProbeResult, Run, Wait

if TYPE_CHECKING:
    from tuner.advisor.advisor import Advisor

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


def __getattr__(name: str) -> Any:
    """Imports the advisor where it is asked for."""
    if name == "Advisor":
        from tuner.advisor.advisor import Advisor

        return Advisor
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
