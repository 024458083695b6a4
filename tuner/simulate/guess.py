"""Guesses what a study would meet if hardware and stage were as supposed: the instance of `--simulate`.

The suppositions, which every output repeats: time and memory by `hardware_law`, NRMSE by the bundled stage's
calibration, noise as calibrated, further parameters without effect.
"""

from __future__ import annotations

import numpy as np

from foundation.arrays import Floats
from tuner.core.study import StudySpec
from tuner.simulate.curves import regular, settling
from tuner.simulate.hardware import hardware_law
from tuner.simulate.instance import Instance, Noise, quality_groups
from tuner.simulate.loop import Costs
from tuner.simulate.noise import generator
from tuner.simulate.power import BOARD_POWER_W, LOAD_SHARE, WAITING_SHARE, epoch_energy_j
from tuner.simulate.quality import calibrated
from tuner.simulate.truth import Truth

BUNDLED = "trainables.consistency"
"""The package of the bundled stage: the only one whose law of time is known before it has run."""
BASELINE_NRMSE = 0.0921
"""The guide's, at (6, 3, 5); docs/stage.md measured .0913 on a CPU."""

BASELINE_SHARE = 0.97
"""Share of the target's bound at which another metric than NRMSE is supposed to be there."""


def is_law_known(study: StudySpec) -> bool:
    """Whether time and memory of a study's stage can be supposed before it has run; a script's cannot."""
    module = study.stage.class_path.partition(":")[0]
    return module == BUNDLED or module.startswith(f"{BUNDLED}.")


def supposed_instance(study: StudySpec) -> Instance:
    """A study as it would go by the suppositions; drawn from the study's seed.

    Raises:
        SpecError: The hardware profile lacks a figure that the law needs.
    """
    law = hardware_law(study.hardware)
    columns, num_epochs, rng = study.lattice.columns, study.stage.num_epochs, generator("guess", study.seed)
    excess = calibrated(columns) - _at_guides_baseline()
    curves = regular(columns, excess, num_epochs, rng)  # drawn first: alike on all cards
    groups = quality_groups(columns)
    private = rng.normal(size=(groups.max() + 1, num_epochs))[groups] * settling(num_epochs)
    nrmse = supposed_baseline(study) * (1 + excess)[:, None] * curves * np.exp(private)
    sizes = study.stage.num_samples, study.stage.rows_per_sample
    time_s = law.epoch_time_s(columns, *sizes) * num_epochs
    row = study.lattice.index(study.baseline)
    assert row is not None  # the loader has checked it
    baseline_s = float(time_s[row])
    epoch_j = epoch_energy_j(study.hardware, law, columns, *sizes)
    threshold = study.target.threshold(float(nrmse[row, -1]))
    assert threshold is not None  # the baseline's NRMSE was given
    return Instance(
        name=study.name,
        study=study,
        truth=Truth(
            time_s=time_s,
            peak_memory_gib=law.peak_memory_gib(columns),
            nrmse=nrmse,
            threshold=threshold,
            memory_gib=law.memory_gib,
            energy_j=None if epoch_j is None else epoch_j * num_epochs,
        ),
        noise=Noise(time_pct=law.noise_pct),
        costs=Costs(startup_s=0.012 * baseline_s, evaluate_s=0.0015 * baseline_s, oom_s=0.003 * baseline_s),
        probe_s=0.002 * baseline_s,
        seed=study.seed,
        device=f"simulated {study.hardware.description}",
    )


def supposed_baseline(study: StudySpec) -> float:
    """The final NRMSE of the guide's baseline: the guide's, or just within a target on another metric."""
    if study.metric.is_default:
        return BASELINE_NRMSE
    return BASELINE_SHARE * (1.0 if study.target.is_relative else study.target.bound)


def _at_guides_baseline() -> Floats:
    point = {"batch_size": 6, "micro_batch": 3, "num_taus": 5}
    return calibrated({name: np.array([value]) for name, value in point.items()})


def suppositions(study: StudySpec) -> list[str]:
    """Returns what the simulation of a study supposes, in sentences."""
    if study.hardware.kind == "cuda":
        time = (
            "Time and memory are supposed, not measured: the guide's stage, whose baseline takes 35 min on "
            f"an A100 40GB and whose rows take 0.887 GiB, on {study.hardware.description}; rows scale with "
            "the TF32 peak, the rest is the host's."
        )
    else:
        time = "Time is supposed: the cost law of docs/stage.md, one core. Memory never runs out."
    metric, baseline = study.metric, supposed_baseline(study)
    put_at = f"{BASELINE_NRMSE}" if metric.is_default else f"{metric.text(baseline)}, just within the target,"
    quality = (
        f"{metric.label} is supposed: the calibration of docs/stage.md, put at {put_at} for (6, 3, 5); seeds "
        f"differ by 0.9 %{metric.of_what}."
    )
    known = {"batch_size", "micro_batch", "num_taus", "accum_steps"}
    others = [parameter.name for parameter in study.parameters if parameter.name not in known]
    extra = [f"Supposed to change nothing: {', '.join(others)}."] if others else []
    board_w = BOARD_POWER_W.get(study.hardware.name)
    energy = (
        "Energy is not reported: no power is supposed of this device."
        if board_w is None
        else f"Reported energy is supposed: {WAITING_SHARE:.0%} of the board's {board_w:g} W, "
        f"{LOAD_SHARE:.0%} while rows are computed."
    )
    return [time, energy, quality, *extra]
