"""What a probe answers is checked where it enters."""

import math

import pytest

from tests.studies import BASELINE
from tuner.advisor import Probe
from tuner.core.config import TrialConfig
from tuner.core.measurement import Status
from tuner.errors import ReportError
from tuner.ray_adapter.probes import probe_results

WANTED = Probe(trial_id="p001", configs=(TrialConfig(**BASELINE),))
GOOD = {"params": BASELINE, "status": "ok", "epoch_time_s": 1.5, "peak_memory_gib": 2}


def test_an_answer_is_read_as_it_is():
    (result,) = probe_results(WANTED, {"probe": [GOOD | {"standard_error": 0.1}]})
    assert (result.epoch_time_s, result.peak_memory_gib, result.error) == (1.5, 2.0, 0.1)


@pytest.mark.parametrize("status", ["oom", "nan"])
def test_a_configuration_that_cannot_be_trained_needs_no_figures(status):
    answer = GOOD | {"status": status, "epoch_time_s": math.nan, "peak_memory_gib": math.nan}
    (result,) = probe_results(WANTED, {"probe": [answer]})
    assert result.status is Status(status)


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"epoch_time_s": 0}, "epoch_time_s=0"),
        ({"epoch_time_s": -1}, "epoch_time_s=-1.0, which must be 0 or more"),
        ({"epoch_time_s": math.nan}, "epoch_time_s=nan, which must be a finite number"),
        ({"epoch_time_s": 1.7e308}, "epoch_time_s=.* which must be at most"),
        ({"epoch_time_s": "3"}, "epoch_time_s='3', which is not a number"),
        ({"epoch_time_s": True}, "epoch_time_s=True, which is not a number"),
        ({"epoch_time_s": 10**400}, "epoch_time_s=inf, which must be a finite number"),
        ({"peak_memory_gib": math.inf}, "peak_memory_gib=inf, which must be a finite number"),
        ({"peak_memory_gib": 1e300}, "peak_memory_gib=.* which must be at most"),
        ({"peak_memory_gib": None}, "peak_memory_gib=None, which is not a number"),
        ({"standard_error": -0.1}, "standard_error=-0.1"),
        ({"standard_error": "0.1"}, "standard_error='0.1', which is not a number"),
        ({"status": "fine"}, "ValueError: 'fine' is not a valid Status"),
        ({"params": 7}, "Error: "),
    ],
)
def test_what_no_probe_can_have_measured_is_refused(change, what):
    with pytest.raises(ReportError, match=rf"the probe's answer cannot be read: .*{what}"):
        probe_results(WANTED, {"probe": [GOOD | change]})


@pytest.mark.parametrize("result", [{}, {"probe": None}, {"probe": 7}, {"probe": ["x"]}, {"probe": [None]}])
def test_an_answer_of_another_shape_is_refused(result):
    with pytest.raises(ReportError, match=r"the probe's answer cannot be read: \w+Error"):
        probe_results(WANTED, result)


def test_an_answer_for_other_configurations_is_refused():
    with pytest.raises(ReportError, match="did not answer for the configurations"):
        probe_results(WANTED, {"probe": []})
