"""How long a suggestion takes is measured where it is asked for."""

from benchmarks.search.latency import Load, measure, mixed
from tuner.simulate import make_instance


def test_latency_is_measured_of_runs_that_were_played_and_of_runs_put_there():
    for num_trials in (3, 53):
        found = measure(Load(num_trials=num_trials, num_distinct=2))
        assert 0 < found.p95_ms <= found.longest_ms
        assert found.observe_ms > 0


def test_the_mixed_lattice_has_a_hundred_thousand_points_and_its_optimum_is_a_new_one():
    instance = mixed(make_instance("dev-logarithmic-a100", 0))
    assert len(instance.study.lattice) == 101_520
    best = instance.study.lattice.config(instance.truth.optimum).as_dict()
    assert best["compile"] is True
    assert best["precision"] != "fp32"
    assert instance.truth.time_s[instance.baseline] > instance.unit_s
