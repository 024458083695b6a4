"""The verdict of a certificate in one word, and the conditions it was reached under."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from tuner.certificate.seen import Outcome


class Verdict(StrEnum):
    """The verdict of all checks together; nothing that was simulated is certified."""

    CERTIFIED = "certified"
    NOT_CERTIFIED = "not certified"
    UNDECIDED = "undecided"
    WOULD_BE_CERTIFIED = "simulated: would be certified"
    WOULD_NOT_BE_CERTIFIED = "simulated: would not be certified"
    WOULD_BE_UNDECIDED = "simulated: would be undecided"


_MEASURED = {
    Outcome.PASSED: Verdict.CERTIFIED,
    Outcome.FAILED: Verdict.NOT_CERTIFIED,
    Outcome.UNDECIDED: Verdict.UNDECIDED,
}
_SIMULATED = {
    Outcome.PASSED: Verdict.WOULD_BE_CERTIFIED,
    Outcome.FAILED: Verdict.WOULD_NOT_BE_CERTIFIED,
    Outcome.UNDECIDED: Verdict.WOULD_BE_UNDECIDED,
}


def verdict_of(outcome: Outcome, *, is_simulated: bool) -> Verdict:
    """The outcome of all checks together, as a verdict."""
    return (_SIMULATED if is_simulated else _MEASURED)[outcome]


@dataclass(frozen=True, slots=True, kw_only=True)
class Conditions:
    """The conditions under which a certificate's runs were made.

    Attributes:
        memory_gib: Memory of the device, GiB; None if it is unknown.
        guide_speedup: Lowest and highest speed-up that the guide promises for this card; None without one.
        is_simulated: Whether the runs were simulated, so that nothing was measured.
    """

    memory_gib: float | None = None
    guide_speedup: tuple[float, float] | None = None
    is_simulated: bool = False
