"""Translates an Optuna study's trials into the search's own words: a function of the trials alone.

So any storage, any process and any mixture of asked, enqueued and added trials gives the same records.
Reads trials; writes nothing, and knows nothing of what to try next.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from optuna.study import StudyDirection
from optuna.trial import FrozenTrial
from optuna.trial import TrialState as OptunaState

from tuner.core.config import TrialConfig
from tuner.core.lattice import Lattice
from tuner.core.measurement import Measurement, Status
from tuner.core.parameters import Discrete, Parameter, ParameterValue
from tuner.core.trial import TrialRecord, TrialState
from tuner.errors import ConfigError, SpecError
from tuner.search.problem import Problem

PROPOSAL = "distill_tuner:proposal"
"""System attribute with what was proposed, before the objective has suggested all of it."""

QUALITY = "quality"
"""The constraint that may stand for NRMSE: NRMSE less the bound of an absolute target."""

LIVE = (OptunaState.RUNNING, OptunaState.WAITING)
_STATES = {
    OptunaState.RUNNING: TrialState.RUNNING,
    OptunaState.WAITING: TrialState.RUNNING,
    OptunaState.PRUNED: TrialState.STOPPED,
    OptunaState.FAIL: TrialState.FAILED,
}


def records_of(problem: Problem, trials: Iterable[FrozenTrial]) -> list[TrialRecord]:
    """The records of those trials that have a configuration; see `LatticeSampler` for what is read.

    Raises:
        SpecError: A COMPLETE trial does not say its NRMSE.
    """
    known = ((trial, config_of(problem.lattice, trial)) for trial in trials)
    return [_record(problem, trial, config) for trial, config in known if config is not None]


def config_of(lattice: Lattice, trial: FrozenTrial) -> TrialConfig | None:
    """The configuration of a trial, of a live one as it was proposed; None when it has none.

    It has none when a parameter of the lattice was not suggested, or the values cannot be: the guide's are no
    counts, or break the rule that the lattice requires.
    """
    params = params_of(trial)
    values: dict[str, ParameterValue] = {}
    for parameter in lattice.parameters:
        if parameter.name in params:
            values[parameter.name] = own_value(parameter, params[parameter.name])
        elif isinstance(parameter, Discrete) and len(parameter.values) == 1:
            values[parameter.name] = parameter.values[0]
        else:
            return None
    try:
        config = TrialConfig.from_dict(values)
    except ConfigError:
        return None
    required = next(rule for rule in lattice.rules if rule.text == lattice.required)
    return config if required.holds(values) else None


def params_of(trial: FrozenTrial) -> dict[str, Any]:
    """The parameters of a trial, of a live one as they were proposed."""
    if trial.state in LIVE:
        return {**trial.system_attrs.get(PROPOSAL, {}), **set_params(trial)}
    return trial.params


def set_params(trial: FrozenTrial) -> dict[str, Any]:
    """The parameters whose values are not to be chosen any more: enqueued ones and suggested ones."""
    return {**trial.system_attrs.get("fixed_params", {}), **trial.params}


def own_value(parameter: Parameter, value: Any) -> ParameterValue:
    """A suggested value as the lattice writes it: 4 for a 4.0; as it is where the lattice has no such."""
    if not isinstance(parameter, Discrete):
        return float(value)
    alike = (own for own in parameter.values if isinstance(own, bool) == isinstance(value, bool))
    found: ParameterValue = next((own for own in alike if own == value), value)
    return found


def losses(trials: Sequence[FrozenTrial], directions: Sequence[StudyDirection]) -> list[tuple[float, ...]]:
    """The values of COMPLETE trials, as figures to minimise; a trial that broke a constraint has the worst.

    While every one broke some, the sum of what each is beyond its constraints is what to minimise.
    """
    broken = [sum(max(0.0, value) for value in trial.constraints.values()) for trial in trials]
    if all(broken):
        return [(total,) for total in broken]
    signs = [-1.0 if direction == StudyDirection.MAXIMIZE else 1.0 for direction in directions]
    found = [tuple(s * v for s, v in zip(signs, trial.values, strict=True)) for trial in trials]
    kept = [values for values, total in zip(found, broken, strict=True) if not total]
    worst = tuple(map(max, zip(*kept, strict=True)))
    return [worst if total else values for values, total in zip(found, broken, strict=True)]


def _record(problem: Problem, trial: FrozenTrial, config: TrialConfig) -> TrialRecord:
    record = TrialRecord(
        trial_id=f"{trial.number:04d}",
        config=config,
        seed=int(trial.user_attrs.get("seed", problem.seed)),
        num_epochs=problem.num_epochs,
    )
    if trial.state is not OptunaState.COMPLETE:
        for report in _curve(problem, trial, trial.user_attrs.get("time_s")):
            record = record.observed(report)
        return record.ended(_STATES[trial.state])
    if constraint := _broken(problem, trial):
        return record.ended(TrialState.INFEASIBLE, constraint=constraint)
    time_s, nrmse = _figures(problem, trial)
    for report in _curve(problem, trial, time_s):
        if report.epoch < problem.num_epochs:
            record = record.observed(report)
    last = _report(problem.num_epochs, nrmse, time_s, time_s / problem.num_epochs, trial)
    return record.observed(last).ended(TrialState.COMPLETE)


def _broken(problem: Problem, trial: FrozenTrial) -> str:
    """Returns the constraint that a COMPLETE trial broke, so that its figures mean nothing; else empty."""
    violated = [name for name, value in trial.constraints.items() if value > 0 and name != QUALITY]
    if violated:
        return "memory" if "memory" in violated else "finite"
    usable = all(math.isfinite(figure) and figure > 0 for figure in _figures(problem, trial))
    return "" if usable else "finite"


def _figures(problem: Problem, trial: FrozenTrial) -> tuple[float, float]:
    """Returns seconds and NRMSE (or the study's own figure, on the models' scale) at full budget."""
    metric, target = problem.target.metric, problem.target
    if len(trial.values) > 1:
        return trial.values[0], metric.on_scale(trial.values[1])
    if metric.name in trial.user_attrs:
        return trial.values[0], metric.on_scale(float(trial.user_attrs[metric.name]))
    if QUALITY in trial.constraints and not target.is_relative:
        worse_by = trial.constraints[QUALITY]
        return trial.values[0], metric.on_scale(metric.value(target.bound) + metric.sign * worse_by)
    raise SpecError(
        f"trial {trial.number} of the study does not say its {metric.label}.",
        f"return (time_s, {metric.name}), or call "
        f'trial.set_user_attr("{metric.name}", ...) in the objective.',
    )


def _curve(problem: Problem, trial: FrozenTrial, time_s: float | None) -> list[Measurement]:
    """Reads what was reported with the number of finished epochs as step; `time_s` is of the last of them.

    A COMPLETE trial's seconds are those of the full budget.
    """
    known = {
        step: problem.target.metric.on_scale(value)
        for step, value in sorted(trial.intermediate_values.items())
        if 1 <= step <= problem.num_epochs and math.isfinite(value)
    }
    curve = {step: nrmse for step, nrmse in known.items() if nrmse > 0}
    if not curve:
        return []
    end = problem.num_epochs if trial.state is OptunaState.COMPLETE else max(curve)
    epoch_s = time_s / end if time_s else None
    return [_report(step, nrmse, step * (epoch_s or 1.0), epoch_s, trial) for step, nrmse in curve.items()]


def _report(
    epoch: int, nrmse: float, time_s: float, epoch_time_s: float | None, trial: FrozenTrial
) -> Measurement:
    """A report; without an epoch's seconds its times are marked as not comparable."""
    return Measurement(
        status=Status.OK,
        epoch=epoch,
        nrmse=nrmse,
        time_s=time_s,
        epoch_time_s=epoch_time_s or 0.0,
        peak_memory_gib=float(trial.user_attrs.get("peak_memory_gib", 0.0)),
        resumed=epoch_time_s is None,
    )


def agrees(lattice: Lattice, config: TrialConfig, given: Mapping[str, Any]) -> bool:
    """Whether a configuration has the given values of the discrete parameters."""
    values = config.as_dict()
    return all(values[p.name] == own_value(p, given[p.name]) for p in lattice.discrete if p.name in given)
