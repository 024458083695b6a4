"""The check of a study file's shape: pydantic models made from the dataclasses that declare its keys.

Knows types, required keys and what can be checked within one section; what needs several parts of a study
together (constraints, the lattice, the baseline) is the business of `checks`.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from dataclasses import MISSING, Field, fields, is_dataclass
from enum import Enum
from functools import cache
from types import MappingProxyType, UnionType
from typing import Annotated, Any, Literal, NamedTuple, Optional, get_args, get_origin, get_type_hints

import pydantic
from pydantic import AfterValidator, BaseModel, ConfigDict, TypeAdapter

from tuner.core.hardware import HardwareProfile
from tuner.core.metric import ANY, DEFAULT_NAME, MAXIMIZE, POSITIVE, STAGE_OPTION, Metric
from tuner.core.study import StudySpec
from tuner.core.study_keys import StudyKey, keys_declared_by
from tuner.core.study_sections import ResourceSpec, StageSpec
from tuner.spec.custom_errors import mistake
from tuner.spec.single_values import SPELLINGS, ClassPath, Number, checked_by, plug_in
from tuner.spec.study_document import StudyDocument

_STUDY = "A study of distill-tuner: what is trained, what may vary, what is good enough, and for how long."


class CheckedStudy(NamedTuple):
    """A study file whose shape is right.

    Attributes:
        document: The keys that the file spells differently from the study.
        settings: Everything else, as keyword arguments of `StudySpec`.
    """

    document: StudyDocument
    settings: dict[str, Any]


def check_study(values: Mapping[str, Any]) -> CheckedStudy:
    """The parts of a study from a file's values, in which a hardware profile has replaced its name.

    Raises:
        pydantic.ValidationError: The values are not of the shape of a study.
    """
    found = dict(study_model().model_validate(values))
    own = {name: found.pop(name) for name in keys_declared_by(StudyDocument)}
    return CheckedStudy(StudyDocument(**own), found)


def check_hardware(values: Any) -> HardwareProfile:
    """A hardware profile from a file's values.

    Raises:
        pydantic.ValidationError: The values are not of the shape of a profile.
    """
    profile: HardwareProfile = TypeAdapter(_file_type(HardwareProfile)).validate_python(values)
    return profile


@cache
def study_model() -> type[BaseModel]:
    """The model of a whole study file."""
    return _make_model("Study", _STUDY, dict(_study_keys()))


class _Key(NamedTuple):
    """A key of the file: the type of its value in the core, the field that declares it, and its meaning."""

    hint: Any
    field: Field[Any]
    key: StudyKey


def _study_keys() -> Iterator[tuple[str, _Key]]:
    """The keys at the top level: those of `StudySpec`, and of `StudyDocument` where it stands in for them."""
    held, own = _keys(StudySpec), _keys(StudyDocument)
    instead = {
        "lattice": ("parameters", "constraints", "divisibility"),
        "target": ("metric", "target"),
        "baseline": ("baseline",),
        "guide": ("guide",),
    }
    for field in fields(StudySpec):
        for name in instead.get(field.name, ()):
            yield name, own[name]
        if field.name in held:
            yield field.name, held[field.name]


def _keys(cls: type) -> dict[str, _Key]:
    hints = get_type_hints(cls, include_extras=True)
    return {name: _Key(hints[field.name], field, key) for name, (field, key) in keys_declared_by(cls).items()}


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


@cache
def _model(cls: type) -> type[BaseModel]:
    """The model of a section of the file, from the dataclass that declares its keys."""
    summary = inspect.cleandoc(cls.__doc__ or "").partition("\n\n")[0]
    return _make_model(cls.__name__, " ".join(summary.split()), _keys(cls))


def _make_model(name: str, description: str, keys: Mapping[str, _Key]) -> type[BaseModel]:
    declared: dict[str, Any] = {name: (_type(one), _field(one)) for name, one in keys.items()}
    return pydantic.create_model(name, __base__=_Model, __doc__=description, **declared)


def _type(one: _Key) -> Any:
    found = _file_type(one.hint, one.key)
    return Optional[found] if one.key.may_be_none else found  # noqa: UP045  # made while the program runs


def _field(one: _Key) -> Any:
    """The default and the description of a key."""
    field, description = one.field, one.key.description or None
    if one.key.may_be_none:
        return pydantic.Field(default=None, description=description)
    if field.default == ():  # made anew, so that the schema shows no default
        return pydantic.Field(default_factory=tuple, description=description)
    if field.default is not MISSING:
        return pydantic.Field(default=field.default, description=description)
    if field.default_factory is not MISSING:
        return pydantic.Field(default_factory=field.default_factory, description=description)
    return pydantic.Field(description=description)


_ANY = StudyKey()


def _file_type(hint: Any, key: StudyKey = _ANY) -> Any:  # noqa: PLR0911  # one return a kind of type
    """The type of a value as the file spells it; pydantic turns it into the value of type `hint`."""
    bounds = pydantic.Field(**key.bounds)
    args = get_args(hint)
    if hint in SPELLINGS:
        return SPELLINGS[hint]
    if type(None) in args:
        inner = next(arg for arg in args if arg is not type(None))
        return Optional[_file_type(inner, key)]  # noqa: UP045
    if get_origin(hint) is tuple and args[-1] is Ellipsis:
        return Annotated[list[_file_type(args[0])], bounds, AfterValidator(tuple)]  # type: ignore[misc]
    if get_origin(hint) is tuple:  # a range
        return Annotated[list[Number], pydantic.Field(min_length=2, max_length=2), AfterValidator(tuple)]
    if get_origin(hint) is Mapping:
        return Annotated[dict[str, _file_type(args[1])], bounds]  # type: ignore[misc]
    if is_dataclass(hint):
        return Annotated[_model(hint), AfterValidator(_builder(hint))]  # type: ignore[arg-type]
    if isinstance(hint, type) and issubclass(hint, Enum):
        words = tuple(member.value for member in hint)
        return Annotated[Literal[words], AfterValidator(hint)]
    return _single(hint, key)


def _single(hint: Any, key: StudyKey) -> Any:
    if key.choices:
        return Literal[key.choices]
    if key.plug_ins:
        return plug_in(key.plug_ins, key.plug_ins_are)
    if key.is_class_path:
        return ClassPath
    if key.check:
        return Annotated[hint, checked_by(key.check)]
    return Annotated[hint, pydantic.Field(**key.bounds)] if key.bounds else hint


def _builder(cls: Any) -> Callable[[BaseModel], Any]:
    """Returns a function that makes the dataclass from its model; fields may have other names in the file."""
    names = {name: field.name for name, (field, _) in keys_declared_by(cls).items()}
    make = _MAKERS.get(cls, cls)
    return lambda model: make(**{names[name]: value for name, value in model})


def _stage(*, options: Mapping[str, Any], **given: Any) -> StageSpec:
    """A stage whose options hold `num_samples`, which the file gives beside them."""
    for name in ("num_samples", "num_epochs"):
        if name in options:
            what = f"{name} is given twice, in stage and in its options."
            raise mistake(what, "drop it from the options.", "options", name)
    if STAGE_OPTION in options:
        what = f"{STAGE_OPTION} is not an option to be set: it tells the stage the study's metric."
        raise mistake(what, "write metric: {name: ...} at the top level.", "options", STAGE_OPTION)
    return StageSpec(options={**options, "num_samples": given["num_samples"]}, **given)


def _resources(*, cpus: int, threads: int | None, **rest: int) -> ResourceSpec:
    return ResourceSpec(cpus=cpus, threads=threads or cpus, **rest)


def _metric(*, name: str, goal: str, range: str | None) -> Metric:  # noqa: A002  # the key in the file
    if goal == MAXIMIZE and range == POSITIVE:
        what = "metric.range: positive is for a figure of which less is better."
        raise mistake(what, "leave range out.", "range")
    if name == DEFAULT_NAME and (range == ANY or goal == MAXIMIZE):
        what = "nrmse is the name of an error above 0, of which less is better."
        raise mistake(what, "give the metric a name of its own, here and in target.", "name")
    return Metric(name=name, goal=goal, range=range or (ANY if goal == MAXIMIZE else POSITIVE))


_MAKERS: Mapping[Any, Callable[..., Any]] = MappingProxyType(
    {StageSpec: _stage, ResourceSpec: _resources, Metric: _metric}
)
"""The functions that make the sections whose fields are not simply the file's keys."""


def keys_at(path: tuple[str | int, ...]) -> list[str]:
    """The keys that a study file may have at `path`, in the order of the reference; empty if it has none."""
    here: Any = None
    keys = dict(_study_keys())
    for part in path:
        if get_origin(here) is Mapping:
            here = get_args(here)[1]
        else:
            here = keys[str(part)].hint if part in keys else None
        options = [option for option in get_args(here) if option is not type(None)]
        here = options[0] if isinstance(here, UnionType) else here
        keys = _keys(here) if isinstance(here, type) and is_dataclass(here) else {}
    return list(keys)
