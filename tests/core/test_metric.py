"""A figure's way onto the models' scale and back."""

import math

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from tests.studies import report
from tuner.core.metric import MAX_EXPONENT, NRMSE, Metric

NUMBERS = st.floats(min_value=-1e9, max_value=1e9, allow_nan=False)
FREE = st.builds(
    Metric, name=st.just("nll"), goal=st.sampled_from(["minimize", "maximize"]), range=st.just("any")
)


@given(FREE, NUMBERS, st.floats(min_value=-20, max_value=20))
def test_a_value_off_the_scale_is_what_was_put_on_it(metric, bound, sizes):
    metric = metric.about(bound)
    value = bound + sizes * metric.unit
    assert metric.value(metric.on_scale(value)) == pytest.approx(value, rel=1e-9, abs=1e-9 * metric.unit)


@given(FREE, NUMBERS, NUMBERS, NUMBERS)
def test_the_better_value_is_never_the_higher_number(metric, bound, one, other):
    metric = metric.about(bound)
    worse, better = sorted((one, other), reverse=not metric.is_maximized)
    assert metric.on_scale(better) <= metric.on_scale(worse)


@given(FREE, NUMBERS, st.floats(allow_nan=False))
def test_every_number_has_a_place_that_is_finite_and_above_zero(metric, bound, value):
    place = metric.about(bound).on_scale(value)
    assert 0 < place < 1e12
    assert abs(math.log(place)) <= MAX_EXPONENT + 1e-9


@given(FREE, NUMBERS, st.floats(min_value=-5, max_value=5), st.floats(min_value=-0.1, max_value=0.1))
@example(Metric(name="nll", range="any"), 5e-324, 0.0, 0.0625)
@example(Metric(name="nll", range="any"), 2.3e-308, 0.0, 0.0625)
def test_relative_changes_are_changes_in_sizes_of_the_bound(metric, bound, sizes, change):
    metric = metric.about(bound)
    value = bound + sizes * metric.unit
    assume(change == 0 or abs(change) > 1e-3)
    ratio = metric.on_scale(value + change * metric.unit) / metric.on_scale(value)
    assert metric.change_pct(100 * (ratio - 1)) == pytest.approx(100 * change, abs=1e-4)


@given(st.floats(min_value=1e-300, max_value=1e300))
def test_a_positive_figure_is_its_own_scale(value):
    metric = Metric(name="val_loss").about(2.5)
    assert metric.on_scale(value) == metric.value(value) == value
    assert metric == Metric(name="val_loss")


@pytest.mark.parametrize("metric", [NRMSE, Metric(range="any"), Metric(goal="maximize", range="any")])
def test_no_answer_stays_none(metric):
    assert math.isnan(metric.on_scale(math.nan))
    assert math.isnan(metric.value(math.nan))


def test_the_bound_is_one_on_the_scale_and_a_bound_of_zero_counts_in_ones():
    assert Metric(range="any").about(-3.2).on_scale(-3.2) == 1
    assert Metric(range="any").about(0.0).on_scale(1.0) == math.e
    assert Metric(goal="maximize", range="any").about(0.0).on_scale(1.0) == 1 / math.e


@pytest.mark.parametrize(
    ("metric", "value", "text"),
    [
        (NRMSE, 0.0912345, "0.0912"),
        (Metric(name="val_loss"), 0.0912345, "0.091234"),
        (Metric(name="val_loss"), 12345.6789, "12346"),
        (Metric(name="val_loss"), 1.5e-7, "1.5e-07"),
        (Metric(name="nll"), -3.25, "-3.25"),
    ],
)
def test_a_value_is_shown_in_digits_that_tell_it(metric, value, text):
    assert metric.value_text(value) == text


def test_a_report_gives_back_exactly_what_was_reported():
    metric = Metric(name="nll", range="any").about(0.01)
    far = report(1, metric.on_scale(40.0), 1.0, reported_quality=40.0)
    assert metric.of(far) == 40.0  # though its place on the scale is at the end
    assert metric.of(report(1, metric.on_scale(0.02), 1.0)) == pytest.approx(0.02)


def test_percentages_say_of_what_they_are():
    free = Metric(name="nll", range="any")
    assert [m.of_what for m in (NRMSE, free.about(-3.2), free.about(0.0))] == [
        "",
        " of the target's size",
        " of 1",
    ]


def test_only_nrmse_is_called_in_capitals():
    assert (NRMSE.label, Metric(name="val_loss").label) == ("NRMSE", "val_loss")
