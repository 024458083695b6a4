"""A step's seconds fall out of starts that cost something themselves, and the stated error holds."""

import math

import numpy as np
import pytest

from trainables.command.step_time import COST_VARIES, MAX_TOLD, NOISE, USELESS, StepTimes

STEPS = 20


def found(step_s, costs_s, *, rng=None, is_of_steps=False):
    """The times of configurations whose starts cost so much, started as the probe starts them."""
    times = StepTimes(STEPS, is_of_steps=is_of_steps)

    def start(which, *, is_long):
        seconds = costs_s[which] + (2 if is_long else 1) * STEPS * step_s[which]
        noise = NOISE * rng.standard_normal() if rng is not None else 0.0
        times.add(which, seconds * math.exp(noise), is_long=is_long)

    for which in range(len(step_s)):
        start(which, is_long=False)
        if which == 0:
            start(which, is_long=True)
    for which in range(len(step_s)):
        if times.wants_second(which):
            start(which, is_long=True)
    return times


def test_without_noise_what_a_start_costs_falls_out_exactly():
    step_s = [0.5, 0.3, 0.8, 2.0]
    times = found(step_s, [30.0] * 4)
    assert times.start_s == pytest.approx(30.0)
    assert [times.of(k).seconds for k in range(4)] == pytest.approx(step_s)


def test_a_second_start_is_made_only_where_the_cost_of_starting_matters():
    cheap = found([0.5, 0.3, 0.8], [0.1] * 3)
    assert [cheap.num_steps(k) for k in range(3)] == [3 * STEPS, 3 * STEPS, STEPS]
    dear = found([0.5, 0.3, 0.8, 5.0], [10.0] * 4)
    assert [dear.num_steps(k) for k in range(4)] == [3 * STEPS, 3 * STEPS, 3 * STEPS, STEPS]


def test_a_clock_of_the_steps_alone_is_believed_unless_the_reference_contradicts_it():
    believed = found([0.5, 0.03, 0.8], [0.0] * 3, is_of_steps=True)
    assert [believed.num_steps(k) for k in range(3)] == [3 * STEPS, STEPS, STEPS]
    contradicted = found([0.5, 0.3, 0.8], [10.0] * 3, is_of_steps=True)
    assert contradicted.start_s == pytest.approx(10.0)
    assert [contradicted.of(k).seconds for k in range(3)] == pytest.approx([0.5, 0.3, 0.8])


@pytest.mark.parametrize("cost_s", [0.0, 1.0, 10.0])
def test_most_steps_are_within_two_of_the_errors_that_are_stated(cost_s):
    rng = np.random.default_rng(0)
    strays: list[float] = []
    for _ in range(200):
        step_s = rng.uniform(0.2, 2.0, size=5)
        costs_s = cost_s * np.exp(COST_VARIES / 2 * rng.standard_normal(5))
        times = found(step_s, costs_s, rng=rng)
        for k in range(5):
            seconds, error = times.of(k)
            if error < MAX_TOLD:
                strays.append(abs(seconds - step_s[k]) / (error * step_s[k]))
    assert np.mean(np.array(strays) < 2) > 0.9
    assert np.mean(strays) > 0.3  # nor are the errors far too large


def test_what_does_not_grow_with_the_steps_is_useless_and_says_how_many_would_do():
    times = found([0.0], [3.0])
    why = times.why_useless("batches")
    assert "20 batches took 3 s and 40 took 3 s" in why
    assert "obeys {num_steps}" in why
    better = int(why.rsplit(" ", 1)[1].rstrip("."))
    assert better > 2 * STEPS


def test_as_many_steps_as_are_advised_are_enough():
    why = found([0.01], [3.0]).why_useless("batches")
    enough = int(why.rsplit(" ", 1)[1].rstrip("."))
    times = StepTimes(enough)
    times.add(0, 3.0 + 0.01 * enough, is_long=False)
    times.add(0, 3.0 + 0.01 * 2 * enough, is_long=True)
    assert times.why_useless("batches") == ""
    assert times.of(0).error <= USELESS


def test_a_longer_start_that_took_less_gives_an_upper_bound_with_the_largest_error():
    times = StepTimes(STEPS)
    times.add(0, 2.0, is_long=False)
    times.add(0, 1.9, is_long=True)
    assert times.of(0) == (2.0 / STEPS, MAX_TOLD)
    assert times.start_s == pytest.approx(2.1)
