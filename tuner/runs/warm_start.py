"""Turns the folder of an earlier run into what it taught about NRMSE, or says why nothing may be used.

Reads the journal alone, of a run that ended, was interrupted or was killed. Whether the stage is the same is
checked in two steps, since the stage itself can only be asked once its worker runs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tuner.advisor.facts import WarmStartDropped
from tuner.core.metric import Metric
from tuner.core.objectives import Target
from tuner.core.study import StudySpec
from tuner.core.traits import StageTraits
from tuner.core.warm_start import WarmStart, WarmStartRun, warm_start_run
from tuner.errors import RecordsError, TunerError, WarmStartError
from tuner.runs.facts import Facts, fold
from tuner.runs.journal import read_journal
from tuner.search.earlier_run import is_expressible

_DROP = "leave out --warm-start, or name a run of the same stage."


@dataclass(frozen=True, slots=True, kw_only=True)
class EarlierRun:
    """A run's folder, as far as another run may learn from it.

    Attributes:
        name: Name of the run's folder.
        device: Name of the device it ran on.
        is_simulated: Whether its figures are of a simulation.
        stage: The `stage` of its study: class, options, num_epochs, num_samples.
        metric: The quality figure of its study.
        traits: Properties that its stage and device stated of themselves.
        runs: Runs of its own trials, and those that it had taken from a run before it.
    """

    name: str
    device: str
    is_simulated: bool
    stage: Mapping[str, Any]
    metric: Metric
    traits: StageTraits
    runs: tuple[WarmStartRun, ...]


def read_run(folder: Path) -> EarlierRun:
    """Reads the folder of a run, `runs/last` included.

    Raises:
        RecordsError: The folder is not a run's, its journal is broken, or nothing in it ran to full budget.
    """
    path = folder / "journal.jsonl"
    if not path.is_file():
        raise RecordsError(
            f"--warm-start {folder}: there is no journal.jsonl in it.",
            "name the folder of a run, such as runs/last.",
        )
    try:
        facts = fold(list(read_journal(path)))
    except RecordsError as error:
        hint = error.hint or "name a run of this version of distill-tuner."
        raise RecordsError(f"--warm-start {folder}: {error.message}", hint) from error
    start, name = facts.start, folder.resolve().name
    if start.study is None:
        raise RecordsError(
            f"--warm-start {folder}: its journal does not hold its study.",
            "name a run of this version of distill-tuner.",
        )
    stage, device = start.study["stage"], start.provenance["device"]
    own = [run for record in facts.records.values() if (run := warm_start_run(record, name)) is not None]
    runs = (*own, *_inherited(facts))
    if not any(run.epoch == stage["num_epochs"] for run in runs):
        raise RecordsError(
            f"--warm-start {folder}: none of its trials ran to its full budget, so it teaches nothing.",
            "leave out --warm-start.",
        )
    return EarlierRun(
        name=name,
        device=str(device["name"]),
        is_simulated=device["kind"] == "simulated",
        stage=stage,
        metric=_metric_of(start.study, folder),
        traits=start.traits,
        runs=runs,
    )


def _metric_of(study: Mapping[str, Any], folder: Path) -> Metric:
    """The metric of a study that a journal holds as plain values."""
    try:
        return Target.parse(study["target"], Metric(**study.get("metric", {}))).metric
    except (TunerError, TypeError, ValueError) as error:
        raise RecordsError(
            f"--warm-start {folder}: the metric of the study in its journal cannot be read: {error}",
            "name a run of this version of distill-tuner.",
        ) from error


def _inherited(facts: Facts) -> tuple[WarmStartRun, ...]:
    """Returns what the run had taken itself, unless its own first trials contradicted that."""
    was_dropped = any(isinstance(heard.fact, WarmStartDropped) for heard in facts.heard)
    return facts.start.warm_start.runs if facts.start.warm_start and not was_dropped else ()


def check_same_study(earlier: EarlierRun, study: StudySpec, *, is_simulated: bool) -> None:
    """Refuses what can be seen to differ before any worker runs.

    Raises:
        WarmStartError: One of the two is simulated and the other is not; the stage's class or its number of
            epochs or samples differs.
    """
    if earlier.is_simulated != is_simulated:
        kinds = ("simulated", "real") if earlier.is_simulated else ("real", "simulated")
        raise WarmStartError(
            f"--warm-start {earlier.name}: that run is {kinds[0]}; a {kinds[1]} one cannot learn from it.",
            f"name a {kinds[1]} run.",
        )
    for key in ("name", "goal", "range"):
        if (there := getattr(earlier.metric, key)) != getattr(study.metric, key):
            raise _differs(earlier, f"metric.{key}", there, getattr(study.metric, key))
    here = study.as_dict()["stage"]
    for key in ("class", "num_epochs", "num_samples"):
        if earlier.stage[key] != here[key]:
            raise _differs(earlier, f"stage.{key}", earlier.stage[key], here[key])


def warm_start_from(earlier: EarlierRun, study: StudySpec, traits: StageTraits) -> WarmStart:
    """Returns what the earlier run teaches this study.

    Args:
        earlier: `check_same_study` let it pass.
        study: This one.
        traits: Properties that this study's stage states of itself.

    Raises:
        WarmStartError: The stage's options differ in what NRMSE depends on, the stage now says otherwise
            which parameters cannot change NRMSE, or this space can express none of the runs.
    """
    there, here = earlier.traits.quality_options, traits.quality_options
    if there is None or here is None:
        there, here = earlier.stage["options"], study.as_dict()["stage"]["options"]
    for name in sorted({*there, *here}):
        if there.get(name) != here.get(name):
            raise _differs(earlier, f"stage option {name}", there.get(name), here.get(name))
    alike = earlier.traits.quality_invariant_to, traits.quality_invariant_to
    if set(alike[0]) != set(alike[1]):
        what = "what the stage calls quality_invariant_to"
        raise _differs(earlier, what, *(", ".join(names) or "nothing" for names in alike))
    kept = tuple(
        _on_scale_of(study.metric, run, earlier.metric)
        for run in earlier.runs
        if is_expressible(run.config, study.lattice, traits)
    )
    warm_start = WarmStart(
        source=earlier.name,
        device=earlier.device,
        num_epochs=study.stage.num_epochs,
        runs=kept,
        num_left_out=len(earlier.runs) - len(kept),
    )
    if not warm_start.num_full:
        raise WarmStartError(
            f"--warm-start {earlier.name}: its runs vary other parameters than this study.",
            "give both studies the same parameters, or leave out --warm-start.",
        )
    return warm_start


def _on_scale_of(metric: Metric, run: WarmStartRun, there: Metric) -> WarmStartRun:
    """The run with its curve on the scale about this study's bound."""
    if metric == there:
        return run
    return replace(run, curve=tuple((epoch, metric.on_scale(there.value(z))) for epoch, z in run.curve))


def _differs(earlier: EarlierRun, what: str, there: object, here: object) -> WarmStartError:
    return WarmStartError(
        f"--warm-start {earlier.name}: {what} differs: {_shown(there)} there, {_shown(here)} here, "
        f"so its {earlier.metric.label} does not apply here.",
        _DROP,
    )


def _shown(value: object) -> str:
    return "not given" if value is None else str(value)
