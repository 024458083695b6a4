"""The words in which a run says what it took from an earlier one."""

from tuner.report.warm_start import warm_start_line

TAKEN = {"run": "a100-1", "device": "NVIDIA A100", "num_runs": 23, "num_full": 17, "num_left_out": 0}


def test_it_says_how_many_runs_from_where_and_that_times_are_its_own():
    assert warm_start_line(TAKEN) == (
        "warm start: NRMSE of 23 runs, 17 at full budget, from a100-1 on NVIDIA A100; "
        "times and memory are measured here"
    )


def test_it_counts_what_could_not_be_used():
    said = warm_start_line(TAKEN | {"num_left_out": 4})
    assert "; 4 more were left out, as they vary what this study does not" in said


def test_a_dropped_warm_start_is_said_with_its_reason():
    line = warm_start_line(TAKEN, "a100-1 is no longer believed: ...")
    assert line.endswith("; dropped, and nothing below rests on it: a100-1 is no longer believed: ...")
    assert "times and memory" not in line
