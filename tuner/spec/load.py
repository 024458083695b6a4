"""From a name or path to a resolved `StudySpec`, or to one message on the first mistake.

Finds files, puts a named hardware profile in its place, has the shape checked by `schema`, and
checks by itself what takes several parts of a study: constraints, the lattice, the baseline.
"""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import ValidationError

from tuner.core.config import TrialConfig
from tuner.core.hardware import HardwareProfile
from tuner.core.study import StudySpec
from tuner.errors import SpecError
from tuner.spec.checks import build_lattice, point_mistakes, stage_told_of, study_target
from tuner.spec.document import Document, Mistake, read_document
from tuner.spec.files import find, shipped_hardware, stem, yaml_files
from tuner.spec.mistakes import mistakes_of
from tuner.spec.schema import CheckedStudy, check_hardware, check_study
from tuner.spec.yaml_format import write_yaml


@dataclass(frozen=True, slots=True, kw_only=True)
class ShippedStudy:
    """A shipped study: its name for `--space`, where it is, and its description in one line."""

    name: str
    path: str
    description: str


def load_study(name_or_path: str) -> StudySpec:
    """Loads a study from a file, or a shipped one by its name; `.yaml` may be left out.

    Raises:
        SpecError: There is no such study, or it has a mistake (the first in the file is told).
    """
    file, label = find(name_or_path)
    try:
        data = file.read_bytes()
    except OSError as error:
        raise SpecError(f"cannot read {label}: {error.strerror}.", "check its permissions.") from None
    return study_from_text(data, label=label, path=str(file))


def study_from_text(data: bytes, *, label: str, path: str = "") -> StudySpec:
    """Reads a study from a file's bytes; `label` is what its mistakes are reported under.

    Raises:
        SpecError: It has a mistake.
    """
    document = read_document(data, label)
    _check_is_mapping(document)
    values, mistakes = dict(document.value), list(document.mistakes)
    is_shipped_hardware = "hardware" in values and not isinstance(values["hardware"], dict)
    if is_shipped_hardware:
        values["hardware"], unknown = shipped_hardware(str(values["hardware"]))
        mistakes += unknown
    try:
        checked = check_study(values)
    except ValidationError as error:
        raise document.error([*mistakes, *mistakes_of(error)]) from None
    if mistakes:
        raise document.error(mistakes)
    return _resolve(checked, document, path, is_shipped_hardware)


def shipped_studies() -> list[ShippedStudy]:
    """The shipped studies, by name."""
    found = []
    for file in yaml_files():
        document = read_document(file.read_bytes(), file.name)
        description = " ".join(str(document.value.get("description", "")).split())
        name = stem(file)
        found.append(ShippedStudy(name=name, path=str(file), description=description))
    return found


def load_hardware(name: str) -> HardwareProfile:
    """A shipped hardware profile.

    Raises:
        SpecError: There is none of that name.
    """
    values, mistakes = shipped_hardware(name)
    if mistakes:
        raise SpecError(mistakes[0].what, mistakes[0].fix)
    return check_hardware(values)


def list_hardware() -> list[str]:
    """The names of the shipped hardware profiles."""
    return sorted(stem(file) for file in yaml_files("hardware"))


def _check_is_mapping(document: Document) -> None:
    if isinstance(document.value, dict):
        return
    is_empty = document.value is None
    kind = "list" if isinstance(document.value, list) else "single value"
    what = "the file is empty." if is_empty else f"the study is a {kind}, not keys and values."
    fix = "start from a shipped study, such as search_spaces/cpu.yaml."
    raise document.error([Mistake(path=(), what=what, fix=fix)])


def _resolve(checked: CheckedStudy, text: Document, path: str, is_shipped_hardware: bool) -> StudySpec:
    document, settings = checked
    lattice = build_lattice(document, settings["stage"], text)
    points = {"baseline": document.baseline, "guide": document.guide}
    mistakes = [
        mistake
        for name, values in points.items()
        if values is not None
        for mistake in point_mistakes(name, values, lattice)
    ]
    if mistakes:
        raise text.error(mistakes)
    target = study_target(document, text)
    settings["stage"] = stage_told_of(target.metric, settings["stage"])
    settings["description"] = " ".join(settings["description"].split())
    return StudySpec(
        **settings,
        path=path,
        lattice=lattice,
        target=target,
        baseline=TrialConfig.from_dict(document.baseline),
        guide=None if document.guide is None else TrialConfig.from_dict(document.guide),
        is_shipped_hardware=is_shipped_hardware,
        lines={name: text.position((name,))[0] for name in text.value},
    )


def study_as_yaml(study: StudySpec) -> str:
    """`StudySpec.as_dict` as the text of a study file, which loads back as an equal study."""
    return write_yaml(study.as_dict())
