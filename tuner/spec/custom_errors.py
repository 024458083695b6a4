"""Mistakes in a study that a check of ours finds, in words that are ready for the user."""

from __future__ import annotations

import difflib
from collections.abc import Sequence

from pydantic_core import PydanticCustomError

CUSTOM = "tuner"
"""The type of the errors made here; their context holds `what`, `fix` and `at`."""


def mistake(what: str, fix: str, *at: str | int) -> PydanticCustomError:
    """An error for pydantic to collect; `at` leads from the value that is checked to the mistake's place."""
    return PydanticCustomError(CUSTOM, "{what}", {"what": what, "fix": fix, "at": at})


def guess(word: str, known: Sequence[str], what: str) -> str:
    """A fix for a word that is not among `known`: the closest one, or all of them."""
    close = difflib.get_close_matches(word, known, n=1)
    return f"did you mean {close[0]!r}?" if close else f"the {what} are {', '.join(known)}."
