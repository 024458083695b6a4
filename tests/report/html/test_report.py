"""The report of a run shows what its journal holds, and nothing from a run is read as HTML."""

import re
from dataclasses import replace

import pytest

from tests.studies import shipped
from tuner.core.trial import Purpose, TrialState
from tuner.report.certificate import certificate_dict
from tuner.report.files import result_dict, summary
from tuner.report.html import try_report, write_report
from tuner.report.html.figures.trials import curves, pareto
from tuner.report.html.figures.workers import budget, timeline
from tuner.report.html.page import page
from tuner.runs.past_run import PastRun
from tuner.simulate.session import run_simulated, simulated


def changed(past, first):
    other = type(past)(folder=past.folder, study=past.study, events=past.events)
    other.__dict__["records"] = (first, *past.records[1:])
    return other


def test_stopped_trials_are_hollow_and_projected_and_nothing_else_is(past):
    assert not any(series.mark == "hollow" for series in pareto(past).series)
    full = past.records[0]
    stopped = replace(full, measurements=full.measurements[:2], state=TrialState.STOPPED, reason="hopeless")
    [hollow] = [series for series in pareto(changed(past, stopped)).series if series.mark == "hollow"]
    assert hollow.x == (pytest.approx(stopped.time_s / 2 * full.num_epochs),)
    assert hollow.y == (full.measurements[1].nrmse,)


def test_the_budget_adds_up_to_what_the_workers_spent(past):
    spent = sum(series.x[0] for series in budget(past).series)
    assert spent == pytest.approx(sum(s.end_s - s.start_s for s in past.spans))


def test_a_stopped_trial_is_a_dotted_line_with_a_cross_at_its_end_and_its_reason_below(past):
    full = past.records[0]
    stopped = replace(full, measurements=full.measurements[:2], state=TrialState.STOPPED, reason="hopeless")
    figure = curves(changed(past, stopped))
    [dotted] = [series for series in figure.series if series.is_dashed]
    [cross] = [series for series in figure.series if series.mark == "cross"]
    assert dotted.y == (*(m.nrmse for m in stopped.measurements), None)
    assert (cross.x, cross.y) == ((2.0,), (stopped.nrmse,))
    assert any("hopeless" in note and stopped.trial_id in note for note in figure.notes)


def test_a_long_run_is_thinned_and_says_so_and_its_table_is_not(past):
    many = tuple(replace(past.records[0], trial_id=f"{k:05d}") for k in range(2000))
    other = type(past)(folder=past.folder, study=past.study, events=past.events)
    other.__dict__["records"] = many
    for figure, num in ((pareto(other), 800), (curves(other), 120)):
        assert any(f"{num:,} of 2,000" in note for note in figure.notes)
    text = page(other, ())
    assert all(f"<td>{record.trial_id}<td>" in text for record in many)


def test_joined_bars_of_a_long_timeline_cover_the_same_seconds(past, monkeypatch):
    apart = sum(len(series.x) for series in timeline(past).series)
    monkeypatch.setattr("tuner.report.html.figures.workers.MAX_SPANS", 3)
    figure = timeline(past)
    assert sum(len(series.x) for series in figure.series) < apart
    assert figure.notes
    seconds = sum(b - a for s in figure.series for a, b in zip(s.x[::3], s.x[1::3], strict=True))
    assert seconds == pytest.approx(sum(s.end_s - s.start_s for s in past.spans), rel=0.01)


def test_a_report_and_every_figure_are_written(past):
    assert [path.name for path in write_report(past)] == ["report.html"]
    assert not (past.folder / "figures").exists()
    paths = write_report(past, with_figures=True)
    assert paths[0].name == "report.html"
    assert len(paths) == 1 + 2 * 9
    assert all(path.stat().st_size > 1000 for path in paths)
    text = paths[0].read_text()
    assert "simulated: nothing below was measured" in text
    assert 'src="http' not in text


def test_nothing_of_a_simulated_run_looks_or_reads_as_if_it_were_certified(past):
    """The verdict would be green with these figures if they were measured."""
    measured = with_device(past, kind="cpu")
    assert '<strong class="good">certified</strong>' in page(measured, ())
    assert result_dict(measured.result)["certified"] is True
    text, told = page(past, ()), summary(past.result)
    assert '<strong class="open">simulated: would be certified</strong>' in text
    assert 'class="good"' not in text
    assert 'class="bad"' not in text
    assert "simulated: would be certified" in told
    assert "simulated: passed" in told
    for line in (told, text):
        assert not re.search(
            r"(?<!be )(?<!a )certified (on|</strong>)", line.replace("Certified", "certified")
        )
    result = result_dict(past.result)
    assert result["certified"] is False
    assert result["certificate"]["verdict"] == "simulated: would be certified"
    assert result["sentence"].startswith("Simulated, nothing was measured. ")


def with_device(past, **changes):
    """The same run as if it had been on another device."""
    first, *later = past.events
    device = first["provenance"]["device"] | changes
    start = first | {"provenance": first["provenance"] | {"device": device}}
    return PastRun(folder=past.folder, study=past.study, events=(start, *later))


def with_record(past, index, **last):
    """The same run, the last report of one of its records changed."""
    record = past.records[index]
    measured = (*record.measurements[:-1], replace(record.last, **last))
    other = PastRun(folder=past.folder, study=past.study, events=past.events)
    changed_record = replace(record, measurements=measured)
    other.__dict__["records"] = (*past.records[:index], changed_record, *past.records[index + 1 :])
    return other


def test_the_speed_up_that_is_shown_is_the_certificates_and_says_so(past):
    """A slow run of the search is among all runs, and not among the pairs."""
    winner = past.result.conclusion.certificate.config
    index = next(k for k, r in enumerate(past.records) if r.config == winner)
    past = with_record(past, index, time_s=1.3 * past.records[index].time_s)
    conclusion = past.result.conclusion
    ratio, low, high = conclusion.certificate.speedup
    num = conclusion.certificate.num_timed
    assert f"{ratio:.2f}x" != f"{conclusion.recommendation.speedup:.2f}x"  # else this test would show nothing
    text = page(past, ())
    assert f"<dt>speed-up</dt><dd>{ratio:.2f}x<small>[{low:.2f}, {high:.2f}]" in text
    assert f"{ratio:.2f}x [{low:.2f}, {high:.2f}] faster than the baseline on {num} fresh pairs" in text
    assert "speed-up, all runs" in text
    result = result_dict(past.result)
    assert result["speedup"] == result["speedup_paired"] == ratio
    assert result["speedup_basis"] == f"{num} fresh pairs"
    assert result["speedup_all_runs"] == conclusion.recommendation.speedup


def test_without_a_certificate_the_speed_up_is_that_of_all_runs(past):
    records = tuple(r for r in past.records if r.purpose is not Purpose.CERTIFY)
    bare = PastRun(folder=past.folder, study=past.study, events=past.events)
    bare.__dict__["records"] = records
    found = bare.result.conclusion
    assert found.speedup.ratio == found.recommendation.speedup
    num = len(found.recommendation.estimate.records)
    assert f"{found.speedup.ratio:.2f}x<small>over the baseline, means of 1 and {num} runs" in page(bare, ())
    assert result_dict(bare.result)["speedup_paired"] is None


def test_the_whole_run_is_not_called_the_search(past):
    num = sum(record.purpose is Purpose.CERTIFY for record in past.records)
    assert f"{len(past.records)} trials, {num} of them for the certificate" in page(past, ())
    assert "<dt>search</dt>" not in page(past, ())


def test_a_disturbed_pair_is_named_on_the_page_and_in_the_summary_with_what_disturbed_it(past):
    k = next(k for k, r in enumerate(past.records) if r.purpose is Purpose.CERTIFY)
    other = with_record(past, k, contended=True, contended_reason="2 <other> processes")
    text, seed = page(other, ()), past.records[k].seed
    assert f"<li>seed {seed}, baseline: 2 &lt;other&gt; processes</li>" in text
    assert "which count for NRMSE but not for time, so n differs" in text
    assert f"seed {seed}, baseline: 2 <other> processes\n" in summary(other.result)


def test_each_check_of_the_summary_names_its_test_level_and_n_as_certificate_json_does(past):
    certificate = past.result.conclusion.certificate
    lines = summary(past.result).splitlines()
    tested = [check for check in certificate_dict(certificate)["checks"] if check["test"]]
    assert {check["key"] for check in tested} >= {"time", "nrmse"}
    for check in tested:
        assert "level 0.04" in check["test"]
        [at] = [at for at, line in enumerate(lines) if line.startswith(f"{check['title']}  ")]
        assert lines[at + 1].strip() == check["test"]
    assert any(line.startswith("recommended: NRMSE changes by less than 1 %  ") for line in lines)


def test_a_start_that_meets_the_target_is_said_before_anything_else_and_in_the_certificate(past):
    assert "start" not in summary(past.result)
    assert past.result.conclusion.certificate.start is None
    met = with_record(past, 0, start_nrmse=0.0123)
    said = "The untrained start already meets the target (NRMSE 0.0123, where at most "
    text = summary(met.result)
    assert text.startswith(said)
    assert "The target does not ask" not in text  # one sentence
    assert f'<p id="verdict">{said}' in page(met, ())
    result = result_dict(met.result)
    assert result["sentence"].startswith(said)
    assert (result["start_nrmse"], result["start_meets_target"]) == (0.0123, True)
    assert "But mind: the untrained start already meets" in result["certificate"]["sentence"]
    assert "NRMSE did not fall from 0.0123 to " in text


def test_a_start_above_the_target_is_a_line_of_the_certificate_and_no_more(past):
    other = with_record(past, 0, start_nrmse=0.51)
    lines, before = summary(other.result).splitlines(), summary(past.result).splitlines()
    (line,) = set(lines) - set(before)
    assert re.match(r"Trained +simulated: passed +NRMSE fell from 0\.5100 to 0\.\d{4} *$", line)
    assert "NRMSE fell from 0.5100" in page(other, ())


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
        assert killed.result.conclusion.recommendation is None
        assert killed.result.admitted == {}


def test_a_failed_run_says_its_failure(past, tmp_path):
    failed = PastRun(folder=tmp_path, study=past.study, events=past.events[:9], failure="a <b>bad</b> disk")
    assert "The run failed (a &lt;b&gt;bad&lt;/b&gt; disk); so far: " in write_report(failed)[0].read_text()


def test_an_interrupted_run_says_by_what(past, tmp_path):
    end = past.events[-1] | {"interrupted_by": "SIGINT", "admitted": []}
    cut = PastRun(folder=tmp_path, study=past.study, events=(*past.events[:-1], end))
    assert "Interrupted by SIGINT; so far: " in write_report(cut)[0].read_text()
    assert cut.result.conclusion.recommendation is None


def test_an_infeasible_baseline_is_no_obstacle(past, tmp_path):
    lost = replace(
        past.records[0], measurements=(), state=TrialState.INFEASIBLE, reason="too big", constraint="memory"
    )
    kept = [r for r in past.records if r.purpose is not Purpose.BASELINE and r.config != lost.config]
    other = PastRun(folder=tmp_path, study=past.study, events=past.events)
    other.__dict__["records"] = (lost, *kept)
    assert "too big" in write_report(other)[0].read_text()


def test_a_simulation_says_why_there_is_no_report(tmp_path, monkeypatch):
    monkeypatch.setattr("tuner.report.outputs.try_report", lambda *_: "no report.html: full")
    said = []
    study = shipped("cpu.yaml")
    run_simulated(simulated(study), tmp_path, lambda *_: None, say=said.append)
    assert said == ["no report.html: full"]
