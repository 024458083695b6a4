"""Runs that an earlier version began: its journals had no format number. Kept as they were written."""

import json
import platform
import shutil
from importlib import metadata
from pathlib import Path

import pytest
import yaml

from trainables.telemetry.device import describe
from tuner.advisor.facts import Ended
from tuner.core.trial import TrialState
from tuner.report.html import write_report
from tuner.run import main
from tuner.runs.past_run import read_past_run

FORMAT_1 = Path(__file__).parent / "format_1"


def copied(name: str, folder: Path) -> Path:
    """A copy of a run as if it had run on this machine, but with other libraries and another tuner."""
    copy = Path(shutil.copytree(FORMAT_1 / name, folder / name))
    first, *rest = (copy / "journal.jsonl").read_text().splitlines(keepends=True)
    start = json.loads(first)
    assert "format" not in start
    provenance = start["provenance"]
    del provenance["stage_source"]  # of files that are no longer what they were
    provenance["device"] |= describe("cpu")
    own = {"python": platform.python_version(), "torch": metadata.version("torch")}
    provenance["versions"] |= own | {"numpy": "1.0.0", "distill-tuner": "0.0.1"}
    (copy / "journal.jsonl").write_text("".join([json.dumps(start) + "\n", *rest]))
    return copy


def test_an_ended_run_says_what_it_said_then():
    past, said = (
        read_past_run(FORMAT_1 / "ended"),
        json.loads((FORMAT_1 / "ended/result.json").read_text()),
    )
    conclusion = past.result.conclusion
    assert past.result.status == said["status"] == "recommended"
    assert conclusion.recommendation.estimate.config.as_dict() == said["recommended"]["config"]
    assert conclusion.certificate.verdict.value == said["certificate"]["verdict"]
    assert len(past.records) == said["num_trials"]
    assert past.facts.start.stage_source


def test_an_ended_run_is_reported_compared_and_exported(tmp_path, capsys):
    ended, killed = (Path(shutil.copytree(FORMAT_1 / name, tmp_path / name)) for name in ("ended", "killed"))
    assert write_report(read_past_run(ended))[0].read_text().startswith("<!doctype html>")
    assert main(["compare", str(ended), str(killed)]) == 0
    lines = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    assert "winner batch_size=24 micro_batch=24 num_taus=4 accum_steps=1 -" in lines
    pipeline = tmp_path / "pipeline.yaml"
    pipeline.write_text("training: {distill_num_taus: 5}\n")
    options = ("--create", "--force", "--into", str(pipeline))
    assert main(["export", str(ended), *options]) == 0
    recommended = json.loads((ended / "result.json").read_text())["recommended"]["config"]
    written = yaml.safe_load(pipeline.read_text())
    assert written["training"]["distill_num_taus"] == recommended["num_taus"]


@pytest.mark.timeout(400)
def test_a_killed_run_is_resumed_though_libraries_and_our_own_version_have_changed(tmp_path, call_on_ray):
    run = copied("killed", tmp_path)
    before = read_past_run(run)
    study = run / "study.yaml"
    text = study.read_text().replace("optuna: sqlite", "optuna: off")  # no measurement depends on either
    study.write_text(text.replace("trials: 10", "trials: 4"))
    complete = [record for record in before.records if record.state is TrialState.COMPLETE]
    assert len(complete) >= 3
    done = call_on_ray("--resume", run)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "versions have changed since its start: " in done.stdout
    assert "numpy: " in done.stdout
    assert "distill-tuner: " in done.stdout
    after = read_past_run(run)
    assert after.records[: len(complete)] == tuple(complete)
    assert after.end is not None
    assert after.events[: len(before.events)] == before.events
    lost = [heard.fact for heard in after.facts.heard if isinstance(heard.fact, Ended)]
    discarded = [fact.trial_id for fact in lost if fact.ending.state is TrialState.DISCARDED]
    assert discarded == [before.records[-1].trial_id]
