"""A stage's claim that NRMSE does not depend on a parameter is verified by the pairs that ran."""

import numpy as np
import pytest

from tests.studies import report
from tuner.core.config import TrialConfig
from tuner.core.trial import Purpose, TrialRecord, TrialState
from tuner.search.contradictions.of_invariance import Siblings


def ran(micro_batch, seed, nrmse, *, batch_size=12):
    record = TrialRecord(
        trial_id=f"{batch_size}-{micro_batch}-{seed}",
        config=TrialConfig(batch_size=batch_size, micro_batch=micro_batch, num_taus=3),
        seed=seed,
        num_epochs=1,
        purpose=Purpose.SEARCH,
    )
    return record.observed(report(1, nrmse, 10.0, 10.0)).ended(TrialState.COMPLETE)


def said(*records):
    siblings = Siblings(("micro_batch",))
    return next(filter(None, map(siblings.contradiction_by, records)), "")


def test_a_difference_no_seed_explains_is_named_with_both_configurations():
    reason = said(ran(4, 0, 0.090), ran(12, 0, 0.099))
    assert "NRMSE depends on micro_batch after all" in reason
    assert "micro_batch=12" in reason
    assert "micro_batch=4" in reason
    assert "+10.0 %" in reason
    assert "with the same seeds" in reason


def test_siblings_that_share_no_seed_contradict_by_their_means_and_by_shared_seeds_where_there_are_any():
    assert "with other seeds" in said(ran(4, 0, 0.090), ran(12, 1, 0.0965))
    assert not said(ran(4, 0, 0.090), ran(12, 1, 0.0950)), "5.4 % is within four errors of two runs"
    spread = [ran(m, seed + 10 * m, nrmse) for seed in range(6) for m, nrmse in ((4, 0.0900), (12, 0.0925))]
    assert not said(*spread[:2])
    assert said(*spread), "of twelve runs 2.7 % is not"
    lucky = [ran(4, 0, 0.090), ran(4, 1, 0.100), ran(12, 1, 0.100)]
    assert not said(*lucky), "with seed 1 both are alike"


def test_what_seeds_explain_is_no_contradiction():
    assert not said(ran(12, 0, 0.0930), ran(4, 0, 0.0900))
    assert not said(ran(12, 1, 0.0930), ran(4, 0, 0.0900))
    assert not said(ran(12, 0, 0.120, batch_size=24), ran(4, 0, 0.090)), "another batch is no sibling"


def test_pairs_add_up():
    """2.5 % is within four standard errors of one pair, and of four pairs it is not."""
    pairs = [(ran(12, seed, 0.09225), ran(4, seed, 0.0900)) for seed in range(6)]
    assert not said(*pairs[0])
    assert said(*(record for pair in pairs for record in pair))


def test_a_stage_that_is_noisier_than_supposed_is_believed_longer():
    rng = np.random.default_rng(0)
    noise = 1 + 0.05 * rng.standard_normal((2, 6))
    records = [ran(m, seed, 0.09 * noise[k, seed]) for k, m in enumerate((12, 4)) for seed in range(6)]
    assert not said(*records)


@pytest.mark.parametrize("draw", range(20))
def test_an_honest_stage_is_hardly_ever_contradicted(draw):
    """One per cent between seeds, the same luck for siblings and a little rounding."""
    rng = np.random.default_rng(draw)
    luck = 1 + 0.01 * rng.standard_normal(5)
    rounding = 1 + 0.004 * rng.standard_normal((3, 5))
    records = [ran(m, s, 0.09 * luck[s] * rounding[k, s]) for k, m in enumerate((12, 6, 4)) for s in range(5)]
    assert not said(*records)
