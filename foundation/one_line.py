"""Text from outside as clean lines: no control characters, no escape codes, no more than so long."""

from __future__ import annotations

import re

_ESCAPE = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-Z\\-_])")
"""A terminal's escape sequences (ECMA-48): CSI, OSC, and those of two characters."""


def without_escapes(text: str) -> str:
    """The text without the escape sequences that colour a terminal; line breaks stay."""
    return _ESCAPE.sub("", text)


def first_line(text: str, limit: int = 500) -> str:
    """The first line that is not empty, as `one_line` cleans it; empty when there is none."""
    lines = (line for line in without_escapes(text).splitlines() if line.strip())
    return one_line(next(lines, ""), limit)


def first_line_of(error: BaseException, limit: int = 500) -> str:
    """The first line of what an error says, or its type when it says nothing."""
    return first_line(str(error), limit) or type(error).__name__


def one_line(text: str, limit: int = 500) -> str:
    """The text on one line of at most `limit` characters.

    Escape sequences are dropped, other control characters and runs of white space become one space, and what
    is too long ends in an ellipsis.
    """
    clean = "".join(c if c.isprintable() else " " for c in without_escapes(text[: 20 * limit]))
    line = " ".join(clean.split())
    return line if len(line) <= limit else f"{line[: limit - 1]}…"


MAX_LINES, MAX_LINE = 200, 1000
"""Lines of a message, and characters of each, that people are shown at most."""


def clean_lines(text: str) -> str:
    """The text as a message shows it: its lines and their indentation stay, cut off where they are too long.

    Escape sequences are dropped, and other control characters become spaces.
    """
    lines = printable(text[: MAX_LINES * MAX_LINE]).split("\n")
    shown = [line if len(line) <= MAX_LINE else f"{line[: MAX_LINE - 1]}…" for line in lines[:MAX_LINES]]
    return "\n".join([*shown, "…"] if len(lines) > MAX_LINES else shown)


def printable(text: str) -> str:
    """The text without what changes a terminal; only its line breaks and tabs stay as they are."""
    return "".join(c if c.isprintable() or c in "\n\t" else " " for c in without_escapes(text))
