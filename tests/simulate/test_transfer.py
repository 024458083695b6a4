"""Pairs of instances: two cards, one quality law."""

import numpy as np
import pytest

from tuner.simulate.transfer import transfer_pair


@pytest.mark.parametrize("name", ["dev-logarithmic-a100", "alien-lookup-a100", "held-precision-a100"])
def test_the_two_cards_share_nrmse_and_nothing_of_time_or_memory(name):
    there, here = transfer_pair(name, "h100", 1)
    shared = [config for config in there.study.lattice if config in here.study.lattice]
    rows = np.array([(there.row(config), here.row(config)) for config in shared]).T
    assert len(shared) > 100
    assert (there.truth.nrmse[rows[0]] == here.truth.nrmse[rows[1]]).all()
    assert not np.allclose(there.truth.time_s[rows[0]], here.truth.time_s[rows[1]])
    assert there.truth.memory_gib < here.truth.memory_gib
    assert set(here.study.lattice) - set(there.study.lattice)
    assert there.study.target == here.study.target


def test_the_optimum_of_the_second_card_is_known_and_faster_than_its_baseline():
    _, here = transfer_pair("dev-logarithmic-a100", "h100", 2)
    assert here.truth.optimum is not None
    assert here.truth.time_s[here.truth.optimum] < here.truth.time_s[here.baseline]


def test_the_same_seed_draws_the_same_pair_and_another_one_another():
    first, again, other = (transfer_pair("alien-ridge-a100", "h100", seed)[1] for seed in (3, 3, 4))
    assert (first.truth.nrmse == again.truth.nrmse).all()
    assert not np.allclose(first.truth.nrmse, other.truth.nrmse)


def test_an_offset_raises_every_nrmse_of_the_second_card_alone():
    plain, raised = (transfer_pair("dev-middle-a100", "h100", 0, offset_pct=p) for p in (0.0, 0.5))
    assert (plain[0].truth.nrmse == raised[0].truth.nrmse).all()
    assert np.allclose(1.005 * plain[1].truth.nrmse, raised[1].truth.nrmse)
