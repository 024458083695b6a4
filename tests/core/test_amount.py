"""How values of the objective are written."""

import pytest

from tuner.core.amount import amount
from tuner.core.goal import Objective


@pytest.mark.parametrize(
    ("value", "exact", "rounded"),
    [
        (0.1234, "0.12 s", "0.123 s"),
        (999.4, "999.40 s", "999 s"),
        (1234.5, "1234.50 s", "1234 s"),
        (99999.0, "99999.00 s", "99999 s"),
        (123456.0, "1.235e+05 s", "123456 s"),
    ],
)
def test_a_value_has_two_decimals_or_is_rounded_to_three_digits(value, exact, rounded):
    assert amount(value, Objective.TIME) == exact
    assert amount(value, Objective.TIME, is_rounded=True) == rounded


def test_a_censored_value_says_so_and_energy_has_a_unit_of_its_own():
    assert amount(12.0, Objective.ENERGY, is_censored=True) == "over 12.00 J"
