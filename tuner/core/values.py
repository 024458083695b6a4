"""The values of a parameter: as a numpy column, and in words why a value is not one of them."""

from __future__ import annotations

import difflib
import math
from collections.abc import Sequence

import numpy as np

from foundation.expressions import Column
from tuner.core.parameters import Continuous, Discrete, Parameter, ParameterValue
from tuner.errors import SpecError

_NUM_SHOWN = 8


def as_column(parameter: Discrete) -> Column:
    """A parameter's values as an array: whole numbers, reals, words or booleans.

    Raises:
        SpecError: The values are not all of one of these kinds.
    """
    column = np.array(parameter.values)
    kinds = {str if isinstance(v, str) else bool if isinstance(v, bool) else float for v in parameter.values}
    if len(kinds) > 1 or column.dtype.kind not in "bifU":
        raise SpecError(
            f"the values of {parameter.name} must be all numbers, all words, or all true or false, but are: "
            f"{', '.join(map(repr, parameter.values))}.",
            "write them alike, words in quotes.",
        )
    return column


def key(value: ParameterValue) -> tuple[bool, ParameterValue]:
    """Tells true from 1, which are equal to Python."""
    return isinstance(value, bool), value


def why_not_value(parameter: Parameter, value: ParameterValue) -> str | None:
    """Returns None for an allowed value; else what is wrong with it and the nearest allowed ones."""
    if isinstance(parameter, Continuous):
        return _why_not_real(parameter, value)
    if key(value) in {key(allowed) for allowed in parameter.values}:
        return None
    near = _nearest(parameter, value)
    verb = "is" if len(near) == 1 else "are"
    nearest = f"; the nearest {verb} {' and '.join(map(str, near))}" if near else ""
    return f"{parameter.name}={value!r} is not among {listed(parameter.values)}{nearest}"


def _why_not_real(parameter: Continuous, value: ParameterValue) -> str | None:
    name, low, high = parameter.name, parameter.low, parameter.high
    if isinstance(value, bool | str) or math.isnan(value):
        return f"{name}={value!r} is not a number in {low:g}..{high:g}"
    if low <= value <= high:
        return None
    nearest = low if value < low else high
    return f"{name}={value!r} is outside {low:g}..{high:g}; the nearest is {nearest:g}"


def _nearest(parameter: Discrete, value: ParameterValue) -> list[ParameterValue]:
    """The allowed values next to one that is not: below and above, or the closest spelling."""
    if isinstance(value, str):
        words = [allowed for allowed in parameter.values if isinstance(allowed, str)]
        return list(difflib.get_close_matches(value, words, n=1))
    numbers = [v for v in parameter.values if isinstance(v, int | float) and not isinstance(v, bool)]
    if isinstance(value, bool) or not numbers:
        return []
    below, above = [v for v in numbers if v < value], [v for v in numbers if v > value]
    return [*([max(below)] if below else []), *([min(above)] if above else [])]


def listed(values: Sequence[ParameterValue]) -> str:
    """Lists all values if few, a range if they are consecutive, else the first and the last ones."""
    whole = [value for value in values if isinstance(value, int) and not isinstance(value, bool)]
    if len(whole) == len(values) > 2 and whole == list(range(whole[0], whole[-1] + 1)):
        return f"{whole[0]}..{whole[-1]}"
    shown = [repr(value) for value in values]
    if len(shown) > _NUM_SHOWN:
        shown = [*shown[: _NUM_SHOWN - 2], "...", shown[-1]]
    return "{" + ", ".join(shown) + "}"
