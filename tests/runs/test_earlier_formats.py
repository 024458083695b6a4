"""Runs that earlier versions began, kept as they were written.

Journals of format 1 had no format number, and neither their lines nor those of format 2 were sealed.
"""

import json
import re
import shutil
from pathlib import Path

import pytest
import yaml

from tests.journals import copy_as_if_of_here
from tuner.advisor.facts import Ended
from tuner.core.trial import TrialState
from tuner.report.html import write_report
from tuner.run import main
from tuner.runs.past_run import read_past_run

FORMATS = [1, 2]


@pytest.fixture(params=FORMATS)
def runs(request):
    """The folder with the runs of an earlier format."""
    folder = Path(__file__).parent / f"format_{request.param}"
    for name in ("ended", "killed"):
        start = json.loads((folder / name / "journal.jsonl").read_text().splitlines()[0])
        assert start.get("format", 1) == request.param
    return folder


def test_an_ended_run_says_what_it_said_then(runs):
    past, said = read_past_run(runs / "ended"), json.loads((runs / "ended/result.json").read_text())
    conclusion = past.result.conclusion
    assert past.result.status == said["status"] == "recommended"
    assert conclusion.recommendation.estimate.config.as_dict() == said["recommended"]["config"]
    assert conclusion.certificate.verdict.value == said["certificate"]["verdict"]
    assert len(past.records) == said["num_trials"]
    assert past.facts.start.stage_source


def test_an_ended_run_is_reported_compared_and_exported(runs, tmp_path, capsys):
    ended, killed = (Path(shutil.copytree(runs / name, tmp_path / name)) for name in ("ended", "killed"))
    assert write_report(read_past_run(ended))[0].read_text().startswith("<!doctype html>")
    assert main(["compare", str(ended), str(killed)]) == 0
    lines = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    recommended = json.loads((ended / "result.json").read_text())["recommended"]["config"]
    winner = " ".join(f"{name}={value}" for name, value in recommended.items())
    assert f"winner {winner} -" in lines
    pipeline = tmp_path / "pipeline.yaml"
    pipeline.write_text("training: {distill_num_taus: 5}\n")
    options = ("--create", "--force", "--into", str(pipeline))
    assert main(["export", str(ended), *options]) == 0
    written = yaml.safe_load(pipeline.read_text())
    assert written["training"]["distill_num_taus"] == recommended["num_taus"]


@pytest.mark.timeout(400)
def test_a_killed_run_is_resumed_though_libraries_and_our_own_version_have_changed(
    runs, tmp_path, call_on_ray
):
    run = copy_as_if_of_here(runs / "killed", tmp_path)
    before = read_past_run(run)
    study = run / "study.yaml"
    text = study.read_text().replace("optuna: sqlite", "optuna: off")  # no measurement depends on either
    study.write_text(re.sub(r"trials: \d+", "trials: 4", text))
    complete = [record for record in before.records if record.state is TrialState.COMPLETE]
    assert len(complete) >= 3
    done = call_on_ray("--resume", run)
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"changed after trial \d+: .* later decisions may differ", done.stdout)
    assert "numpy: " in done.stdout
    assert "distill-tuner: " in done.stdout
    after = read_past_run(run)
    assert [r for r in after.records if r.trial_id in {c.trial_id for c in complete}] == complete
    assert after.end is not None
    assert after.events[: len(before.events)] == before.events
    lost = [heard.fact for heard in after.facts.heard if isinstance(heard.fact, Ended)]
    discarded = [fact.trial_id for fact in lost if fact.ending.state is TrialState.DISCARDED]
    assert discarded == [r.trial_id for r in before.records if r.state is not TrialState.COMPLETE]
    lines = (run / "journal.jsonl").read_text().splitlines()
    assert [json.loads(line).get("n") for line in lines[len(before.events) :]] == list(
        range(len(before.events) + 1, len(lines) + 1)
    )
