"""The target: absolute or relative, strict or not, never met by what is unknown."""

import math

import pytest

from tuner.core.objectives import Target
from tuner.errors import SpecError


@pytest.mark.parametrize(
    ("text", "nrmse", "baseline", "met"),
    [
        ("nrmse < 0.095", 0.0949, None, True),
        ("nrmse < 0.095", 0.095, None, False),
        ("nrmse <= 0.095", 0.095, None, True),
        ("nrmse <= 1.04 * baseline", 0.0936, 0.09, True),
        ("nrmse <= 1.04 * baseline", 0.0937, 0.09, False),
        ("nrmse <= baseline", 0.09, 0.09, True),
        ("nrmse < baseline", 0.09, 0.09, False),
        ("nrmse <= 1.04 * baseline", 0.01, None, False),
        ("nrmse < 0.095", math.nan, 0.09, False),
        ("nrmse<9.5e-2", 0.0949, None, True),
    ],
)
def test_when_a_target_is_met(text, nrmse, baseline, met):
    assert Target.parse(text).is_met(nrmse, baseline) is met


def test_a_relative_target_has_no_threshold_before_the_baseline_is_measured():
    target = Target.parse("nrmse <= 1.04 * baseline")
    assert target.is_relative
    assert target.threshold(None) is None
    assert target.threshold(0.1) == pytest.approx(0.104)


@pytest.mark.parametrize(
    "text",
    [
        "nrmse > 0.095",
        "nrmse < x",
        "rmse < 0.1",
        "nrmse < -1",
        "nrmse < 0",
        "nrmse < 1.2.3",
        "",
        "0.095",
    ],
)
def test_a_target_that_cannot_be_read_names_both_forms(text):
    with pytest.raises(SpecError, match=r"1\.04 \* baseline"):
        Target.parse(text)
