"""A small simulated study whose three objectives have three different optima."""

from pathlib import Path

import numpy as np

from tests.studies import make_study
from tuner.advisor import Advisor
from tuner.core.traits import StageTraits
from tuner.runs.journal import Journal
from tuner.runs.journaled import JournaledAdvisor
from tuner.simulate import Costs, Instance, VirtualClock
from tuner.simulate.instance import Noise
from tuner.simulate.truth import Truth

NUM_EPOCHS = 8
TRAITS = StageTraits(quality_invariant_to=("micro_batch",), can_probe=True)


def study(**changes):
    parameters = {
        "batch_size": {"values": [6, 12, 24]},
        "micro_batch": {"values": [1, 2, 3, 6, 12, 24]},
        "num_taus": {"low": 2, "high": 6},
    }
    stage = {
        "class": "tests.stages:SyntheticStage",
        "options": {},
        "num_epochs": NUM_EPOCHS,
        "num_samples": 2000,
    }
    budget = {"trials": 1000, "hours": 1000}
    fields = {"parameters": parameters, "stage": stage, "budget": budget, "guide": None} | changes
    return make_study(**fields)


def instance(*, reports_energy=True, seed=0, **changes) -> Instance:
    """Time wants large batches and micro-batches, energy small micro-batches, the target small batches."""
    of = study(**changes)
    batch, micro, taus = (
        of.lattice.columns[n].astype(float) for n in ("batch_size", "micro_batch", "num_taus")
    )
    time_s = 20 + 600 / batch + 60 / micro + 12 * taus
    power_w = 60 + 5 * micro * taus
    final = 0.085 + 0.022 / taus
    epochs = np.arange(1, NUM_EPOCHS + 1)
    # The excess over the final NRMSE lasts the longer, the larger the batch.
    left = 1 / (1 + np.exp(1.5 * (epochs - 1.7 * np.log2(batch / 3)[:, None])))
    nrmse = final[:, None] * (1 + 0.3 * (left - left[:, -1:]))
    baseline = of.lattice.index(of.baseline)
    threshold = of.target.threshold(float(nrmse[baseline, -1]))
    return Instance(
        name="objectives",
        study=of,
        truth=Truth(
            time_s=time_s,
            peak_memory_gib=4 + 0.2 * micro * taus,
            nrmse=nrmse,
            threshold=threshold,
            energy_j=power_w * time_s if reports_energy else None,
        ),
        noise=Noise(shared_pct=0.2, private_pct=0.2, time_pct=0.5),
        costs=Costs(startup_s=2.0),
        probe_s=0.5,
        seed=seed,
    )


def played(of: Instance, path: Path, *, num_workers: int = 1) -> Advisor:
    clock = VirtualClock()
    advisor = Advisor(of.study, num_workers=num_workers, traits=TRAITS)
    journal = Journal(path)
    of.play(JournaledAdvisor(advisor, journal, clock), clock, num_workers=num_workers)
    journal.close()
    return advisor
