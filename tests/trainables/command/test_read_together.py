"""Lines that are read at the same moment, keys that name nothing, and patterns that match twice."""

import pytest

from tests.trainables.test_command import reports, trial

ALL_AT_ONCE = (
    'import time\ntime.sleep(.3)\nprint(\'{"nrmse": 1}\\n{"nrmse": 2}\\n{"nrmse": 3}\', flush=True)\n'
)


def test_epochs_whose_lines_come_together_have_their_total_and_say_that_it_is_an_upper_bound(tmp_path):
    found = reports(trial(tmp_path, ALL_AT_ONCE, num_epochs=3))
    times = [report["time_s"] for report in found]
    assert times == sorted(set(times))
    assert 0.3 < times[-1] < 30
    assert all(report["epoch_time_s"] > 0 for report in found)
    assert found[-1]["contended"]
    assert "read at the same moment" in found[-1]["contended_reason"]


def test_where_nothing_was_read_apart_there_is_no_time_and_that_is_told_with_the_fix(tmp_path):
    code = 'print(\'go\\n{"nrmse": 1}\\n{"nrmse": 2}\', flush=True)\n'
    with pytest.raises(RuntimeError, match="all its lines came at the same moment"):
        reports(trial(tmp_path, code, start="^go"))


def test_a_clock_that_no_line_has_is_refused_instead_of_ours_being_taken(tmp_path):
    code = 'print(\'{"nrmse": 1, "train_seconds": 3}\', flush=True)\n'
    with pytest.raises(RuntimeError, match="has no 'train_secs', which keys"):
        reports(trial(tmp_path, code, num_epochs=1, keys={"time_s": "train_secs"}))


def test_a_pattern_that_matches_two_numbers_of_a_line_is_refused(tmp_path):
    code = "print('train_nrmse=0.01 val_nrmse=0.09', flush=True)\n"
    options = {"source": "regex", "pattern": "nrmse=(?P<nrmse>[0-9.]+)"}
    with pytest.raises(RuntimeError, match="matches this line more than once, with different numbers"):
        reports(trial(tmp_path, code, num_epochs=1, **options))
    (report,) = reports(
        trial(tmp_path, code, num_epochs=1, **options | {"pattern": "val_" + options["pattern"]})
    )
    assert report["nrmse"] == 0.09


def test_a_line_has_the_time_of_its_text_whenever_its_line_feed_comes(tmp_path):
    code = (
        "import sys, time\nsys.stdout.write('{\"nrmse\": 1}')\nsys.stdout.flush()\ntime.sleep(1.4)\n"
        "print('\\n{\"nrmse\": 2}', flush=True)\n"
    )
    _, last = reports(trial(tmp_path, code, num_epochs=2))
    assert last["epoch_time_s"] > 0.6
    assert not last["contended"] or "read at the same moment" not in last["contended_reason"]
