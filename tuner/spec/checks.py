"""Checks that concern several parts of a study at once: its parameters, constraints and points."""

from __future__ import annotations

import difflib
import keyword
from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any

from tuner.core.config import CORE_NAMES, TrialConfig
from tuner.core.constraints import RESERVED, Rule, RuleError
from tuner.core.lattice import Lattice, divisibility, no_divisibility
from tuner.core.measurement import Measurement
from tuner.core.metric import DEFAULT_NAME, STAGE_OPTION, Metric
from tuner.core.objectives import Target
from tuner.core.parameters import Parameter
from tuner.core.study import NONE
from tuner.core.study_sections import StageSpec
from tuner.errors import ConfigError, SpecError
from tuner.spec.custom_errors import guess
from tuner.spec.document import Document, Mistake, Path
from tuner.spec.study_document import AUTO, NEEDED_PARAMETERS, ParameterDocument, StudyDocument

_TAKEN = (
    *(field.name for field in fields(Measurement)),
    *(
        "loss",
        "time_per_epoch",
        "done",
        "probe",
        "baseline",
        "pid",
        "date",
        "timestamp",
        "hostname",
        "config",
    ),
    *("trial_id", "purpose", "state", "seed", "num_epochs", "projected_time_s", "censored", "constraint"),
    *("time_to_target_s", "time_to_target_censored", "reason", "seeds"),
)
"""Names of other values that reports, Ray's results and tables of trials hold."""

_NAMING = "use letters, digits and _, and none of the words that constraints are written with."


def build_lattice(study: StudyDocument, stage: StageSpec, document: Document) -> Lattice:
    """The lattice, once every parameter and constraint by itself is right."""
    mistakes = _parameter_mistakes(study, stage)
    required = _required(study, stage.rows_per_sample)
    texts: dict[Path, str] = {("constraints", k): text for k, text in enumerate(study.constraints)}
    rules: dict[Path, Rule] = {}
    own: dict[Path, str] = {} if study.divisibility == AUTO else {("divisibility",): required}
    for path, text in (own | texts).items():
        try:
            rules[path] = Rule.parse(text, study.parameters)
        except SpecError as error:
            mistakes.append(Mistake(path=path, what=error.message, fix=error.hint))
    if mistakes:
        raise document.error(mistakes)
    try:
        constraints = [rule for path, rule in rules.items() if path in texts]
        return Lattice(_parameters(study), constraints, required=required)
    except RuleError as error:
        place = next((path for path, rule in rules.items() if rule.text == error.text), ("parameters",))
        mistake = Mistake(path=place, what=error.message, fix=error.hint)
    except SpecError as error:
        mistake = Mistake(path=("parameters",), what=error.message, fix=error.hint)
    raise document.error([mistake])


def study_target(study: StudyDocument, document: Document) -> Target:
    """The target, with the metric that it bounds."""
    name = study.metric.name
    if name != DEFAULT_NAME and (name in _TAKEN or name in (*study.parameters, *CORE_NAMES)):
        what = f"metric.name={name} is the name of something else that reports and tables hold."
        fix = f"call it val_{name}, say, here and in target."
        raise document.error([Mistake(path=("metric", "name"), what=what, fix=fix)])
    try:
        return Target.parse(study.target, study.metric)
    except SpecError as error:
        raise document.error([Mistake(path=("target",), what=error.message, fix=error.hint)]) from None


def stage_told_of(metric: Metric, stage: StageSpec) -> StageSpec:
    """The stage with the name of the quality figure among its options, where that is not NRMSE."""
    if metric.name == DEFAULT_NAME:
        return stage
    return replace(stage, options={**stage.options, STAGE_OPTION: metric.name})


def _required(study: StudyDocument, rows_per_sample: int) -> str:
    """The rule about micro_batch: the study's own, the usual one, or what stands for none."""
    if study.divisibility == AUTO:
        return divisibility(rows_per_sample)
    return no_divisibility(rows_per_sample) if study.divisibility == NONE else study.divisibility


def _parameters(study: StudyDocument) -> list[Parameter]:
    return [parameter.build(name) for name, parameter in study.parameters.items()]


def _parameter_mistakes(study: StudyDocument, stage: StageSpec) -> list[Mistake]:
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
    return mistakes or _size_mistakes(study, stage)


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


def _size_mistakes(study: StudyDocument, stage: StageSpec) -> list[Mistake]:
    """Batches that no epoch fills, and listed micro-batches that divide no batch where they must."""
    batch, micro = study.parameters["batch_size"], study.parameters["micro_batch"]
    sizes = _discrete_values(batch)
    mistakes = (
        [
            Mistake(
                path=("parameters", "batch_size"),
                what=f"batch_size={max(sizes)} is more than num_samples={stage.num_samples}.",
                fix="use smaller batches or more samples.",
            )
        ]
        if max(sizes) > stage.num_samples
        else []
    )
    rows = stage.rows_per_sample
    for k, value in enumerate((micro.values or []) if study.divisibility == AUTO else []):
        if all(size * rows % value for size in sizes):
            listed = ", ".join(map(str, sizes))
            times = "" if rows == 1 else f" times rows_per_sample={rows}"
            mistakes.append(
                Mistake(
                    path=("parameters", "micro_batch", "values", k),
                    what=f"micro_batch={value} divides no batch_size in {{{listed}}}{times}.",
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
        what = f"{name}: {', '.join(missing)} {'is' if len(missing) == 1 else 'are'} missing."
        fix = f"add {', '.join(f'{key}: ...' for key in missing)} to {name}."
        return [Mistake(path=(name,), what=what, fix=fix)]
    try:
        reason = lattice.why_not(TrialConfig.from_dict(values))
    except ConfigError as error:
        fix = error.hint or "use a whole number of 1 or more."
        return [Mistake(path=(name,), what=f"{name}: {error.message}", fix=fix)]
    if reason is None:
        return []
    fix = "change it, or widen the parameters and constraints so that it is in."
    return [Mistake(path=(name,), what=f"{name} is not in the space: {reason}.", fix=fix)]
