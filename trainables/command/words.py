"""Finds the words in braces in a text, and replaces them by their values.

Knows the names that a command stage fills in by itself. Does not know the parameters of a study.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

OWN_WORDS = ("seed", "num_epochs", "num_samples", "num_threads", "python", "dir", "config")
"""Names that a command stage fills in beside the parameters of a trial."""
STEPS = "num_steps"
"""Name of one more, in option ``probe`` only: the steps that a short start is to do."""

_BRACES = re.compile(r"\{\{(?P<literal>[A-Za-z_]\w*)\}\}|\{(?P<word>[A-Za-z_]\w*)\}")


def fill(text: str, words: Mapping[str, Any]) -> str:
    """Replaces ``{name}`` by its value, and ``{{name}}`` by the text ``{name}``.

    Braces around anything but a name, as in JSON, stay as they are.

    Raises:
        ValueError: There is no such word.
    """

    def replace(match: re.Match[str]) -> str:
        if literal := match["literal"]:
            return f"{{{literal}}}"
        if match["word"] not in words:
            raise ValueError(f"there is no word {match[0]} for {text!r}. Fix: use one of {', '.join(words)}.")
        return str(words[match["word"]])

    return _BRACES.sub(replace, text)


def value_of(text: Any, words: Mapping[str, Any]) -> Any:
    """Returns the value of a word, with its type, if ``text`` is its bare name or ``{name}`` alone.

    Any other text is filled, and stays text; what is no text stays as it is.

    Raises:
        ValueError: There is no such word.
    """
    if not isinstance(text, str):
        return text
    name = word_of(text)
    return fill(text, words) if name is None else words[name]


def word_of(text: str) -> str | None:
    """Returns the word that ``text`` as a whole stands for; None if it is a template with more in it."""
    match = _BRACES.fullmatch(text)
    if match and match["word"]:
        return match["word"]
    return None if _BRACES.search(text) else text


def names_in(text: str) -> list[str]:
    """Returns the names of the words that ``fill`` would replace."""
    return [match["word"] for match in _BRACES.finditer(text) if match["word"]]
