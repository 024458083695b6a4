"""From a name or path to a resolved `StudySpec`, or to one message on the first mistake.

Finds files, puts a named hardware profile in its place, has the shape checked by `schema`, and
checks by itself what takes several parts of a study: constraints, the lattice, the baseline.
"""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import ValidationError

from tuner.core.certificate import Terms
from tuner.core.config import TrialConfig
from tuner.core.goal import Objective
from tuner.core.limits import Limit
from tuner.core.objectives import Target
from tuner.errors import SpecError
from tuner.spec.checks import build_lattice, point_problems
from tuner.spec.document import Document, Problem, read_document
from tuner.spec.files import find, shipped_hardware, stem, yaml_files
from tuner.spec.hardware import Figure, GuideRow, HardwareProfile
from tuner.spec.outputs import OutputSpec
from tuner.spec.problems import problems_of
from tuner.spec.schema import HardwareModel, StudyModel
from tuner.spec.study import (
    BudgetSpec,
    DecisionSpec,
    ResourceSpec,
    SchedulerSpec,
    SearchSpec,
    StageSpec,
    StudySpec,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class SpaceInfo:
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
    values, problems = dict(document.value), list(document.problems)
    is_shipped_hardware = "hardware" in values and not isinstance(values["hardware"], dict)
    if is_shipped_hardware:
        values["hardware"], unknown = shipped_hardware(str(values["hardware"]))
        problems += unknown
    try:
        model = StudyModel.model_validate(values)
    except ValidationError as error:
        raise document.error([*problems, *problems_of(error, StudyModel)]) from None
    if problems:
        raise document.error(problems)
    return _resolve(model, document, path, is_shipped_hardware)


def list_spaces() -> list[SpaceInfo]:
    """The shipped studies, by name."""
    spaces = []
    for file in yaml_files():
        document = read_document(file.read_bytes(), file.name)
        description = " ".join(str(document.value.get("description", "")).split())
        name = stem(file)
        spaces.append(SpaceInfo(name=name, path=str(file), description=description))
    return spaces


def load_hardware(name: str) -> HardwareProfile:
    """A shipped hardware profile.

    Raises:
        SpecError: There is none of that name.
    """
    values, problems = shipped_hardware(name)
    if problems:
        raise SpecError(problems[0].what, problems[0].fix)
    return _hardware(HardwareModel.model_validate(values))


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
    raise document.error([Problem(path=(), what=what, fix=fix)])


def _hardware(model: HardwareModel) -> HardwareProfile:
    values = model.model_dump(exclude_none=True)
    for name, value in values.items():
        if isinstance(value, list):
            values[name] = tuple(value)
        elif isinstance(value, dict) and name != "guide":
            values[name] = Figure(**value)
    if model.guide is not None:
        values["guide"] = GuideRow(**{k: tuple(v) for k, v in values["guide"].items()})
    return HardwareProfile(**values)


def _resolve(model: StudyModel, document: Document, path: str, is_shipped_hardware: bool) -> StudySpec:
    lattice = build_lattice(model, document)
    points = {"baseline": model.baseline, "guide": model.guide}
    problems = [
        problem
        for name, values in points.items()
        if values is not None
        for problem in point_problems(name, values, lattice)
    ]
    if problems:
        raise document.error(problems)
    stage, wanted = model.stage, model.resources
    return StudySpec(
        name=model.name,
        description=" ".join(model.description.split()),
        path=path,
        hardware=_hardware(model.hardware),
        is_shipped_hardware=is_shipped_hardware,
        stage=StageSpec(
            class_path=stage.class_path,
            options={**stage.options, "num_samples": stage.num_samples},
            num_epochs=stage.num_epochs,
            num_samples=stage.num_samples,
        ),
        lattice=lattice,
        target=Target.parse(model.target),
        objective=Objective(model.objective),
        limits=tuple(Limit.parse(text) for text in model.limits),
        baseline=TrialConfig.from_dict(model.baseline),
        guide=None if model.guide is None else TrialConfig.from_dict(model.guide),
        budget=BudgetSpec(trials=model.budget.trials, hours=float(model.budget.hours)),
        search=SearchSpec(sampler=model.search.sampler, options=model.search.options),
        scheduler=SchedulerSpec(rule=model.scheduler.rule, options=model.scheduler.options),
        decision=DecisionSpec(
            max_error=float(model.decision.max_error), margin_pct=float(model.decision.margin_pct)
        ),
        certificate=Terms(
            pairs=model.certificate.pairs,
            until_firm=model.certificate.until_firm,
            nrmse_margin_pct=float(model.certificate.nrmse_margin_pct),
        ),
        resources=ResourceSpec(
            cpus=wanted.cpus, threads=wanted.threads or wanted.cpus, retries=wanted.retries
        ),
        outputs=OutputSpec(**model.outputs.model_dump()),
        seed=model.seed,
        lines={name: document.position((name,))[0] for name in document.value},
    )
