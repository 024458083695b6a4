"""The live view: the same facts on a pipe and on a terminal."""

import io

import pytest
from rich.console import Console

from tests.advisor.laws import out_of_memory_above, run_study
from tests.studies import make_study
from tuner.advisor import Advisor
from tuner.report.live import LiveView
from tuner.report.progress import best_text, budget_text, counts_text, plain_line
from tuner.runs.progress import Progress


@pytest.fixture(scope="module")
def ended(tmp_path_factory):
    study = make_study(budget={"trials": 30, "hours": 10}, search={"sampler": "random"})
    path = tmp_path_factory.mktemp("run") / "journal.jsonl"
    advisor, _, clock = run_study(study, out_of_memory_above(40), path)
    return advisor, clock


@pytest.fixture(scope="module")
def progress(ended):
    advisor, clock = ended
    return Progress.of(advisor, clock.now_s)


def test_before_the_first_trial_nothing_is_claimed():
    line = plain_line(Progress.of(Advisor(make_study()), 0.0))
    assert line == (
        "0 done, 0 stopped, 0 running | nothing feasible yet | trial 0/12, 0:00 elapsed, 3:00 left"
    )


def test_a_run_beyond_its_budget_says_so_instead_of_that_nothing_is_left():
    late = Progress.of(Advisor(make_study()), 192.0)
    assert budget_text(late) == "trial 0/12, 3:12 elapsed, 0:12 over the budget"


def test_the_counts_add_up_to_all_trials(ended, progress):
    numbers = [int(part.split()[0]) for part in counts_text(progress).split(", ")]
    assert sum(numbers) == len(ended[0].records) > 30
    assert "infeasible" in counts_text(progress)


def test_a_terminal_shows_what_a_pipe_does_within_its_width(progress):
    for width in (80, 140):
        console = Console(file=io.StringIO(), width=width, force_terminal=True, color_system=None)
        console.print(LiveView(progress, "synthetic"))
        shown = console.file.getvalue()
        assert best_text(progress) in shown
        assert counts_text(progress) in shown
        assert budget_text(progress) in shown
        assert max(map(len, shown.splitlines())) <= width


def test_between_events_only_the_clock_moves(progress):
    later = progress.later(60.0)
    assert later.elapsed_s == progress.elapsed_s + 60
    assert later.best == progress.best
