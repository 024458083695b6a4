"""Values of parameters: as columns, and in words why a value is not one of them."""

import pytest

from tuner.core.parameters import Continuous, Discrete
from tuner.core.values import as_column, listed, why_not_value
from tuner.errors import SpecError

BATCH = Discrete(name="batch_size", values=(4, 6, 8, 12, 16, 24))
TAUS = Discrete(name="num_taus", values=(2, 3, 4, 5, 6))
RATE = Continuous(name="lr", low=1e-4, high=0.01, log=True)
PRECISION = Discrete(name="precision", values=("fp32", "bf16"), is_ordered=False)
COMPILE = Discrete(name="compile", values=(False, True), is_ordered=False)


@pytest.mark.parametrize(
    ("parameter", "value", "reason"),
    [
        (BATCH, 7, "batch_size=7 is not among {4, 6, 8, 12, 16, 24}; the nearest are 6 and 8"),
        (BATCH, 40, "batch_size=40 is not among {4, 6, 8, 12, 16, 24}; the nearest is 24"),
        (TAUS, 9, "num_taus=9 is not among 2..6; the nearest is 6"),
        (TAUS, True, "num_taus=True is not among 2..6"),
        (PRECISION, "bf61", "precision='bf61' is not among {'fp32', 'bf16'}; the nearest is bf16"),
        (PRECISION, "tf", "precision='tf' is not among {'fp32', 'bf16'}"),
        (COMPILE, 1, "compile=1 is not among {False, True}"),
        (RATE, 0.5, "lr=0.5 is outside 0.0001..0.01; the nearest is 0.01"),
        (RATE, 0, "lr=0 is outside 0.0001..0.01; the nearest is 0.0001"),
        (RATE, "fast", "lr='fast' is not a number in 0.0001..0.01"),
        (RATE, float("nan"), "lr=nan is not a number in 0.0001..0.01"),
    ],
)
def test_a_value_outside_is_told_with_the_nearest_allowed_ones(parameter, value, reason):
    assert why_not_value(parameter, value) == reason


@pytest.mark.parametrize(
    ("parameter", "value"),
    [(BATCH, 6), (PRECISION, "bf16"), (COMPILE, True), (RATE, 1e-4), (RATE, 0.01)],
)
def test_an_allowed_value_has_no_reason_against_it(parameter, value):
    assert why_not_value(parameter, value) is None


def test_a_long_list_is_shortened_in_messages():
    assert listed([1, 3, 5, 8, 12, 17, 23, 30, 38, 47]) == "{1, 3, 5, 8, 12, 17, ..., 47}"


@pytest.mark.parametrize("values", [(1, "a"), (True, 2), ("a", False)])
def test_values_of_different_kinds_make_no_column(values):
    with pytest.raises(SpecError, match="must be all numbers, all words, or all true or false"):
        as_column(Discrete(name="x", values=values))
