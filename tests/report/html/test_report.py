"""The report of a run shows what its journal holds, and nothing from a run is read as HTML."""

from dataclasses import replace

import pytest

from tuner.core.trial import Purpose, TrialState
from tuner.report.html import try_report, write_report
from tuner.report.html.figures import budget, pareto
from tuner.report.html.page import page
from tuner.report.past import PastRun, read_past_run
from tuner.simulate.session import run_simulated, simulated
from tuner.spec import load_study


@pytest.fixture(scope="module")
def past(tmp_path_factory):
    study = simulated(load_study("cpu.yaml"))
    return read_past_run(run_simulated(study, tmp_path_factory.mktemp("runs"), lambda *_: None)[1])


def changed(past, first):
    other = type(past)(folder=past.folder, study=past.study, events=past.events)
    other.__dict__["records"] = (first, *past.records[1:])
    return other


def test_stopped_trials_are_hollow_and_projected_and_nothing_else_is(past):
    assert not any(series.is_hollow for series in pareto(past).series)
    full = past.records[0]
    stopped = replace(full, measurements=full.measurements[:2], state=TrialState.STOPPED, reason="hopeless")
    [hollow] = [series for series in pareto(changed(past, stopped)).series if series.is_hollow]
    assert hollow.x == (pytest.approx(stopped.time_s / 2 * full.num_epochs),)
    assert hollow.y == (full.measurements[1].nrmse,)


def test_the_budget_adds_up_to_what_the_workers_spent(past):
    assert sum(budget(past).series[0].y) == pytest.approx(sum(s.end_s - s.start_s for s in past.spans))


def test_a_report_and_every_figure_are_written(past):
    paths = write_report(past)
    assert paths[0].name == "report.html"
    assert len(paths) == 11
    assert all(path.stat().st_size > 1000 for path in paths)
    text = paths[0].read_text()
    assert "simulated: nothing below was measured" in text
    assert 'src="http' not in text


def test_html_in_a_reason_is_escaped(past):
    nasty = replace(past.records[0], reason="<img src=x onerror=alert(1)>")
    text = page(changed(past, nasty), ())
    assert "<img src=x onerror" not in text
    assert "&lt;img src=x onerror" in text


def test_a_report_that_fails_to_build_is_one_line_and_raises_nothing(tmp_path):
    said = try_report(tmp_path)
    assert said.startswith("no report.html was written")
    assert "\n" not in said


def test_a_run_without_an_end_recommends_nothing_and_asks_no_advisor(past, tmp_path):
    """Killed at any moment, or running: the report stands on the records alone."""
    for kept in (1, 2, len(past.events) // 2, len(past.events) - 1):
        killed = PastRun(folder=tmp_path, study=past.study, events=past.events[:kept])
        text = write_report(killed)[0].read_text()
        assert "This run has not ended; so far: " in text
        assert killed.told.conclusion.recommendation is None
        assert "result" not in killed.__dict__


def test_a_failed_run_says_its_failure(past, tmp_path):
    failed = PastRun(folder=tmp_path, study=past.study, events=past.events[:9], failure="a <b>bad</b> disk")
    assert "The run failed (a &lt;b&gt;bad&lt;/b&gt; disk); so far: " in write_report(failed)[0].read_text()


def test_an_interrupted_run_says_by_what(past, tmp_path):
    end = past.events[-1] | {"interrupted_by": "SIGINT", "certified": []}
    cut = PastRun(folder=tmp_path, study=past.study, events=(*past.events[:-1], end))
    assert "Interrupted by SIGINT; so far: " in write_report(cut)[0].read_text()
    assert cut.told.conclusion.recommendation is None


def test_an_infeasible_baseline_is_no_obstacle(past, tmp_path):
    lost = replace(
        past.records[0], measurements=(), state=TrialState.INFEASIBLE, reason="too big", constraint="memory"
    )
    kept = [r for r in past.records if r.purpose is not Purpose.BASELINE and r.config != lost.config]
    other = PastRun(folder=tmp_path, study=past.study, events=past.events)
    other.__dict__["records"] = (lost, *kept)
    assert "too big" in write_report(other)[0].read_text()


def test_a_simulation_says_why_there_is_no_report(tmp_path, monkeypatch):
    monkeypatch.setattr("tuner.simulate.session.try_report", lambda *_: "no report.html: full")
    said = []
    run_simulated(simulated(load_study("cpu.yaml")), tmp_path, lambda *_: None, say=said.append)
    assert said == ["no report.html: full"]
