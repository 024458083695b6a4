"""Times of the grid's configurations are kept in a file."""

from benchmarks.search_real.grid import TimeLog
from benchmarks.search_real.truth import best_keys


def test_the_least_time_of_a_configuration_counts_and_is_kept(tmp_path):
    path = tmp_path / "folder" / "times.jsonl"
    log = TimeLog(path)
    log.append({(24, 24, 2, 1): 0.3, (24, 12, 2, 1): 0.25})
    log.append({(24, 24, 2, 1): 0.2})
    assert TimeLog(path).times_s == log.times_s == {(24, 24, 2, 1): 0.2, (24, 12, 2, 1): 0.25}
    assert best_keys(log.times_s) == {(24, 2, 1): (24, 24, 2, 1)}
