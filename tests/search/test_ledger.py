"""What a ledger sums is what counting all records anew gives."""

import random
from dataclasses import replace

import pytest

from tests.search.situations import BASELINE, FASTEST, OTHERS, ran, running
from tuner.core.estimate import estimates
from tuner.core.trial import TrialState
from tuner.search.ledger import Ledger, Probed, Timed, epoch_s


def some_records(seed: int, num: int = 60):
    """Runs, repeats, stopped ones, failures and too large ones, in the order of asking."""
    rng = random.Random(seed)
    found = []
    for k in range(num):
        config = rng.choice((BASELINE, FASTEST, *OTHERS[:6]))
        kind = rng.choice(["ran"] * 6 + ["stopped", "failed", "memory", "running"])
        if kind == "ran":
            found.append(ran(config, 0.09 + 0.001 * rng.random(), k))
        elif kind == "stopped":
            found.append(ran(config, 0.1, k, state=TrialState.STOPPED, num_ran=2))
        elif kind == "failed":
            found.append(ran(config, 0.1, k, state=TrialState.FAILED, num_ran=0))
        elif kind == "memory":
            infeasible = TrialState.INFEASIBLE
            found.append(ran(OTHERS[k % 3], 0.1, k, state=infeasible, num_ran=0, constraint="memory"))
        else:
            found.append(running(config, k))
    return found


def heard(records, order):
    """A ledger of trials asked for in one order that end in another."""
    ledger = Ledger()
    for record in records:
        ledger.put(running(record.config, record.seed))
    for k in order:
        ledger.put(records[k])
    return ledger


@pytest.mark.parametrize("seed", range(8))
def test_in_whatever_order_trials_end_the_sums_are_those_of_their_records(seed):
    records = some_records(seed)
    order = list(range(len(records)))
    random.Random(seed).shuffle(order)
    ledger = heard(records, order)
    known = estimates(records)
    assert ledger.measured == known
    assert list(ledger.measured) == list(known)
    least = {}
    for record in records:
        if record.state is not TrialState.RUNNING and epoch_s(record):
            least[record.config] = min(epoch_s(record), least.get(record.config, 1e9))
    assert list(ledger.least_epoch_s.items()) == list(least.items())
    assert set(ledger.running) == {r.trial_id for r in records if r.state is TrialState.RUNNING}
    assert {r.trial_id for r in ledger.complete} == {r.trial_id for r in records if r.is_full_budget}
    assert ledger.num_failures == sum(r.state is TrialState.FAILED for r in records)
    assert ledger.num_asked == {c: sum(r.config == c for r in records) for c in ledger.num_asked}
    assert ledger.seeds == {c: {r.seed for r in records if r.config == c} for c in ledger.num_asked}


def test_saying_an_end_twice_changes_nothing():
    record = ran(FASTEST, 0.09)
    ledger = heard([record], [0])
    assert not ledger.put(record)
    assert (len(ledger.ended), len(ledger.timed), len(ledger.complete)) == (1, 1, 1)


def test_what_was_timed_is_kept_in_the_order_of_hearing_and_once():
    ledger = Ledger()
    ledger.put_probe(Probed(config=FASTEST, epoch_time_s=1.0))
    ledger.put_probe(Probed(config=OTHERS[0], epoch_time_s=None))
    ledger.put(ran(BASELINE, 0.09, 0))
    ledger.put(ran(BASELINE, 0.09, 1))
    assert ledger.timed == [Timed(FASTEST, is_probe=True), Timed(BASELINE, is_probe=False)]
    assert ledger.num_timed == [0, 2, 2]


def test_the_first_undisturbed_time_after_a_disturbed_one_is_kept_as_well():
    first, *later = (ran(BASELINE, 0.09, seed) for seed in range(3))
    contended = tuple(replace(m, contended=True) for m in first.measurements)
    ledger = heard([replace(first, measurements=contended), *later], [0, 1, 2])
    assert ledger.timed == [Timed(BASELINE, False, is_contended=True), Timed(BASELINE, False)]
    assert ledger.num_timed == [0, 1, 2, 2]
    assert not ledger.disturbed
