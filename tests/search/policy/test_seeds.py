"""Which runs share a seed: of a relative target those that are compared, of an absolute one a few pairs."""

from collections import Counter

import pytest

from tests.search.situations import BASELINE, FASTEST, OTHERS, problem, ran, running, search, strategy
from tuner.core.config import TrialConfig
from tuner.core.traits import StageTraits
from tuner.core.trial import TrialState
from tuner.search.policy.seeds import NUM_PAIRS

GOOD = 0.080
RELATIVE = "nrmse <= 1.02 * baseline"
TWIN = TrialConfig(batch_size=8, micro_batch=2, num_taus=2)
"""`FASTEST` with another micro_batch."""


def differing(one, other):
    theirs = other.as_dict()
    return [name for name, value in one.as_dict().items() if value != theirs[name]]


def seed_of(config, records, **more):
    return strategy(problem(**more), records).next_seed(config)


def test_a_run_of_an_absolute_target_gets_the_lowest_seed_that_nothing_was_asked_with():
    assert len(differing(BASELINE, FASTEST)) > 1
    records = [ran(BASELINE, GOOD, 0), ran(BASELINE, GOOD, 1), running(OTHERS[-1], 3)]
    assert seed_of(FASTEST, records) == 2
    assert seed_of(BASELINE, [*records, ran(FASTEST, GOOD, 2)]) == 4
    assert seed_of(FASTEST, [ran(BASELINE, GOOD, 7)], seed=7) == 8


def test_a_run_of_a_relative_target_gets_the_lowest_seed_its_configuration_was_not_asked_with():
    records = [ran(BASELINE, GOOD, 0), ran(BASELINE, GOOD, 1), running(FASTEST, 0)]
    assert seed_of(FASTEST, records, target=RELATIVE) == 1
    assert seed_of(OTHERS[-1], records, target=RELATIVE) == 0
    assert seed_of(BASELINE, records, target=RELATIVE) == 2


def test_the_first_run_beside_one_that_differs_in_one_parameter_shares_its_seed():
    records = [ran(BASELINE, GOOD, 0), ran(FASTEST, GOOD, 1)]
    assert differing(FASTEST, TWIN) == ["micro_batch"]
    assert seed_of(TWIN, records) == 1
    assert seed_of(TWIN, [*records, ran(TWIN, GOOD, 1)]) == 2, "only the first run of it"
    invariant = StageTraits(quality_invariant_to=("micro_batch",))
    assert seed_of(TWIN, records, traits=invariant) == 2, "the stage says that it changes nothing"


@pytest.mark.parametrize("state", [TrialState.RUNNING, TrialState.FAILED, TrialState.INFEASIBLE])
def test_no_pair_is_made_with_what_was_not_measured(state):
    unmeasured = ran(FASTEST, GOOD, 1, state=state, num_ran=0, constraint="memory")
    assert seed_of(TWIN, [ran(BASELINE, GOOD, 0), unmeasured]) == 2


def test_two_pairs_of_a_parameter_are_enough():
    assert NUM_PAIRS == 2
    records = [ran(BASELINE, GOOD, 0)]
    for seed, (batch, micro, taus) in enumerate([(8, 4, 2), (6, 3, 3)], start=1):
        one, other = (TrialConfig(batch_size=batch, micro_batch=m, num_taus=taus) for m in (1, micro))
        assert seed_of(other, [*records, ran(one, GOOD, seed)]) == seed
        records += [ran(one, GOOD, seed), ran(other, GOOD, seed)]
    third = TrialConfig(batch_size=4, micro_batch=2, num_taus=3)
    assert differing(BASELINE, third) == ["micro_batch"]
    assert seed_of(third, records) == 3


def test_a_whole_search_with_an_absolute_target_shares_seeds_in_pairs_alone():
    records, _, _ = search(problem(), lambda c, seed: 0.085 + 0.004 * (c.batch_size - 4))
    with_seed = {}
    for record in records:
        with_seed.setdefault(record.seed, []).append(record.config)
    pairs = Counter(name for c in with_seed.values() for other in c[1:] for name in [*differing(c[0], other)])
    assert pairs
    assert max(pairs.values()) <= NUM_PAIRS
    assert len(with_seed) >= len(records) - sum(pairs.values())
