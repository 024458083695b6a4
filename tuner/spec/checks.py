"""What takes several parts of a study to check: parameters together, constraints, points."""

from __future__ import annotations

import difflib
import keyword
from collections.abc import Mapping
from typing import Any

from tuner.core.config import CORE_NAMES, TrialConfig
from tuner.core.constraints import RESERVED, Rule
from tuner.core.expressions import RuleError
from tuner.core.lattice import Lattice
from tuner.core.parameters import Parameter
from tuner.errors import ConfigError, SpecError
from tuner.spec.document import Document, Path, Problem
from tuner.spec.schema import ParameterModel, StudyModel, guess

_NAMING = "use letters, digits and _, and none of the words that constraints are written with."


def build_lattice(model: StudyModel, document: Document) -> Lattice:
    """The lattice, once every parameter and constraint by itself is right."""
    problems = _parameter_problems(model)
    rules: list[Rule] = []
    for k, text in enumerate(model.constraints):
        try:
            rules.append(Rule.parse(text, model.parameters))
        except SpecError as error:
            problems.append(Problem(path=("constraints", k), what=error.message, fix=error.hint))
    if problems:
        raise document.error(problems)
    try:
        return Lattice(_parameters(model), rules)
    except RuleError as error:
        places: list[Path] = [("constraints", k) for k, rule in enumerate(rules) if rule.text == error.text]
        problem = Problem(path=places[0], what=error.message, fix=error.hint)
    except SpecError as error:
        problem = Problem(path=("parameters",), what=error.message, fix=error.hint)
    raise document.error([problem])


def _parameters(model: StudyModel) -> list[Parameter]:
    return [parameter.build(name) for name, parameter in model.parameters.items()]


def _parameter_problems(model: StudyModel) -> list[Problem]:
    names = list(model.parameters)
    problems = [
        Problem(path=("parameters", name), what=f"a parameter cannot be called {name!r}.", fix=_NAMING)
        for name in names
        if name in RESERVED or keyword.iskeyword(name) or not name.isidentifier()
    ]
    for name in ("batch_size", "micro_batch", "num_taus"):
        if name not in names:
            close = difflib.get_close_matches(name, names, n=1)
            path: Path = ("parameters", *close)
            fix = f"did you mean it by {close[0]!r}?" if close else f"add {name}: {{values: [...]}}."
            problems.append(Problem(path=path, what=f"the parameter {name} is missing.", fix=fix))
    for name in CORE_NAMES:
        if name in names:
            problems += _core_problems(name, model.parameters[name])
    return problems or _size_problems(model)


def _core_problems(name: str, parameter: ParameterModel) -> list[Problem]:
    if parameter.type != "int":
        what = f"{name} counts something, so it cannot be of type {parameter.type}."
        return [Problem(path=("parameters", name, "type"), what=what, fix="use type: int.")]
    places = (
        {("low",): parameter.low}
        if parameter.values is None
        else {("values", k): value for k, value in enumerate(parameter.values)}
    )
    return [
        Problem(
            path=("parameters", name, *place),
            what=f"{name}={value} is too small.",
            fix="use 1 or more.",
        )
        for place, value in places.items()
        if value is not None and value < 1
    ]


def _size_problems(model: StudyModel) -> list[Problem]:
    """Batches that no epoch fills, and listed micro-batches that divide no batch."""
    batch, micro = model.parameters["batch_size"], model.parameters["micro_batch"]
    sizes = _discrete_values(batch)
    problems = (
        [
            Problem(
                path=("parameters", "batch_size"),
                what=f"batch_size={max(sizes)} is more than num_samples={model.stage.num_samples}.",
                fix="use smaller batches or more samples.",
            )
        ]
        if max(sizes) > model.stage.num_samples
        else []
    )
    for k, value in enumerate(micro.values or []):
        if all(size % value for size in sizes):
            listed = ", ".join(map(str, sizes))
            problems.append(
                Problem(
                    path=("parameters", "micro_batch", "values", k),
                    what=f"micro_batch={value} divides no batch_size in {{{listed}}}.",
                    fix="remove it or add a batch_size it divides.",
                )
            )
    return problems


def _discrete_values(parameter: ParameterModel) -> list[int]:
    if parameter.values is not None:
        return sorted(parameter.values)
    return list(range(parameter.low, parameter.high + 1, parameter.step or 1))


def point_problems(name: str, values: Mapping[str, Any], lattice: Lattice) -> list[Problem]:
    """Why the baseline, or the guide's row, is not a configuration of the study."""
    known = [parameter.name for parameter in lattice.parameters]
    unknown = [key for key in values if key not in (*known, "accum_steps")]
    if unknown:
        return [
            Problem(
                path=(name, key),
                what=f"{name}: {key} is not a parameter of the study.",
                fix=guess(key, known, "parameters"),
            )
            for key in unknown
        ]
    missing = [key for key in known if key not in values and key != "accum_steps"]
    if missing:
        what = f"{name}: {', '.join(missing)} is missing."
        return [Problem(path=(name,), what=what, fix=f"add {missing[0]}: ... to {name}.")]
    try:
        reason = lattice.why_not(TrialConfig.from_dict(values))
    except ConfigError as error:
        fix = error.hint or "use a whole number of 1 or more."
        return [Problem(path=(name,), what=f"{name}: {error.message}", fix=fix)]
    if reason is None:
        return []
    fix = "change it, or widen the parameters and constraints so that it is in."
    return [Problem(path=(name,), what=f"{name} is not in the space: {reason}.", fix=fix)]
