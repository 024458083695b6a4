"""Declares for each key of a study file its meaning and its values, beside the field that holds it.

A dataclass field that stands in the file carries a `StudyKey` in its metadata. `tuner.spec` makes the check
of the file and the JSON Schema from it, and docs/generate.py the reference page. Knows nothing of YAML or of
pydantic.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import Field, dataclass, fields
from typing import Any

_METADATA = "study_key"


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyKey:
    """A key of the study file.

    Attributes:
        description: Its meaning, in one line for editors and the reference page; empty if the docstring of
            its dataclass says it.
        name: Its name in the file; None if that is the name of the field.
        ge: The value is at least this.
        gt: The value is above this.
        le: The value is at most this.
        lt: The value is below this.
        min_length: The text, list or mapping holds at least so much.
        pattern: Regular expression that the text matches.
        choices: The value is one of these words; empty if it may be any.
        plug_ins: The value is one of these words, or the user's own `module:Class`.
        plug_ins_are: Word for `plug_ins` in messages, such as "samplers".
        is_class_path: The value is a `module:Class`.
        check: Called with the text; raises SpecError if it is wrong.
        may_be_none: The file may leave it out or write null although the value is never None.
    """

    description: str = ""
    name: str | None = None
    ge: float | None = None
    gt: float | None = None
    le: float | None = None
    lt: float | None = None
    min_length: int | None = None
    pattern: str | None = None
    choices: tuple[str, ...] = ()
    plug_ins: tuple[str, ...] = ()
    plug_ins_are: str = ""
    is_class_path: bool = False
    check: Callable[[str], object] | None = None
    may_be_none: bool = False

    @property
    def bounds(self) -> dict[str, Any]:
        """The bounds that are given, by their names."""
        names = ("ge", "gt", "le", "lt", "min_length", "pattern")
        return {name: bound for name in names if (bound := getattr(self, name)) is not None}


def study_key(description: str = "", **rest: Any) -> dict[str, StudyKey]:
    """The metadata of a field that stands in the study file; `rest` are attributes of `StudyKey`."""
    return {_METADATA: StudyKey(description=description, **rest)}


def keys_declared_by(cls: type) -> dict[str, tuple[Field[Any], StudyKey]]:
    """The fields of a dataclass that stand in the study file, by the file's name for them."""
    found = [(field, field.metadata[_METADATA]) for field in fields(cls) if _METADATA in field.metadata]
    return {key.name or field.name: (field, key) for field, key in found}
