"""Words for options that make no sense. Knows no option."""

from __future__ import annotations

from collections.abc import Mapping


def mistake(name: str, value: object, fix: str) -> ValueError:
    """Returns the error for an option that makes no sense."""
    return ValueError(f"stage option {name}={value!r} makes no sense. Fix: {fix}.")


def no_words(name: str, value: object, example: str) -> ValueError:
    """Returns the error for what is no list of texts; it shows an entry that only lacks quotes.

    Args:
        name: The option.
        value: Its value.
        example: A list that would do, as one writes it in YAML.
    """
    fix = f"write a list of words, such as {example}"
    for entry in value if isinstance(value, list) else ():
        if quoted := _in_quotes(entry):
            return mistake(name, entry, f"{fix}, and this one in quotes: {quoted}")
    return mistake(name, value, fix)


def _in_quotes(entry: object) -> str:
    """Returns how to write an entry that YAML reads as no text; "" if no quotes would help."""
    if isinstance(entry, Mapping) and [*entry.values()] == [None]:
        return f"'{{{next(iter(entry))}}}'"  # {python} without quotes
    text = str(entry).lower() if isinstance(entry, bool) else str(entry)
    return f"'{text}'" if isinstance(entry, int | float) else ""


def are_words(value: object) -> bool:
    """Whether a value is a list of texts."""
    return isinstance(value, list) and all(isinstance(word, str) for word in value)
