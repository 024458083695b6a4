"""How long a trial may be silent, in a time that the test makes."""

import math

import pytest

from tuner.ray_adapter.silence import Patience, Silence

PATIENCE = Patience()


class Time:
    """Time in turns of a tenth of a second, but for those that take longer."""

    def __init__(self):
        self.now_s = 0.0
        self.silence = Silence(PATIENCE, lambda: self.now_s)

    def pass_s(self, seconds, *, turn_s=0.1):
        for _ in range(round(seconds / turn_s)):
            self.now_s += turn_s
            self.silence.turn()

    def why(self, ray_id, *, is_budget_spent=False):
        return self.silence.why_given_up(ray_id, is_budget_spent=is_budget_spent)

    def whole_trial(self, start_s=20.0, epoch_s=10.0):
        """A trial of three reports."""
        self.silence.begun("first")
        self.silence.placed("first")
        for seconds in (start_s, epoch_s, epoch_s):
            self.pass_s(seconds)
            self.silence.heard("first")
        self.silence.ended("first", is_whole=True)

    def begin(self, **more):
        self.silence.begun("a", **more)
        self.silence.placed("a")


@pytest.fixture
def time():
    return Time()


def test_until_a_whole_trial_was_seen_only_the_budget_limits_silence(time):
    time.begin()
    time.pass_s(10)
    time.silence.heard("a")
    time.pass_s(5000)
    assert time.silence.limit_s("a") == math.inf
    assert not time.why("a")
    assert time.why("a", is_budget_spent=True) == "given up: no report for 5000 s, and the budget is spent"


def test_the_learnt_limit_is_several_times_what_was_seen_and_is_predicted_and_never_short(time):
    time.whole_trial(start_s=40.0)
    time.begin(expected_s=30.0)
    assert time.silence.limit_s("a") == pytest.approx(5 * (40 + 30))
    time.begin()
    assert time.silence.limit_s("a") == PATIENCE.least_start_s  # a cold start is no hang
    time.silence.heard("a")
    assert time.silence.limit_s("a") == pytest.approx(200)
    time.pass_s(199)
    assert not time.why("a")
    time.pass_s(2)
    assert (
        time.why("a") == "no report for 201 s, where 200 s are allowed by the limit that this run has learnt"
    )


def test_the_studys_own_limit_holds_from_the_first_trial_on_and_counts_from_its_worker(time):
    time.silence.begun("a", timeout_s=30.0)
    time.pass_s(100)
    assert not time.why("a")  # it waits for a worker
    time.silence.placed("a")
    time.pass_s(29)
    assert not time.why("a")
    time.pass_s(2)
    assert time.why("a") == "no report for 31 s, where 30 s are allowed by stage.timeout_s"


def test_a_suspended_or_busy_driver_hears_nobody_and_blames_nobody(time):
    time.begin(timeout_s=30.0)
    time.pass_s(10_000, turn_s=1000)
    assert time.silence.silent_s("a") == pytest.approx(10 * PATIENCE.turn_s)
    assert not time.why("a")


def test_after_the_budgets_end_a_trial_is_given_up_once_it_is_silent_for_longer_than_others_were(time):
    time.whole_trial(start_s=20.0)
    time.begin()
    time.pass_s(29)
    assert not time.why("a", is_budget_spent=True)
    time.pass_s(2)
    assert time.why("a", is_budget_spent=True).startswith("given up: no report for 31 s")


def test_every_silence_longer_than_a_minute_and_than_usual_gets_one_word(time):
    time.begin()
    time.pass_s(59)
    assert not time.silence.worth_a_word("a")
    time.pass_s(2)
    assert time.silence.worth_a_word("a")
    time.pass_s(100)
    assert not time.silence.worth_a_word("a")
    time.silence.heard("a")
    time.pass_s(1.4 * 161)  # as long as is usual, more or less
    assert not time.silence.worth_a_word("a")
    time.pass_s(0.2 * 161)
    assert time.silence.worth_a_word("a")
