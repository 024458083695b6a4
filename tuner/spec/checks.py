"""Checks that concern several parts of a study at once: its parameters, constraints and points."""

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
from tuner.spec.custom_errors import guess
from tuner.spec.document import Document, Mistake, Path
from tuner.spec.study_document import NEEDED_PARAMETERS, ParameterDocument, StudyDocument

_NAMING = "use letters, digits and _, and none of the words that constraints are written with."


def build_lattice(study: StudyDocument, num_samples: int, document: Document) -> Lattice:
    """The lattice, once every parameter and constraint by itself is right."""
    mistakes = _parameter_mistakes(study, num_samples)
    rules: list[Rule] = []
    for k, text in enumerate(study.constraints):
        try:
            rules.append(Rule.parse(text, study.parameters))
        except SpecError as error:
            mistakes.append(Mistake(path=("constraints", k), what=error.message, fix=error.hint))
    if mistakes:
        raise document.error(mistakes)
    try:
        return Lattice(_parameters(study), rules)
    except RuleError as error:
        places: list[Path] = [("constraints", k) for k, rule in enumerate(rules) if rule.text == error.text]
        mistake = Mistake(path=places[0], what=error.message, fix=error.hint)
    except SpecError as error:
        mistake = Mistake(path=("parameters",), what=error.message, fix=error.hint)
    raise document.error([mistake])


def _parameters(study: StudyDocument) -> list[Parameter]:
    return [parameter.build(name) for name, parameter in study.parameters.items()]


def _parameter_mistakes(study: StudyDocument, num_samples: int) -> list[Mistake]:
    names = list(study.parameters)
    mistakes = [
        Mistake(path=("parameters", name), what=f"a parameter cannot be called {name!r}.", fix=_NAMING)
        for name in names
        if name in RESERVED or keyword.iskeyword(name) or not name.isidentifier()
    ]
    for name in NEEDED_PARAMETERS:
        if name not in names:
            close = difflib.get_close_matches(name, names, n=1)
            path: Path = ("parameters", *close)
            fix = f"did you mean it by {close[0]!r}?" if close else f"add {name}: {{values: [...]}}."
            mistakes.append(Mistake(path=path, what=f"the parameter {name} is missing.", fix=fix))
    for name in CORE_NAMES:
        if name in names:
            mistakes += _core_mistakes(name, study.parameters[name])
    return mistakes or _size_mistakes(study, num_samples)


def _core_mistakes(name: str, parameter: ParameterDocument) -> list[Mistake]:
    if parameter.type != "int":
        what = f"{name} counts something, so it cannot be of type {parameter.type}."
        return [Mistake(path=("parameters", name, "type"), what=what, fix="use type: int.")]
    places = (
        {("low",): parameter.low}
        if parameter.values is None
        else {("values", k): value for k, value in enumerate(parameter.values)}
    )
    return [
        Mistake(
            path=("parameters", name, *place),
            what=f"{name}={value} is too small.",
            fix="use 1 or more.",
        )
        for place, value in places.items()
        if value is not None and value < 1
    ]


def _size_mistakes(study: StudyDocument, num_samples: int) -> list[Mistake]:
    """Batches that no epoch fills, and listed micro-batches that divide no batch."""
    batch, micro = study.parameters["batch_size"], study.parameters["micro_batch"]
    sizes = _discrete_values(batch)
    mistakes = (
        [
            Mistake(
                path=("parameters", "batch_size"),
                what=f"batch_size={max(sizes)} is more than num_samples={num_samples}.",
                fix="use smaller batches or more samples.",
            )
        ]
        if max(sizes) > num_samples
        else []
    )
    for k, value in enumerate(micro.values or []):
        if all(size % value for size in sizes):
            listed = ", ".join(map(str, sizes))
            mistakes.append(
                Mistake(
                    path=("parameters", "micro_batch", "values", k),
                    what=f"micro_batch={value} divides no batch_size in {{{listed}}}.",
                    fix="remove it or add a batch_size it divides.",
                )
            )
    return mistakes


def _discrete_values(parameter: ParameterDocument) -> list[int]:
    if parameter.values is not None:
        return sorted(parameter.values)
    return list(range(parameter.low, parameter.high + 1, parameter.step or 1))


def point_mistakes(name: str, values: Mapping[str, Any], lattice: Lattice) -> list[Mistake]:
    """Returns the reasons why the baseline, or the guide's row, is not a configuration of the study."""
    known = [parameter.name for parameter in lattice.parameters]
    unknown = [key for key in values if key not in (*known, "accum_steps")]
    if unknown:
        return [
            Mistake(
                path=(name, key),
                what=f"{name}: {key} is not a parameter of the study.",
                fix=guess(key, known, "parameters"),
            )
            for key in unknown
        ]
    missing = [key for key in known if key not in values and key != "accum_steps"]
    if missing:
        what = f"{name}: {', '.join(missing)} is missing."
        return [Mistake(path=(name,), what=what, fix=f"add {missing[0]}: ... to {name}.")]
    try:
        reason = lattice.why_not(TrialConfig.from_dict(values))
    except ConfigError as error:
        fix = error.hint or "use a whole number of 1 or more."
        return [Mistake(path=(name,), what=f"{name}: {error.message}", fix=fix)]
    if reason is None:
        return []
    fix = "change it, or widen the parameters and constraints so that it is in."
    return [Mistake(path=(name,), what=f"{name} is not in the space: {reason}.", fix=fix)]
