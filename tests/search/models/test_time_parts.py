"""The law's parts: they find a law that is exact, and add up to what the model predicts."""

import numpy as np
import pytest

from tests.search import cases
from tuner.core.objectives import Target
from tuner.search.candidates import Candidates
from tuner.search.models.memory import MemoryModel
from tuner.search.models.time import Timing, law_parts, work_of
from tuner.search.observations import Observations
from tuner.search.predictions import Predictions
from tuner.search.problem import Problem


def test_parts_of_an_exact_law_are_its_terms():
    configs = list(cases.lattice(max_batch=32, max_micro=32, max_taus=6))
    work = work_of(configs, 2000)
    each = np.array([1.5e-4, 4e-4, 3.5e-5, 2e-5])
    timings = [Timing(row, float(work[row] @ each)) for row in range(len(configs))]
    parts = law_parts(work, timings)
    assert parts.sum(axis=1) == pytest.approx(work @ each, rel=0.01)
    launches_and_rows = work[:, 1:3] * each[1:3]
    assert parts[:, 1:3] == pytest.approx(launches_and_rows, rel=0.03)
    steps = (
        parts[:, 0] + parts[:, 3]
    )  # without accum_steps an optimizer step is a batch: only the sum is known
    assert steps == pytest.approx(work[:, 0] * (each[0] + each[3]), rel=0.2)


def test_the_parts_add_up_to_the_predicted_time_everywhere():
    lattice = cases.lattice()
    configs = list(lattice)
    problem = Problem(
        lattice=lattice,
        target=Target.parse("nrmse < 0.05"),
        baseline=configs[0],
        num_samples=100,
        num_epochs=cases.NUM_EPOCHS,
    )
    observations = Observations(cases.record(f"{k:04d}", config) for k, config in enumerate(configs[::3]))
    predictions = Predictions(problem, Candidates(problem), observations)
    predicted, _ = predictions.modelled_time
    assert predictions.time_parts.shape == (len(configs), 4)
    assert predictions.time_parts.sum(axis=1) == pytest.approx(predicted)
    assert predictions.time_parts.min() >= 0


def test_memory_is_predicted_without_a_known_capacity_and_what_fits_is_not():
    configs = list(cases.lattice(max_batch=8))
    peaks = [(c, 1.0 + 0.5 * c.micro_batch * c.num_taus) for c in configs]
    model = MemoryModel(peaks, [], None)
    gib, sd = model.predict(np.array([[6.0, 4.0], [12.0, 4.0]]))
    assert gib == pytest.approx([4.0, 7.0], abs=0.01)
    assert 0 < sd < 0.2
    assert model.probability_of_fitting(np.array([[1e9, 4.0]])) == pytest.approx([1.0])
    assert MemoryModel(peaks[:2], [], 40.0).predict(np.array([[6.0, 4.0]])) is None
