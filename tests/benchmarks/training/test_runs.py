"""What is kept of timed epochs."""

from benchmarks.training.runs import EpochTime


def test_the_least_epoch_counts_for_each_clock() -> None:
    time = EpochTime().least({"epoch_time_s": 2.0, "cpu_time_s": 1.0})
    time = time.least({"epoch_time_s": 1.5, "cpu_time_s": 1.2})
    assert (time.wall_s, time.cpu_s) == (1.5, 1.0)
