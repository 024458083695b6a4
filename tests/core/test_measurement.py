"""A stage's report, checked where it enters."""

import json
import math

import pytest

from tuner.core.measurement import Measurement, Status
from tuner.errors import StageError

GOOD = {"status": "ok", "epoch": 2, "nrmse": 0.09, "time_s": 3.0, "epoch_time_s": 1.5}


def test_a_report_survives_the_journal_and_back():
    measurement = Measurement.from_dict(GOOD | {"resumed": True, "device": "X", "num_chunks": 7})
    assert Measurement.from_dict(json.loads(json.dumps(measurement.as_dict()))) == measurement


def test_keys_that_are_not_ours_are_ignored():
    assert Measurement.from_dict(GOOD | {"pid": 12, "done": True}) == Measurement.from_dict(GOOD)


@pytest.mark.parametrize("bad", [{"nrmse": math.nan}, {"nrmse": math.inf}, {"nrmse": None}, {"time_s": 0.0}])
def test_ok_without_usable_figures_is_nan_not_ok(bad):
    measurement = Measurement.from_dict(GOOD | bad)
    assert measurement.status is Status.NAN
    assert "reported as ok" in measurement.error
    assert math.isnan(measurement.nrmse)


def test_infinite_times_become_json_and_are_not_ok():
    measurement = Measurement.from_dict(GOOD | {"time_s": math.inf})
    assert measurement.status is Status.NAN
    json.dumps(measurement.as_dict(), allow_nan=False)


def test_an_oom_report_needs_no_nrmse_and_has_none():
    measurement = Measurement.from_dict(
        {"status": "oom", "epoch": 0, "time_s": 0, "epoch_time_s": 0, "nrmse": 0.01}
    )
    assert measurement.status is Status.OOM
    assert math.isnan(measurement.nrmse)
    assert measurement.as_dict()["nrmse"] is None


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"epoch": None}, "lacks epoch"),
        ({"status": None, "time_s": None}, "lacks status, time_s"),
        ({"status": "fine"}, "'fine' is not a valid Status"),
        ({"epoch": "two"}, "wrong type"),
        ({"nrmse": [0.09]}, "wrong type"),
    ],
)
def test_a_broken_report_says_what_is_wrong(change, what):
    with pytest.raises(StageError, match=what):
        Measurement.from_dict(GOOD | change)


def test_figures_of_the_telemetry_survive_the_journal_and_their_absence_stays_none():
    told = {
        "energy_j": 5,
        "contended": True,
        "contended_reason": "load",
        "num_alloc_retries": 0,
        "power_w": None,
    }
    measurement = Measurement.from_dict(GOOD | told)
    assert (measurement.energy_j, measurement.contended, measurement.num_alloc_retries) == (5.0, True, 0)
    assert (measurement.power_w, measurement.temperature_c) == (None, None)
    assert Measurement.from_dict(json.loads(json.dumps(measurement.as_dict()))) == measurement
    assert Measurement.from_dict(GOOD).contended is None  # an old journal did not say


def test_an_optional_figure_that_is_no_number_was_not_measured_and_spoils_nothing():
    measurement = Measurement.from_dict(GOOD | {"power_w": math.nan, "data_wait_s": math.inf})
    assert measurement.status is Status.OK
    assert (measurement.power_w, measurement.data_wait_s) == (None, None)
