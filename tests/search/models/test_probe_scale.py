"""Probed times that are only in proportion to trained ones: the factor is learnt, and so is its scatter."""

import math

import pytest

from tests.search.situations import BASELINE, FASTEST, OTHERS, epoch_s, ran
from tuner.core.traits import StageTraits
from tuner.search.models.probe_scale import FACTOR_SCATTER, FACTOR_UNKNOWN, PROBE_ERROR, probe_scale
from tuner.search.observations import Observations, Probed

IN_PROPORTION = StageTraits(can_probe=True, probes_in_proportion=True)


def scale(trained, factors, traits=IN_PROPORTION):
    probes = [Probed(config=c, epoch_time_s=epoch_s(c) / factor) for c, factor in factors.items()]
    observations = Observations([ran(config, 0.08) for config in trained], probes)
    return probe_scale(observations, observations.probes, traits)


def test_seconds_of_a_stage_are_believed_as_they_are():
    assert scale([BASELINE], {BASELINE: 40.0}, StageTraits(can_probe=True)) == (1.0, PROBE_ERROR)


def test_the_baseline_tells_the_factor():
    found = scale([BASELINE], {BASELINE: 40.0, FASTEST: 3.0})
    assert found.factor == pytest.approx(40.0)
    assert found.error == pytest.approx(FACTOR_SCATTER * math.sqrt(2))


def test_the_error_falls_with_pairs_that_agree_and_rises_with_pairs_that_do_not():
    configs = [BASELINE, FASTEST, *OTHERS[:6]]
    agree = scale(configs, dict.fromkeys(configs, 40.0))
    assert agree.error < 0.6 * FACTOR_SCATTER
    apart = scale(configs, {c: 40.0 * (1.5 if k % 2 else 1 / 1.5) for k, c in enumerate(configs)})
    assert apart.factor == pytest.approx(40.0)
    assert apart.error > 3 * FACTOR_SCATTER


def test_before_a_pair_is_known_the_probes_say_little():
    found = scale([BASELINE], {FASTEST: 40.0})
    assert found.error == FACTOR_UNKNOWN
    assert scale([], {FASTEST: 40.0}) == (1.0, FACTOR_UNKNOWN)


def test_a_probe_is_never_surer_than_it_says():
    found = scale([BASELINE], {BASELINE: 40.0})
    assert found.error_of(Probed(config=FASTEST, epoch_time_s=1.0, error=0.5)) == 0.5
    assert found.error_of(Probed(config=FASTEST, epoch_time_s=1.0, error=0.01)) == found.error


def test_what_does_not_fit_is_no_pair():
    observations = Observations([ran(BASELINE, 0.08)], [Probed(config=BASELINE, epoch_time_s=None)])
    assert probe_scale(observations, observations.probes, IN_PROPORTION).error == FACTOR_UNKNOWN
