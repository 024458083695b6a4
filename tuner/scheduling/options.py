"""Checks the options of a stopping rule: a wrong one is a mistake in the study, told with its fix."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tuner.errors import SpecError


def check_number(rule: Any, name: str, *, at_least: float, is_whole: bool = False) -> None:
    """An option that must be a number.

    Args:
        rule: The rule, a dataclass with a default for the option.
        name: The option.
        at_least: Least value of the option.
        is_whole: Whether it must be a whole number.

    Raises:
        SpecError: The value is not a number in the allowed range.
    """
    value = getattr(rule, name)
    kind = int if is_whole else (int, float)
    if isinstance(value, bool) or not isinstance(value, kind) or not value >= at_least:
        what = "a whole number" if is_whole else "a number"
        raise _mistake(rule, name, f"{what} of at least {at_least}")


def check_choice(rule: Any, name: str, choices: Sequence[Any]) -> None:
    """An option that must be one of a few values; arguments as of `check_number`.

    Raises:
        SpecError: The value is not allowed.
    """
    value = getattr(rule, name)
    if not any(type(value) is type(choice) and value == choice for choice in choices):
        raise _mistake(rule, name, f"one of {', '.join(map(_yaml, choices))}")


def _mistake(rule: Any, name: str, what: str) -> SpecError:
    default = type(rule).__dataclass_fields__[name].default
    return SpecError(
        f"the stopping rule's option {name}={getattr(rule, name)!r} is not {what}.",
        f"write for example {name}: {_yaml(default)}.",
    )


def _yaml(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
