"""Predicts what a study would cost: points, what excludes others, GPU-hours, kWh.

Predictions of a law nobody has checked on the hardware at hand; the text says so, and what it supposes. Of a
stage that is not the bundled one no law is known: its work is counted, and only the budget bounds its cost.
"""

from __future__ import annotations

import numpy as np

from foundation.blas import one_blas_thread
from tuner.advisor import Advisor
from tuner.core.config import TrialConfig
from tuner.core.study import StudySpec
from tuner.core.workload import change_pct, workload
from tuner.runs.journaled import JournaledAdvisor
from tuner.simulate.guess import is_law_known, supposed_instance, suppositions
from tuner.simulate.instance import Instance
from tuner.simulate.loop import Account, Unwritten, VirtualClock
from tuner.simulate.power import BOARD_POWER_W, LOAD_SHARE

CORE_POWER_W = 10.0
"""Power of a busy CPU core in watts, roughly."""


def plan(study: StudySpec) -> str:
    """The plan of a study as text.

    Raises:
        SpecError: The hardware profile lacks a figure that the law needs.
    """
    return "\n".join(_by_law(study) if is_law_known(study) else _by_count(study))


def _by_law(study: StudySpec) -> list[str]:
    """The plan of a study of the bundled stage, whose time and memory follow a known law."""
    instance = supposed_instance(study)
    account = _simulated_account(instance)
    power_w, power = _power(study)
    cost = _cost(study, account.total_s / 3600, power_w)
    return [
        f"plan of study {study.name}: predictions, simulated; nothing has run",
        "",
        *_points(study),
        *_unfit(instance),
        "",
        *_times(instance),
        "",
        f"A simulation of the study took {account.num_trials} trials: {cost}.",
        _bound(study, power_w),
        "",
        *suppositions(study),
        power,
    ]


def _by_count(study: StudySpec) -> list[str]:
    """The plan of a study of any other stage: what can be counted, and what bounds the rest."""
    power_w, power = _power(study)
    return [
        f"plan of study {study.name}: nothing has run",
        "",
        *_points(study),
        "",
        "Work of an epoch, by the guide's formulas:",
        *_works(study),
        "",
        f"Seconds, memory and {study.metric.label} of {study.stage.class_path} are unknown until the "
        "baseline has run:",
        "`doctor --space FILE --try` runs it up to its first report.",
        _bound(study, power_w),
        power,
    ]


def _bound(study: StudySpec, power_w: float | None) -> str:
    hours = study.budget.hours
    return f"It ends after {hours:g} h at the latest: {_cost(study, hours, power_w, 'g')} a worker."


def _cost(study: StudySpec, hours: float, power_w: float | None, form: str = ".3g") -> str:
    """Hours of training as a text, with their energy where the power is known."""
    unit = "GPU-hours" if study.hardware.kind == "cuda" else "core-hours"
    energy = "" if power_w is None else f", {hours * power_w / 1000:.3g} kWh"
    return f"{hours:{form}} {unit}{energy}"


def _points(study: StudySpec) -> list[str]:
    lattice = study.lattice
    lines = [f"{len(lattice):,} of {lattice.num_raw:,} points are legal. Of all points,"]
    lines += [f"  `{text}` excludes {number:,}" for text, number in lattice.excluded.items()]
    dead = [f"{name} {', '.join(map(str, values))}" for name, values in lattice.dead_values().items()]
    if dead:
        lines.append(f"In no legal point: {'; '.join(dead)}.")
    return lines


def _unfit(instance: Instance) -> list[str]:
    truth = instance.truth
    if truth.fits.all():
        return []
    number = np.sum(~truth.fits)
    return [f"{number:,} of the legal points are predicted not to fit into {truth.memory_gib:g} GiB."]


def _works(study: StudySpec) -> list[str]:
    """Returns the work of an epoch of the rows that the study names, counted."""
    rows = {"baseline": study.baseline, "guide's row": study.guide}
    base = workload(study.baseline, study.stage)
    lines = []
    for title, config in rows.items():
        if config is None:
            continue
        work = workload(config, study.stage)
        change = change_pct(base.num_forward_passes, work.num_forward_passes)
        than = f" ({change:+.0f} %)" if config != study.baseline else ""
        lines.append(
            f"{title}: {work.num_iterations:,} batches, {work.num_forward_passes:,} forward passes{than}, "
            f"{work.num_rows:,} rows ({config})"
        )
    return lines


def _times(instance: Instance) -> list[str]:
    truth, study = instance.truth, instance.study
    fitting = np.flatnonzero(truth.fits)
    rows = {"baseline": study.baseline, "guide's row": study.guide}
    lines = [_time(title, instance, config) for title, config in rows.items() if config is not None]
    if fitting.size:
        fastest = study.lattice.config(int(fitting[np.argmin(truth.time_s[fitting])]), _lowest(study))
        lines.append(_time("fastest that fits", instance, fastest))
    total_s = float(truth.time_s[fitting].sum())
    lines.append(f"every point that fits, once: {total_s / 3600:,.3g} h of training")
    return lines


def _time(title: str, instance: Instance, config: TrialConfig) -> str:
    row = instance.row(config)
    seconds = float(instance.truth.time_s[row])
    shown = f"{seconds / 60:.1f} min" if seconds >= 120 else f"{seconds:.3g} s"
    ratio = float(instance.truth.time_s[instance.baseline]) / seconds
    memory = f"{instance.truth.peak_memory_gib[row]:.3g} GiB"
    fit = "" if instance.truth.fits[row] else ", which does not fit"
    return f"{title}: {shown}, {ratio:.2f}x, {memory}{fit} ({config})"


def _lowest(study: StudySpec) -> dict[str, float]:
    return {parameter.name: parameter.low for parameter in study.lattice.continuous}


def _power(study: StudySpec) -> tuple[float | None, str]:
    """Watts while a trial runs, and where they come from."""
    if study.hardware.kind != "cuda":
        cores = study.resources.cpus
        return (
            CORE_POWER_W * cores,
            f"Energy: assumed to be {CORE_POWER_W:g} W for each core in use, {cores} here.",
        )
    board_w = BOARD_POWER_W.get(study.hardware.name)
    if board_w is None:
        return None, f"Energy is not predicted: the board power of {study.hardware.name} is not known."
    watts = LOAD_SHARE * board_w
    return (
        watts,
        f"Energy: {LOAD_SHARE:.0%} of the board's {board_w:g} W is supposed throughout, without the host.",
    )


def _simulated_account(instance: Instance) -> Account:
    account, clock = Account(), VirtualClock()
    with one_blas_thread():
        instance.play(JournaledAdvisor(Advisor(instance.study), Unwritten(), clock), clock, account)
    return account
