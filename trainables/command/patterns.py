"""Reads numbers with a user's regex as ``float`` would: whole, with an exponent, ``nan`` and ``inf``.

Knows regexes and number literals. Does not know metrics.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

_UNSIGNED = r"(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?"
_NUMBER = rf"[-+]?(?:{_UNSIGNED}|(?i:inf(?:inity)?|nan)(?!\w))"
_ANY_NUMBER = re.compile(_NUMBER)
_ANY_UNSIGNED = re.compile(_UNSIGNED)
_LOOK_BACK = 64
"""Characters before a group that are searched for the beginning of a number that the group may cut."""

# A group that takes any run of the characters of numbers: [0-9.]+, [\d.e+-]+ and the like.
_RUN = r"\[(?:0-9|\\d|\\?[.eE+-])+\](?:[+*]\??|\{\d*,?\d*\})"


def compile_pattern(pattern: str, groups: Iterable[str]) -> re.Pattern[str]:
    """Compiles a regex; groups in ``groups`` that match characters of numbers then match complete numbers.

    So ``nrmse=(?P<nrmse>[0-9.e+-]+)`` reads ``9.13E-02`` and ``nan`` too. Other groups stay as written.
    """
    for group in groups:
        begin = re.escape(f"(?P<{group}>")
        pattern = re.sub(rf"({begin}){_RUN}\)", lambda match: f"{match[1]}{_NUMBER})", pattern)
    return re.compile(pattern)


def read_number(match: re.Match[str], group: str) -> float | None:
    """Returns the number of a group, read on to its end where the group stops short; None without a match.

    Raises:
        ValueError: The text is not a number, or begins within one.
    """
    begin, end = match.span(group)
    if begin < 0:
        return None
    line = match.string
    whole = _ANY_NUMBER.match(line, begin)
    text = whole[0] if whole and whole.end() > end else match[group]
    cut = _number_around(line, begin)
    if cut:
        raise ValueError(
            f"the pattern's group {group} begins within the number {cut[:80]} and reads {text[:80]!r}. "
            "Fix: make option pattern match everything before the number."
        )
    try:
        return float(text)
    except ValueError as error:
        raise ValueError(
            f"the pattern's group {group} matched {text[:80]!r}, which is not a number. "
            rf"Fix: correct option pattern, for example {group}=(?P<{group}>[-+.\w]+)."
        ) from error


def _number_around(line: str, begin: int) -> str:
    """Returns the number around a position in the text; "" if there is none."""
    for number in _ANY_UNSIGNED.finditer(line, max(0, begin - _LOOK_BACK)):
        if number.end() > begin:
            return number[0] if number.start() < begin else ""
    return ""
