"""The tuners of the control arms."""

from dataclasses import replace

from benchmarks.search.tuners import Asha, LargestMicroBatch, OptunaTuner, rows
from tests.studies import make_record
from tuner.advisor.messages import Probe
from tuner.simulate import make_instance


def test_the_heuristic_runs_the_largest_micro_batch_that_fits():
    instance = make_instance("dev-logarithmic-a100", 0)
    tuner = LargestMicroBatch(instance, OptunaTuner(instance, "random", is_constrained=True))
    tuner.probed(instance.probe(Probe(trial_id="p", configs=tuner.probe_first))[0])
    fits = dict(zip(instance.study.lattice, instance.truth.fits, strict=True))
    assert len(tuner.probe_first) == len({rows(config) for config in fits})
    for k in range(30):
        chosen = tuner.propose(f"{k:04d}")
        alike = [c for c in fits if replace(c, micro_batch=1) == replace(chosen, micro_batch=1)]
        sizes = [c.micro_batch for c in alike if fits[c]]
        assert not sizes or chosen.micro_batch == max(sizes)


def test_asha_keeps_the_best_third_of_a_rung():
    asha = Asha()
    stops = [asha.should_stop(make_record(curve=(nrmse,))) for nrmse in (0.10, 0.11, 0.12, 0.09, 0.13)]
    assert stops == [False, False, True, False, True]
    assert not asha.should_stop(make_record(curve=(0.2, 0.2)))
