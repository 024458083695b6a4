"""Reads a bound on a reported figure: `nrmse < 0.095`, `energy_j <= 0.8 * baseline`.

Knows the form alone; which figures may be bounded, and by what, is the business of targets and limits.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from tuner.errors import SpecError

_PATTERN = re.compile(
    r"\s*(?P<metric>\w+)\s*(?P<operator><=|>=|<|>)\s*"
    r"(?:(?P<number>[\d.eE+-]+)|(?:(?P<factor>[\d.eE+-]+)\s*\*\s*)?baseline)\s*"
)


class Bound(NamedTuple):
    """A bound as written.

    Attributes:
        metric: Name of the figure that is bounded.
        operator: One of <, <=, >, >=.
        value: The bound, or the factor on what the baseline measured.
        is_relative: True when `value` is such a factor.
    """

    metric: str
    operator: str
    value: float
    is_relative: bool


def read_bound(text: str, *, what: str, fix: str, operators: tuple[str, ...]) -> Bound:
    """Reads a bound from text.

    Args:
        text: The bound, as written.
        what: Name of its kind in messages: "target", "limit".
        fix: The fix that messages propose.
        operators: The operators that are allowed.

    Raises:
        SpecError: The text has neither of the two forms, or its number cannot be read.
    """
    match = _PATTERN.fullmatch(text)
    if match is None or match["operator"] not in operators:
        raise SpecError(f"cannot read the {what} {text!r}.", fix)
    try:
        value = float(match["number"] or match["factor"] or 1.0)
    except ValueError:
        raise SpecError(f"cannot read the number in the {what} {text!r}.", fix) from None
    return Bound(match["metric"], match["operator"], value, match["number"] is None)
