"""One run teaches another about NRMSE, and not about time, memory or what did not fit."""

import json
import math
from dataclasses import replace

import pytest

from tests.studies import BASELINE, make_record, report
from tuner.core.config import TrialConfig
from tuner.core.measurement import Status
from tuner.core.trial import TrialState
from tuner.core.warm_start import WarmStart, WarmStartRun, warm_start_run


def run(seed: int = 0, *curve: float) -> WarmStartRun:
    points = tuple(enumerate(curve or (0.1, 0.09), start=1))
    return WarmStartRun(source="a", config=TrialConfig(**BASELINE), seed=seed, curve=points)


def warm_start(*runs: WarmStartRun) -> WarmStart:
    return WarmStart(source="a", device="some card", num_epochs=2, runs=runs, num_left_out=3)


def test_it_survives_json():
    given = warm_start(run(), run(1, 0.2))
    assert WarmStart.from_dict(json.loads(json.dumps(given.as_dict()))) == given


def test_a_warm_start_holds_no_time_and_no_memory():
    known = warm_start_run(make_record(curve=(0.1, 0.09), epoch_time_s=77.0), "a")
    text = json.dumps(warm_start(known).as_dict())
    assert "77" not in text
    assert not {"time_s", "peak_memory_gib"} & set(json.loads(text)["runs"][0])


@pytest.mark.parametrize(
    "state", [TrialState.COMPLETE, TrialState.STOPPED, TrialState.RUNNING, TrialState.FAILED]
)
def test_every_curve_counts_even_of_a_trial_that_was_killed(state):
    assert warm_start_run(make_record(curve=(0.1,), state=state), "a").curve == ((1, 0.1),)


def test_what_diverged_or_ran_out_of_memory_is_left_out():
    assert warm_start_run(make_record(state=TrialState.INFEASIBLE), "a") is None
    out_of_memory = report(0, math.nan, 0.0, status=Status.OOM)
    assert warm_start_run(replace(make_record(), measurements=(out_of_memory,)), "a") is None


def test_only_runs_of_every_epoch_are_full():
    assert warm_start(run(), run(1, 0.2)).num_full == 1


@pytest.mark.parametrize(("seed", "fresh"), [(0, 4), (3, 4), (4, 4), (9, 9)])
def test_a_fresh_seed_is_above_all_that_were_used_unless_the_studys_own_is(seed, fresh):
    assert warm_start(run(0), run(3)).fresh_seed(seed) == fresh


def test_what_is_reported_says_how_many_were_taken_from_where():
    assert warm_start(run(), run(1, 0.2)).provenance == {
        "run": "a", "device": "some card", "num_runs": 2, "num_full": 1, "num_left_out": 3,
    }  # fmt: skip
