"""The sums of observations equal a count of all records anew."""

import random
from dataclasses import replace
from statistics import fmean

import pytest

from tests.search.situations import BASELINE, FASTEST, OTHERS, ran, running
from tuner.core.estimate import estimates
from tuner.core.trial import TrialState
from tuner.search.observations import Observations, Probed, Timed, epoch_s


def some_records(seed: int, num: int = 60):
    """Runs, repeats, stopped ones, failures and too large ones, in the order of asking."""
    rng = random.Random(seed)
    found = []
    for k in range(num):
        config = rng.choice((BASELINE, FASTEST, *OTHERS[:6]))
        kind = rng.choice(["ran"] * 6 + ["stopped", "failed", "memory", "running"])
        if kind == "ran":
            whole = ran(config, 0.09 + 0.001 * rng.random(), k, memory_gib=rng.random())
            found.append(at_pace(whole, rng.uniform(0.9, 1.1)))
        elif kind == "stopped":
            stopped = ran(config, 0.1, k, state=TrialState.STOPPED, num_ran=2, memory_gib=rng.random())
            found.append(at_pace(stopped, rng.uniform(0.9, 1.1)))
        elif kind == "failed":
            found.append(ran(config, 0.1, k, state=TrialState.FAILED, num_ran=0))
        elif kind == "memory":
            infeasible = TrialState.INFEASIBLE
            found.append(ran(OTHERS[k % 3], 0.1, k, state=infeasible, num_ran=0, constraint="memory"))
        else:
            found.append(running(config, k))
    return found


def at_pace(record, factor, **more):
    """The same trial with its times so many times as long."""
    reports = (replace(m, time_s=factor * m.time_s, **more) for m in record.measurements)
    return replace(record, measurements=tuple(reports))


def heard(records, order):
    """A observations of trials asked for in one order that end in another."""
    observations = Observations()
    for record in records:
        observations.put(running(record.config, record.seed))
    for k in order:
        observations.put(records[k])
    return observations


@pytest.mark.parametrize("seed", range(8))
def test_in_whatever_order_trials_end_the_sums_are_those_of_their_records(seed):
    records = some_records(seed)
    order = list(range(len(records)))
    random.Random(seed).shuffle(order)
    observations = heard(records, order)
    known = estimates(records)
    assert observations.measured == known
    assert list(observations.measured) == list(known)
    times, peaks = {}, {}
    for record in records:
        if record.state is not TrialState.RUNNING and epoch_s(record):
            times.setdefault(record.config, []).append(epoch_s(record))
            peaks.setdefault(record.config, []).append(record.peak_memory_gib)
    means = {config: fmean(values) for config, values in times.items()}
    assert list(observations.mean_epoch_s.items()) == list(means.items())
    largest = {config: max(values) for config, values in peaks.items()}
    assert list(observations.peaks.items()) == list(largest.items())
    assert set(observations.running) == {r.trial_id for r in records if r.state is TrialState.RUNNING}
    assert {r.trial_id for r in observations.complete} == {r.trial_id for r in records if r.is_full_budget}
    assert observations.num_asked == {c: sum(r.config == c for r in records) for c in observations.num_asked}
    assert observations.seeds == {
        c: {r.seed for r in records if r.config == c} for c in observations.num_asked
    }


def test_a_withdrawn_trial_leaves_nothing_behind():
    first, second, again = ran(FASTEST, 0.09, 0), ran(FASTEST, 0.09, 1), ran(BASELINE, 0.08, 0)
    observations, others = Observations(), Observations()
    for record in (first, second, again):
        observations.put(running(record.config, record.seed))
    for record in (second, again):
        observations.withdraw(record.trial_id)
    observations.put(first)
    observations.put(running(again.config, again.seed))
    for record in (running(first.config, first.seed), first, running(again.config, again.seed)):
        others.put(record)
    names = set(vars(others)) - {"_position", "_positions"}
    assert {name: vars(observations)[name] for name in names} == {name: vars(others)[name] for name in names}


def test_saying_an_end_twice_changes_nothing():
    record = ran(FASTEST, 0.09)
    observations = heard([record], [0])
    assert not observations.put(record)
    assert (len(observations.ended), len(observations.timed), len(observations.complete)) == (1, 1, 1)


def test_what_was_timed_is_kept_in_the_order_of_hearing_and_once():
    observations = Observations()
    observations.put_probe(Probed(config=FASTEST, epoch_time_s=1.0))
    observations.put_probe(Probed(config=OTHERS[0], epoch_time_s=None))
    observations.put(ran(BASELINE, 0.09, 0))
    observations.put(ran(BASELINE, 0.09, 1))
    assert observations.timed == [Timed(FASTEST, is_probe=True), Timed(BASELINE, is_probe=False)]
    assert observations.num_timed == [0, 2, 2]


def test_the_first_undisturbed_time_after_a_disturbed_one_is_kept_as_well():
    first, *later = (ran(BASELINE, 0.09, seed) for seed in range(3))
    contended = tuple(replace(m, contended=True) for m in first.measurements)
    observations = heard([replace(first, measurements=contended), *later], [0, 1, 2])
    assert observations.timed == [Timed(BASELINE, False, is_contended=True), Timed(BASELINE, False)]
    assert observations.num_timed == [0, 1, 2, 2]
    assert not observations.disturbed


def test_disturbed_epoch_times_count_only_until_there_is_an_undisturbed_one():
    paces = [(1.4, True), (1.6, True), (1.0, False), (3.0, True), (1.2, False)]
    records = [at_pace(ran(BASELINE, 0.09, k), pace, contended=so) for k, (pace, so) in enumerate(paces)]
    unit_s = epoch_s(ran(BASELINE, 0.09))
    seen = [heard(records[:num], range(num)).mean_epoch_s[BASELINE] / unit_s for num in range(1, 6)]
    assert seen == pytest.approx([1.4, 1.5, 1.0, 1.0, 1.1])
