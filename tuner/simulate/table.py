"""Measured runs replayed as a table: an instance whose every answer a real stage gave once.

Rows come from a file of JSON lines. The study's lattice is cut down to the
configurations that were measured; asking for another one is an error that says so.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np

from tuner.core.config import CORE_NAMES, TrialConfig, divisors
from tuner.core.constraints import Rule
from tuner.core.lattice import Lattice
from tuner.core.study import StudySpec
from tuner.errors import RecordsError, TunerError
from tuner.simulate.hardware import HardwareLaw
from tuner.simulate.instance import Instance, Noise
from tuner.simulate.loop import Costs
from tuner.simulate.truth import Truth


@dataclass(frozen=True, slots=True, kw_only=True)
class TableRow:
    """The record of one full training.

    Attributes:
        config: The configuration of the training.
        seed: Seed of the stage.
        nrmses: NRMSE after every epoch.
        epoch_time_s: Training seconds an epoch; None where only quality was measured.
        peak_memory_gib: Peak memory; 0 where it was not measured.
    """

    config: TrialConfig
    seed: int
    nrmses: tuple[float, ...]
    epoch_time_s: float | None = None
    peak_memory_gib: float = 0.0


def read_rows(path: Path) -> list[TableRow]:
    """Rows of a file of JSON lines, such as the `runs/calibration.jsonl` of benchmarks.calibration.

    A line holds `config` ([batch_size, micro_batch, num_taus, accum_steps], or names and values), `seed` and
    `nrmse` (one figure an epoch); `epoch_time_s` and `peak_memory_gib` may be there.

    Raises:
        RecordsError: The file cannot be read, or a line is not such.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise RecordsError(f"{path}: cannot read it: {error.strerror}.") from error
    rows = []
    for number, line in enumerate(lines, start=1):
        try:
            rows.append(_row(json.loads(line)))
        except (ValueError, KeyError, TypeError, TunerError) as error:
            what = f"{path}:{number}: not a row of a table: {error!r}."
            raise RecordsError(what, 'write {"config": ..., "seed": ..., "nrmse": [...]}.') from error
    return rows


def _row(entry: Mapping[str, Any]) -> TableRow:
    config, seconds = entry["config"], entry.get("epoch_time_s")
    values = config if isinstance(config, dict) else dict(zip(CORE_NAMES, config, strict=True))
    return TableRow(
        config=TrialConfig.from_dict(values),
        seed=int(entry["seed"]),
        nrmses=tuple(float(nrmse) for nrmse in entry["nrmse"]),
        epoch_time_s=None if seconds is None else float(seconds),
        peak_memory_gib=float(entry.get("peak_memory_gib", 0.0)),
    )


def over_micro_batches(study: StudySpec, rows: Iterable[TableRow]) -> list[TableRow]:
    """Repeats every row for each micro_batch that the study has beside its batch_size, without times.

    For a stage that declares its quality not to depend on micro_batch, as the bundled one does.
    """
    pooled = {}
    for row in rows:
        for size in divisors(row.config.batch_size):
            config = replace(row.config, micro_batch=size)
            if config in study.lattice:
                pooled[config, row.seed] = replace(row, config=config, epoch_time_s=None)
    return list(pooled.values())


def table_instance(
    study: StudySpec,
    rows: Sequence[TableRow],
    *,
    time_law: HardwareLaw | None = None,
    costs: Costs | None = None,
    seed: int = 0,
) -> Instance:
    """A study that only has the configurations of a table, all of its answers taken from there.

    A seed that was not measured is answered by one that was, always the same one. The truth of a
    configuration is the mean over its seeds and its least time.

    Args:
        study: Whose parameters, baseline, target and budget are kept.
        rows: Their number of epochs is the study's; the baseline is among them.
        time_law: Says the time and memory of rows that lack them.
        costs: Costs of a trial beside training; nothing if not given.
        seed: Seed that decides which seed of the table comes first.

    Raises:
        TunerError: A row is no point of the study or has another number of epochs; the baseline is missing; a
            time is missing and there is no law.
    """
    kept = _by_config(study, rows)
    lattice = _sub_lattice(study, list(kept))
    study = replace(study, lattice=lattice, guide=study.guide if study.guide in kept else None)
    ordered = [sorted(kept[lattice.config(k)], key=lambda row: row.seed) for k in range(len(lattice))]
    num_seeds = max(len(group) for group in ordered)
    curves = np.array([[group[k % len(group)].nrmses for k in range(num_seeds)] for group in ordered])
    baseline = lattice.index(study.baseline)
    assert baseline is not None  # just looked for
    means = np.array([np.mean([row.nrmses for row in group], axis=0) for group in ordered])
    threshold = study.target.threshold(float(means[baseline, -1]))
    assert threshold is not None  # the baseline's NRMSE was given
    return Instance(
        name=f"table-{study.name}",
        study=study,
        truth=Truth(
            time_s=np.array([_epoch_s(group, study, time_law) for group in ordered]) * study.stage.num_epochs,
            peak_memory_gib=np.array([max(row.peak_memory_gib for row in group) for group in ordered]),
            nrmse=means,
            threshold=threshold,
        ),
        noise=Noise(shared_pct=0.0, private_pct=0.0),
        costs=costs or Costs(),
        seed=seed,
        device="simulated from a table",
        curves=np.roll(curves, -seed, axis=1),
    )


def _by_config(study: StudySpec, rows: Iterable[TableRow]) -> dict[TrialConfig, list[TableRow]]:
    """Groups the rows by configuration, and raises a TunerError as `table_instance` says."""
    kept: dict[TrialConfig, list[TableRow]] = {}
    for row in rows:
        _check(row, study)
        kept.setdefault(row.config, []).append(row)
    if study.baseline not in kept:
        raise TunerError(f"the table lacks the baseline, {study.baseline}.", "measure it too.")
    return kept


def _check(row: TableRow, study: StudySpec) -> None:
    if reason := study.lattice.why_not(row.config):
        raise TunerError(f"the table has {row.config}, which is not a point of the study: {reason}.")
    if len(row.nrmses) != study.stage.num_epochs:
        raise TunerError(
            f"the table has {len(row.nrmses)} epochs of {row.config}, and the study wants "
            f"{study.stage.num_epochs}.",
            "use a table of trainings of that length.",
        )


def _epoch_s(group: Sequence[TableRow], study: StudySpec, law: HardwareLaw | None) -> float:
    times = [row.epoch_time_s for row in group if row.epoch_time_s is not None]
    if times:
        return fmean(times)  # not the minimum: configurations have unequal numbers of rows
    if law is None:
        raise TunerError(f"the table has no time of {group[0].config}.", "measure it, or give a time_law.")
    columns = {name: np.array([value]) for name, value in group[0].config.as_dict().items()}
    return float(law.epoch_time_s(columns, study.stage.num_samples, study.stage.rows_per_sample)[0])


def _sub_lattice(study: StudySpec, configs: Sequence[TrialConfig]) -> Lattice:
    """The lattice of exactly these points: the study's, and a rule against every point that is left over."""
    kept = set(configs)
    parameters = [
        replace(parameter, values=tuple(v for v in parameter.values if v in _values(parameter.name, configs)))
        for parameter in study.lattice.discrete
    ]
    names = [parameter.name for parameter in parameters]
    rules, required = study.rules, study.lattice.required
    others = [config for config in Lattice(parameters, rules, required=required) if config not in kept]
    against = [" or ".join(f"{name} != {config.as_dict()[name]!r}" for name in names) for config in others]
    against_rules = [Rule.parse(text, names) for text in against]
    return Lattice(parameters, [*rules, *against_rules], required=required)


def _values(name: str, configs: Sequence[TrialConfig]) -> set[object]:
    return {config.as_dict()[name] for config in configs}
