"""Limits on reported figures: how they are written, and when they are kept."""

from dataclasses import replace

import pytest

from tests.studies import make_record
from tuner.core.estimate import Estimate
from tuner.core.limits import METRICS, Limit, reported
from tuner.errors import SpecError
from tuner.report.check import breach_text


def run(**figures) -> Estimate:
    record = make_record(curve=(0.2, 0.09))
    last = replace(record.measurements[-1], **figures)
    return Estimate(records=(replace(record, measurements=(record.measurements[0], last)),))


def both(one: Estimate, other: Estimate) -> Estimate:
    return Estimate(records=one.records + other.records)


@pytest.mark.parametrize(
    ("text", "kept", "broken"),
    [
        ("energy_j < 100", 99.0, 100.0),
        ("energy_j <= 100", 100.0, 101.0),
        ("energy_j > 100", 101.0, 100.0),
        ("energy_j>=1e2", 100.0, 99.0),
        ("energy_j <= 0.5 * baseline", 100.0, 100.1),
        ("energy_j <= baseline", 200.0, 200.1),
        ("num_alloc_retries <= 0", 0, 1),
    ],
)
def test_a_figure_is_held_against_the_bound_as_the_limit_says(text, kept, broken):
    limit, baseline = Limit.parse(text), run(energy_j=200.0, num_alloc_retries=3)
    assert limit.breach(run(**{limit.metric: kept}), baseline) is None
    assert limit.breach(run(**{limit.metric: broken}), baseline) is not None


def test_what_is_not_known_is_not_kept():
    limit = Limit.parse("energy_j <= 0.8 * baseline")
    assert breach_text(limit.breach(run(), run(energy_j=9.0))) == (
        "energy_j was not reported (energy_j <= 0.8 * baseline)"
    )
    assert limit.breach(run(energy_j=1.0), None) is not None
    assert limit.breach(run(energy_j=1.0), run()) is not None


def test_a_breach_names_figure_bound_and_limit():
    breach = Limit.parse("energy_j <= 0.8 * baseline").breach(run(energy_j=900.0), run(energy_j=1000.0))
    assert breach_text(breach) == "energy_j 900 breaks energy_j <= 0.8 * baseline, that is 800"
    assert breach is not None
    assert breach.excess == pytest.approx(1 / 9)


def test_runs_count_by_their_mean_and_peaks_by_the_worst():
    two = both(run(power_w=100.0, temperature_c=60.0), run(power_w=200.0, temperature_c=80.0))
    assert Limit.parse("power_w <= 150").figure(two) == 150.0
    assert Limit.parse("temperature_c <= 70").figure(two) == 80.0
    assert Limit.parse("temperature_c >= 70").figure(two) == 60.0
    slow = Estimate(records=(make_record(curve=(0.2, 0.09), epoch_time_s=3.0),))
    assert Limit.parse("time_s <= 3").figure(both(run(), slow)) == 4.0


def test_the_peak_of_a_trial_is_that_of_its_worst_epoch_and_a_sum_is_its_last():
    record = make_record(curve=(0.2, 0.09))
    first = replace(record.measurements[0], peak_memory_gib=9.0, energy_j=4.0)
    record = replace(record, measurements=(first, replace(record.measurements[1], energy_j=7.0)))
    assert reported(record, "peak_memory_gib") == 9.0
    assert reported(record, "energy_j") == 7.0
    assert reported(run(peak_memory_gib=0.0).records[0], "peak_memory_gib") == 0.25


def test_memory_of_zero_was_not_measured():
    silent = make_record(curve=(0.2,))
    silent = replace(silent, measurements=(replace(silent.measurements[0], peak_memory_gib=0.0),))
    assert reported(silent, "peak_memory_gib") is None


@pytest.mark.parametrize("metric", METRICS)
def test_every_number_of_a_report_about_the_whole_trial_can_be_limited(metric):
    assert Limit.parse(f"{metric} <= 1").metric == metric


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("energy_j == 3", "cannot read the limit"),
        ("energy_j <= much", "cannot read the limit"),
        ("energy_j <= 1e1e1", "cannot read the number"),
        ("energy_j <= 0 * baseline", "not positive"),
        ("nrmse <= 0.1", "write target: nrmse <= 0.1."),
        ("energi_j <= 3", "did you mean 'energy_j'?"),
        ("device <= 3", "no stage reports"),
        ("epoch_time_s <= 3", "no stage reports"),
        ("resumed <= 3", "no stage reports"),
    ],
)
def test_a_limit_that_makes_no_sense_is_refused(text, told):
    with pytest.raises(SpecError) as raised:
        Limit.parse(text)
    assert told in str(raised.value)
