"""Types for pydantic that read single values of a study file: numbers, words, bounds, classes.

Each type checks the file's value, turns it into the core's, and says what the JSON Schema shows of it.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from typing import Annotated, Any

from pydantic import AfterValidator, PlainValidator, WithJsonSchema

from tuner.core.limits import Limit
from tuner.core.parameters import ParameterValue
from tuner.errors import SpecError
from tuner.spec.custom_errors import guess, mistake

_CLASS_PATH = r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*(\.[A-Za-z_]\w*)*"
_CLASS_SCHEMA = {"type": "string", "pattern": f"^{_CLASS_PATH}$"}


def _scalar(value: Any) -> Any:
    if not isinstance(value, bool | int | float | str):
        raise mistake(f"{value!r} is not a number, a word, true or false.", "write a plain value.")
    if isinstance(value, float) and not math.isfinite(value):
        raise mistake(f"{value!r} is not a finite number.", "write a finite one.")
    return value


def _number(value: Any) -> Any:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise mistake(f"{value!r} is not a number.", "write a number, without quotes.")
    return value


def _target(value: Any) -> str:
    if not isinstance(value, str):
        raise mistake(f"target is {value!r}, not a bound.", "write `nrmse < 0.095`.")
    return value


def _told(read: Callable[[str], Any], text: str) -> Any:
    """Returns what `read` returns for a text; turns a SpecError into a mistake at the text's place."""
    try:
        return read(text)
    except SpecError as error:
        raise mistake(error.message, error.hint) from None


def _class_path(value: str) -> str:
    if not re.fullmatch(_CLASS_PATH, value):
        raise mistake(f"{value!r} is not of the form module:Class.", "write it as package.module:Class.")
    return value


Scalar = Annotated[Any, PlainValidator(_scalar), WithJsonSchema({"type": ["number", "string", "boolean"]})]
Number = Annotated[Any, PlainValidator(_number), WithJsonSchema({"type": "number"})]
"""A finite number, kept as it is written: a whole one stays an int."""

TargetText = Annotated[
    str, PlainValidator(_target), WithJsonSchema({"type": "string", "pattern": r"^\s*\w+\s*[<>]=?\s*\S"})
]
"""The target as it is written; what it may say depends on the study's metric."""

ClassPath = Annotated[str, AfterValidator(_class_path), WithJsonSchema(_CLASS_SCHEMA)]

SPELLINGS: Mapping[Any, Any] = {
    ParameterValue: Scalar,
    Limit: Annotated[str, AfterValidator(lambda text: _told(Limit.parse, text))],
}
"""The file's types of core values that it spells in a way of its own."""


def plug_in(names: tuple[str, ...], what: str) -> Any:
    """The type of a text that is one of `names` (in messages: `what`) or the user's own `module:Class`."""

    def check(value: str) -> str:
        if value in names or re.fullmatch(_CLASS_PATH, value):
            return value
        hint = guess(value, names, what)
        raise mistake(f"{value!r} is none of the {what}.", f"{hint} Your own one is module:Class.")

    schema = {"anyOf": [{"enum": list(names)}, _CLASS_SCHEMA]}
    return Annotated[str, AfterValidator(check), WithJsonSchema(schema)]


def checked_by(check: Callable[[str], object]) -> AfterValidator:
    """A validator that keeps a text which `check` does not refuse by a SpecError."""

    def validate(value: str) -> str:
        _told(check, value)
        return value

    return AfterValidator(validate)
