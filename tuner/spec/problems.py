"""What pydantic found wrong, in the user's words: what, and how to mend it."""

from __future__ import annotations

import difflib
import types
import typing
from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from tuner.spec.document import Path, Problem
from tuner.spec.schema import CUSTOM, guess

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


def problems_of(error: ValidationError, model: type[BaseModel]) -> list[Problem]:
    """The mistakes in an error of `model`.

    A missing key is left out when an unknown key beside it is close enough to be that one misspelt.
    """
    details = error.errors(include_url=False)
    unknown = [item["loc"] for item in details if item["type"] == "extra_forbidden"]
    return [
        _problem(item, model)
        for item in details
        if item["type"] != "missing" or not _is_misspelt(item["loc"], unknown, model)
    ]


def _is_misspelt(missing: Path, unknown: Iterable[Path], model: type[BaseModel]) -> bool:
    known = keys_of(model, missing[:-1])
    return any(
        path[:-1] == missing[:-1] and difflib.get_close_matches(str(path[-1]), known, n=1) == [missing[-1]]
        for path in unknown
    )


def _problem(item: ErrorDetails, model: type[BaseModel]) -> Problem:
    path, context = item["loc"], item.get("ctx", {})
    if item["type"] == CUSTOM:
        place = (*path, *context["at"])
        where = "" if dotted(path) in context["what"] else f"{dotted(path)}: "
        return Problem(path=place, what=where + context["what"], fix=context["fix"])
    what, fix = _words(item, path, context, model)
    return Problem(path=path, what=what, fix=fix)


def _words(  # noqa: PLR0911  # one return a kind of mistake
    item: ErrorDetails, path: Path, context: Mapping[str, Any], model: type[BaseModel]
) -> tuple[str, str]:
    name, kind = dotted(path), item["type"]
    if kind == "extra_forbidden":
        inside = f" in {dotted(path[:-1])}" if path[:-1] else ""
        known = keys_of(model, path[:-1])
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


def keys_of(model: type[BaseModel], path: Path) -> list[str]:
    """The keys a study may have at `path`."""
    here: Any = model
    for part in path:
        here = _below(here, str(part))
    return list(_fields(here))


def _fields(annotation: Any) -> dict[str, Any]:
    """The annotations of a model's keys, by the name that the file gives them; of others, none."""
    if not (isinstance(annotation, type) and issubclass(annotation, BaseModel)):
        return {}
    return {f.alias or name: f.annotation for name, f in annotation.model_fields.items()}


def _below(annotation: Any, part: str) -> Any:
    """What is under a key of a model, or under any key of a `dict[str, Model]`."""
    if typing.get_origin(annotation) is dict:
        return typing.get_args(annotation)[1]
    found = _fields(annotation).get(part)
    options = [option for option in typing.get_args(found) if option is not type(None)]
    return options[0] if isinstance(found, types.UnionType) else found


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
