"""Words for options that make no sense. Knows no option."""

from __future__ import annotations


def mistake(name: str, value: object, fix: str) -> ValueError:
    """Returns the error for an option that makes no sense."""
    return ValueError(f"stage option {name}={value!r} makes no sense. Fix: {fix}.")


def are_words(value: object) -> bool:
    """Whether a value is a list of texts."""
    return isinstance(value, list) and all(isinstance(word, str) for word in value)
