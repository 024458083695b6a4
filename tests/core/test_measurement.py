"""A stage's report, checked where it enters."""

import json
import math

import numpy as np
import pytest

from tuner.core.measurement import MAX_TEXT, Measurement, Status
from tuner.errors import ReportError

GOOD = {"status": "ok", "epoch": 2, "nrmse": 0.09, "time_s": 3.0, "epoch_time_s": 1.5}


def test_a_report_survives_the_journal_and_back():
    measurement = Measurement.from_dict(GOOD | {"resumed": True, "device": "X", "num_chunks": 7})
    assert Measurement.from_dict(json.loads(json.dumps(measurement.as_dict()))) == measurement


def test_keys_that_are_not_ours_are_ignored():
    assert Measurement.from_dict(GOOD | {"pid": 12, "done": True}) == Measurement.from_dict(GOOD)


@pytest.mark.parametrize("nrmse", [math.nan, math.inf, -math.inf, None, 1.7e308])
def test_an_nrmse_that_is_not_finite_is_an_answer_and_not_ok(nrmse):
    measurement = Measurement.from_dict(GOOD | {"nrmse": nrmse})
    assert measurement.status is Status.NAN
    assert measurement.error.startswith("NRMSE is ")
    assert math.isnan(measurement.nrmse)
    json.dumps(measurement.as_dict(), allow_nan=False)


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"nrmse": 0}, "nrmse=0.0, which must be more than 0"),
        ({"nrmse": -1}, "nrmse=-1.0, which must be more than 0"),
        ({"nrmse": True}, "nrmse=True, which is not a number"),
        ({"nrmse": "0.09"}, "nrmse='0.09', which is not a number"),
        ({"nrmse": [0.09]}, "nrmse=.* is not a number"),
        ({"epoch": 0}, "epoch=0, which must be more than 0"),
        ({"epoch": True}, "epoch=True, which is not a number"),
        ({"epoch": 1.5}, "epoch=1.5, which is not a whole number"),
        ({"epoch": "two"}, "epoch='two', which is not a number"),
        ({"time_s": 0.0}, "time_s=0.0, which must be more than 0"),
        ({"time_s": math.inf}, "time_s=inf, which must be a finite number"),
        ({"time_s": -1}, "time_s=-1.0, which must be 0 or more"),
        ({"time_s": 10**400}, "time_s=inf, which must be a finite number"),
        ({"epoch_time_s": math.nan}, "epoch_time_s=nan, which must be more than 0"),
        ({"num_chunks": -1}, "num_chunks=-1, which must be 0 or more"),
        ({"peak_memory_gib": -0.5}, "peak_memory_gib=-0.5, which must be 0 or more"),
        ({"setup_time_s": math.nan}, "setup_time_s=nan, which must be a finite number"),
        ({"time_s": 1.7e308}, r"time_s=1.7e\+308, which must be at most 1e\+09"),
        ({"epoch_time_s": math.inf}, r"epoch_time_s=inf, which must be at most 1e\+09"),
        ({"num_optimizer_steps": 10**20}, "num_optimizer_steps=10*, which must be at most"),
        ({"num_alloc_retries": -1}, "num_alloc_retries=-1, which must be 0 or more"),
        ({"peak_memory_gib": 1.7e308}, "peak_memory_gib=.* which must be at most"),
        ({"peak_memory_gib": True}, "peak_memory_gib=True, which is not a number"),
        ({"gpu_memory_gib": "80"}, "gpu_memory_gib='80', which is not a number"),
        ({"energy_j": -5}, "energy_j=-5.0, which must be 0 or more"),
        ({"energy_j": 1.7e308}, "energy_j=.* which must be at most"),
        ({"energy_j": "300 J"}, "energy_j='300 J', which is not a number"),
        ({"energy_j": True}, "energy_j=True, which is not a number"),
        ({"power_w": 1e300}, "power_w=.* which must be at most"),
        ({"evaluate_time_s": 1e300}, "evaluate_time_s=.* which must be at most"),
        ({"gpu_util_pct": -1}, "gpu_util_pct=-1.0, which must be 0 or more"),
        ({"resumed": 1}, "resumed=1, which is not true or false"),
        ({"device": 7}, "device=7, which is not text"),
        ({"status": "fine"}, "status='fine', which is not one of ok, oom, nan"),
        ({"epoch": None}, "lacks epoch"),
        ({"status": None, "time_s": None}, "lacks status, time_s"),
    ],
)
def test_what_no_training_can_have_given_is_refused_by_name(change, what):
    with pytest.raises(ReportError, match=what):
        Measurement.from_dict(GOOD | change)


def test_numbers_of_numpy_are_numbers():
    told = {"nrmse": np.float32(0.25), "epoch": np.int64(2), "resumed": np.bool_(True)}
    measurement = Measurement.from_dict(GOOD | told)
    assert (measurement.nrmse, measurement.epoch, measurement.resumed) == (0.25, 2, True)
    assert type(measurement.epoch) is int


def test_a_text_is_kept_on_one_clean_line_of_bounded_length():
    report = GOOD | {"status": "nan", "error": "\x1b[31mbad\x1b[0m\nthing\x00" + "x" * 10**6}
    error = Measurement.from_dict(report).error
    assert error.startswith("bad thing x")
    assert len(error) == MAX_TEXT


def test_an_oom_report_needs_no_nrmse_and_has_none():
    measurement = Measurement.from_dict(
        {"status": "oom", "epoch": 0, "time_s": 0, "epoch_time_s": 0, "nrmse": 0.01}
    )
    assert measurement.status is Status.OOM
    assert math.isnan(measurement.nrmse)
    assert measurement.as_dict()["nrmse"] is None


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
