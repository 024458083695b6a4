"""The live view fits its terminal and shows what the run knows."""

import io
from dataclasses import replace

import pytest
from rich.console import Console

from tests.studies import make_record, make_study
from tuner.core.config import TrialConfig
from tuner.core.trial import Purpose, TrialState
from tuner.report.live import LiveView, bar, plot
from tuner.report.progress import best_text, budget_text, counts_text
from tuner.runs.past_run import read_past_run
from tuner.runs.progress import Progress
from tuner.simulate.session import run_simulated, simulated


@pytest.fixture(scope="module")
def past(tmp_path_factory):
    study = simulated(make_study(budget={"trials": 12, "hours": 1}, search={"sampler": "tpe"}))
    _, folder, _ = run_simulated(study, tmp_path_factory.mktemp("runs"), lambda *_: None)
    return read_past_run(folder)


@pytest.fixture(scope="module")
def midway(past):
    """The run when a trial was in the middle."""
    reports = [k for k, e in enumerate(past.events) if e["event"] == "observe" and e["trial_id"] == "0009"]
    number = reports[0]
    cut = replace(past, events=past.events[: number + 2])
    return Progress.of_past(cut, cut.elapsed_s)


def shown(progress, width=80, height=24, color_system=None):
    size = {"width": width, "height": height}
    console = Console(file=io.StringIO(), force_terminal=True, color_system=color_system, **size)
    console.print(LiveView(progress, "mine"))
    return console.file.getvalue().splitlines()


@pytest.mark.parametrize(("width", "height"), [(80, 24), (60, 15), (120, 50), (200, 60), (40, 10)])
def test_it_fits_its_terminal(midway, width, height):
    lines = shown(midway, width, height)
    assert len(lines) < height
    assert max(map(len, lines)) <= width
    assert "mine" in lines[0]


def test_at_80_by_24_everything_is_there(midway):
    text = "\n".join(shown(midway))
    assert best_text(midway) in text
    assert str(midway.best.config) in text
    assert counts_text(midway) in text
    assert budget_text(midway) in text
    assert f"budget [{'#' * round(midway.spent * 60)}." in text
    record = midway.running[0]
    assert f"{record.trial_id} {record.epoch}/6" in text
    assert "ETA" in text
    assert "B baseline  * best  o front  . other  - target" in text
    assert midway.recent[-1].trial_id in text


def test_a_larger_terminal_has_a_larger_plot(midway):
    heights = [sum("|" in line for line in shown(midway, 120, height)) for height in (24, 40)]
    assert heights[1] > heights[0] >= 5


def test_a_small_terminal_leaves_the_plot_out_and_keeps_the_best(midway):
    text = "\n".join(shown(midway, 70, 14))
    assert "B baseline" not in text
    assert best_text(midway) in text
    assert midway.running[0].trial_id in text


def test_the_plot_draws_the_best_left_of_and_no_higher_than_the_target():
    baseline = make_record("0001", curve=(0.09,), num_epochs=1, epoch_time_s=4, purpose=Purpose.BASELINE)
    fast = make_record("0002", config=_config(12), curve=(0.094,), num_epochs=1, epoch_time_s=1)
    bad = make_record("0003", config=_config(24), curve=(0.099,), num_epochs=1, epoch_time_s=2)
    progress = _progress(baseline, fast, bad)
    lines = [line.plain for line in plot(progress, 60, 10)]
    rows = {mark: next(k for k, line in enumerate(lines) if mark in line[8:]) for mark in "B*.-"}
    assert rows["."] < rows["-"] < rows["*"] < rows["B"]
    assert lines[rows["*"]].index("*") < lines[rows["B"]].index("B")
    assert lines[rows["-"]].lstrip().startswith("0.0950|---")


def _config(batch):
    return TrialConfig(batch_size=batch, micro_batch=batch, num_taus=2)


def _progress(*records, **changes):
    study = make_study()
    progress = Progress._of(study, records, 30.0, len(records), None)
    from tuner.core.recommend import best_measured

    return replace(progress, best=best_measured(records, study.goal), **changes)


def test_the_time_left_is_the_pace_so_far_less_what_passed_since():
    running = make_record("0001", curve=(0.2, 0.1), num_epochs=6, epoch_time_s=3.0, state=TrialState.RUNNING)
    progress = _progress(running, told_s={"0001": 30.0})
    assert progress.eta_s(running) == pytest.approx(12.0)
    assert progress.later(5).eta_s(running) == pytest.approx(7.0)
    assert progress.later(50).eta_s(running) == 0.0
    assert progress.eta_s(make_record(curve=(), state=TrialState.RUNNING)) is None


def test_stop_reasons_are_shown(midway):
    stopped = make_record("0050", state=TrialState.STOPPED, num_epochs=6, reason="too slow to win")
    text = "\n".join(shown(replace(midway, recent=(*midway.recent, stopped))))
    assert "0050 stopped    after epoch 2/6: too slow to win" in text


def test_the_last_stop_stays_in_sight_however_much_completed_since(midway):
    stopped = make_record("0001", state=TrialState.STOPPED, num_epochs=6, reason="too slow to win")
    text = "\n".join(shown(replace(midway, records=(stopped, *midway.records))))
    assert "too slow to win" in text
    assert midway.recent[-1].trial_id in text
    assert midway.recent[-3].trial_id not in text.split("ETA")[1]


def test_many_running_trials_are_counted_where_they_do_not_fit(midway):
    running = tuple(
        make_record(f"{n:04d}", curve=(0.1,), num_epochs=6, state=TrialState.RUNNING) for n in range(50, 58)
    )
    text = "\n".join(shown(replace(midway, running=running)))
    assert "running (6 more)" in text
    assert "0050" in text
    assert "0057" not in text


def test_before_the_first_trial_it_says_so():
    text = "\n".join(shown(_progress()))
    assert "nothing feasible yet" in text
    assert "no trial has run to its end yet" in text


def test_a_bar_is_full_at_one_and_empty_at_nothing():
    assert [bar(share, 4) for share in (0, 0.5, 1, 1.7)] == ["....", "##..", "####", "####"]


def test_a_run_read_from_its_journal_is_as_it_said(past):
    ended = Progress.of_past(past, past.elapsed_s)
    assert ended.running == ()
    assert ended.best.config == past.result.conclusion.recommendation.estimate.config
    assert ended.num_trials <= 12
    assert sum(ended.counts.values()) == len(past.records)


def test_without_colour_nothing_is_lost(midway):
    plain = "\n".join(shown(midway))
    coloured = "\n".join(shown(midway, color_system="truecolor"))
    assert "\x1b[" in coloured
    assert "\x1b[" not in plain
