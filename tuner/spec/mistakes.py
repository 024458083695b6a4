"""Words pydantic's errors for the user: what is wrong, and how to mend it."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from tuner.spec.custom_errors import CUSTOM, guess
from tuner.spec.document import Mistake, Path
from tuner.spec.schema import keys_at

_WANTED = {
    "int_type": "a whole number",
    "float_type": "a number",
    "string_type": "text",
    "bool_type": "true or false",
    "list_type": "a list",
    "dict_type": "a mapping (key: value)",
    "model_type": "a mapping (key: value)",
    "model_attributes_type": "a mapping (key: value)",
    "finite_number": "a finite number",
}
_FORMS = {
    "a list": "write it as [a, b].",
    "a mapping (key: value)": "write it as {key: value}.",
    "text": "write text, in quotes where it looks like something else.",
    "a whole number": "write a whole number, without quotes.",
    "a number": "write a number, without quotes.",
}


def mistakes_of(error: ValidationError) -> list[Mistake]:
    """The mistakes that pydantic found in a study.

    A missing key is left out when an unknown key beside it is close enough to be that one misspelt.
    """
    details = error.errors(include_url=False)
    unknown = [item["loc"] for item in details if item["type"] == "extra_forbidden"]
    return [
        _mistake(item)
        for item in details
        if item["type"] != "missing" or not _is_misspelt(item["loc"], unknown)
    ]


def _is_misspelt(missing: Path, unknown: Iterable[Path]) -> bool:
    known = keys_at(missing[:-1])
    return any(
        path[:-1] == missing[:-1] and difflib.get_close_matches(str(path[-1]), known, n=1) == [missing[-1]]
        for path in unknown
    )


def _mistake(item: ErrorDetails) -> Mistake:
    path, context = item["loc"], item.get("ctx", {})
    if item["type"] == CUSTOM:
        place = (*path, *context["at"])
        where = "" if dotted(path) in context["what"] else f"{dotted(path)}: "
        return Mistake(path=place, what=where + context["what"], fix=context["fix"])
    what, fix = _words(item, path, context)
    return Mistake(path=path, what=what, fix=fix)


def _words(  # noqa: PLR0911  # one return a kind of mistake
    item: ErrorDetails, path: Path, context: Mapping[str, Any]
) -> tuple[str, str]:
    name, kind = dotted(path), item["type"]
    if kind == "extra_forbidden":
        inside = f" in {dotted(path[:-1])}" if path[:-1] else ""
        known = keys_at(path[:-1])
        return f"unknown key {path[-1]!r}{inside}.", guess(str(path[-1]), known, "keys")
    if kind == "missing":
        inside = f" in {dotted(path[:-1])}" if path[:-1] else ""
        return f"the key {path[-1]!r} is missing{inside}.", f"add {path[-1]}: ..."
    given = shown(item["input"])
    if kind in _WANTED:
        wanted = _WANTED[kind]
        return f"{name} is {given}, not {wanted}.", _FORMS.get(wanted, f"write {wanted}.")
    if kind == "literal_error":
        return f"{name} is {given}.", f"use {context['expected']}."
    if kind in ("greater_than", "greater_than_equal"):
        bound = f"a number above {context['gt']:g}" if "gt" in context else f"{context['ge']} or more"
        return f"{name}={given} is too small.", f"use {bound}."
    if kind == "less_than":
        return f"{name}={given} is too large.", f"use a number below {context['lt']:g}."
    if kind in ("too_short", "string_too_short", "too_long"):
        bounds = [(key, context[key]) for key in ("min_length", "max_length") if key in context]
        least = f"give {'at least' if bounds[0][0] == 'min_length' else 'at most'} {bounds[0][1]}."
        return f"{name} has too {'many' if kind == 'too_long' else 'few'} items.", least
    if kind == "string_pattern_mismatch":
        return f"{name} is {given}.", "use letters, digits, '-', '_' and '.' only."
    return f"{name}: {item['msg']}.", "see docs/study-yaml.md."


def dotted(path: Path) -> str:
    """A path as people write it: `parameters.batch_size.values[2]`."""
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)
    return text.removeprefix(".")


def shown(value: Any) -> str:
    """A value of the file, short enough for a message."""
    if value is None:
        return "empty"
    if isinstance(value, dict | list):
        return "a mapping" if isinstance(value, dict) else "a list"
    return repr(value)
