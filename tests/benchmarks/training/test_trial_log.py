"""Trials are kept in a file, and found again."""

from pathlib import Path

from benchmarks.training.trial_log import QualityRun, TrialLog

SMALL = (12, 4, 4, 2)


def test_the_log_gives_back_what_was_written_and_nothing_of_another_problem(tmp_path: Path) -> None:
    path = tmp_path / "runs" / "log.jsonl"
    run = QualityRun(key=SMALL, seed=1, nrmses=(0.2, 0.1), final_nrmse=0.09)
    TrialLog(path, "this").append(run)
    log = TrialLog(path, "this")
    assert log.find(SMALL, 1, 2) == run
    assert log.find(SMALL, 1, 6) is None
    assert log.find(SMALL, 2, 2) is None
    assert TrialLog(path, "other").find(SMALL, 1, 2) is None
