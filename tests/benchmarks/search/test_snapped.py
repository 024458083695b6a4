"""Other projects' searches propose unused legal points."""

from types import SimpleNamespace

import pytest
import torch

from benchmarks.search.snapped import SnappedTuner, exactly_optimised, penalised_s
from tuner.simulate import make_instance


def test_what_a_peer_proposes_is_moved_to_unused_legal_points():
    instance = make_instance("dev-logarithmic-a100", 0)
    tuner = SnappedTuner(instance)
    wanted = {"num_micro_batches": 2, "micro_batch": 3, "num_taus": 5, "accum_steps": 1}
    configs = [tuner.snap(wanted) for _ in range(len(instance.study.lattice))]
    assert configs[0] == instance.study.baseline
    assert set(configs) == set(instance.study.lattice)
    assert tuner.snap(wanted) is None


def test_a_search_without_constraints_is_told_more_time_for_what_is_over_the_target():
    assert penalised_s((100.0, 0.094), 0.095) == 100.0
    assert penalised_s((100.0, 0.095 * 1.02), 0.095) == pytest.approx(300.0)


def test_a_peers_acquisition_function_is_optimised_over_the_points_it_is_given():
    module = SimpleNamespace(optimize_acqf=None)
    points = torch.linspace(0, 1, 2501, dtype=torch.float64)[:, None]
    with exactly_optimised(module, points):
        chosen, value = module.optimize_acqf(acq_function=lambda x: -((x[:, 0, 0] - 0.7003) ** 2), q=1)
    assert chosen.tolist() == [[pytest.approx(0.7004)]]
    assert value.item() == pytest.approx(-1e-8)
    assert module.optimize_acqf is None


def test_what_was_proposed_is_no_longer_among_the_unused():
    tuner = SnappedTuner(make_instance("dev-logarithmic-a100", 0))
    wanted = {"num_micro_batches": 2, "micro_batch": 3, "num_taus": 5, "accum_steps": 1}
    assert wanted in tuner.unused()
    tuner.snap(wanted)
    assert wanted not in tuner.unused()
    assert len(tuner.unused()) == len(tuner.study.lattice) - 1
