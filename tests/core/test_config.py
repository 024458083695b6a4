"""A TrialConfig always divides."""

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuner.core.config import TrialConfig, divisors
from tuner.errors import ConfigError

V2 = TrialConfig(batch_size=12, micro_batch=4, num_taus=4, accum_steps=2)


def test_the_guides_v2_has_three_micro_batches_and_an_effective_batch_of_24():
    assert V2.num_micro_batches == 3
    assert V2.effective_batch_size == 24


@given(batch=st.integers(1, 200), micro=st.integers(1, 200))
def test_a_config_exists_exactly_when_micro_batch_divides(batch, micro):
    if batch % micro == 0:
        config = TrialConfig(batch_size=batch, micro_batch=micro, num_taus=1)
        assert config.num_micro_batches * micro == batch
        assert micro in divisors(batch)
    else:
        with pytest.raises(ConfigError, match=f"micro_batch={micro} does not divide"):
            TrialConfig(batch_size=batch, micro_batch=micro, num_taus=1)


def test_the_error_names_the_divisors():
    with pytest.raises(ConfigError) as raised:
        TrialConfig(batch_size=12, micro_batch=5, num_taus=4)
    assert str(raised.value) == (
        "micro_batch=5 does not divide batch_size=12. Fix: choose micro_batch from [1, 2, 3, 4, 6, 12]."
    )


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
