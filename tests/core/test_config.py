"""A TrialConfig holds positive counts."""

import dataclasses

import pytest

from tuner.core.config import TrialConfig, divisors
from tuner.errors import ConfigError

V2 = TrialConfig(batch_size=12, micro_batch=4, num_taus=4, accum_steps=2)


def test_the_guides_v2_has_an_effective_batch_of_24():
    assert V2.effective_batch_size == 24


@pytest.mark.parametrize("bad", [0, -1, 1.0, "2", True, None])
@pytest.mark.parametrize("name", ["batch_size", "micro_batch", "num_taus", "accum_steps"])
def test_a_value_that_is_not_a_positive_integer_is_refused(name, bad):
    with pytest.raises(ConfigError, match=f"{name}=.* is not a positive integer"):
        dataclasses.replace(V2, **{name: bad})


def test_dict_round_trip_keeps_extras_sorted():
    values = {"z": 1, "batch_size": 6, "micro_batch": 3, "num_taus": 5, "a": "x"}
    config = TrialConfig.from_dict(values)
    assert config.extra == (("a", "x"), ("z", 1))
    assert TrialConfig.from_dict(config.as_dict()) == config
    assert str(config) == "batch_size=6 micro_batch=3 num_taus=5 accum_steps=1 a=x z=1"


def test_missing_names_are_told():
    with pytest.raises(ConfigError, match="lacks micro_batch, num_taus"):
        TrialConfig.from_dict({"batch_size": 6})


def test_divisors_are_all_of_them_in_order():
    assert divisors(12) == [1, 2, 3, 4, 6, 12]
    assert divisors(1) == [1]
