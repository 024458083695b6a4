"""An unforeseen error ends a run in one message and loses nothing; once mended, the run continues."""

import json
import re
from pathlib import Path

import pytest

from tests.importing import make_importable
from tests.processes import call_tuner, write_study
from tests.ray_adapter.brittle import ERRORS
from tuner.core.trial import TrialState
from tuner.run import main
from tuner.runs.journal import read_journal
from tuner.runs.past_run import read_past_run


@pytest.fixture
def script_study(tmp_path):
    """A study of a script whose larger micro-batches are much faster; the rule beside it has a bug."""
    (tmp_path / "train.py").write_text(
        "import json, sys, time\n"
        "from law import seconds\n"
        "for epoch in (1, 2):\n"
        "    time.sleep(seconds(int(sys.argv[1])))\n"
        "    print(json.dumps({'nrmse': 0.08 + 0.01 / epoch}), flush=True)\n"
    )
    (tmp_path / "law.py").write_text("def seconds(micro_batch):\n    return 1.2 / micro_batch\n")
    (tmp_path / "my_rules.py").write_text(
        "from tuner.scheduling import Continue\n"
        "class Brittle:\n"
        "    def decide(self, trial, evidence):\n"
        "        return Continue() if trial.trial_id < '0003' else 1 / 0\n"
    )
    options = {"command": ["{python}", str(tmp_path / "train.py"), "{micro_batch}", "{batch_size}"]}
    return write_study(
        tmp_path,
        stage={
            "class": "trainables.command.stage:CommandStage",
            "options": options,
            "num_epochs": 2,
            "num_samples": 240,
        },
        parameters={
            "batch_size": {"values": [6, 12, 24]},
            "micro_batch": {"values": [3, 12, 24]},
            "num_taus": {"values": [5]},
        },
        baseline={"batch_size": 6, "micro_batch": 3, "num_taus": 5},
        guide=None,
        budget={"trials": 5, "hours": 1},
        search={"sampler": "random"},
        scheduler={"rule": "my_rules:Brittle"},
    )


def test_a_bug_in_mid_run_is_one_message_and_exit_code_2_and_once_mended_the_run_goes_on(
    script_study, tmp_path, monkeypatch, call_on_ray
):
    """The run does not continue while a file that the script imports differs from the run's beginning."""
    make_importable(monkeypatch, tmp_path, "my_rules")
    done = call_on_ray("--space", script_study, "--runs-dir", tmp_path / "runs")
    last = (tmp_path / "runs/last").resolve()
    assert done.returncode == 2, done.stdout
    (message,) = done.stderr.splitlines()
    assert message.startswith("error: ZeroDivisionError: division by zero (my_rules.py, line 4). ")
    assert "This is a bug, in distill-tuner or in a plug-in" in message
    assert f"Its traceback is in {last}/errors/driver.txt. Fix: " in message
    assert f"`--resume {last}`" in message
    assert "Traceback" not in done.stdout
    trace = (last / "errors/driver.txt").read_text()
    assert "my_rules.py" in trace
    assert trace.rstrip().endswith("ZeroDivisionError: division by zero")

    result = json.loads((last / "result.json").read_text())
    assert result["status"] == "failed"
    assert result["num_trials"] >= 3
    assert result["baseline"]["state"] == "complete"
    assert "The run failed (ZeroDivisionError" in (last / "summary.txt").read_text()
    assert len((last / "trials.csv").read_text().splitlines()) == 1 + result["num_trials"]
    assert (last / "report.html").is_file()
    assert "end" not in [event["event"] for event in read_journal(last / "journal.jsonl")]
    assert call_tuner("status", last).stdout.splitlines()[1].startswith("failed: ")

    finished = [r for r in read_past_run(last).records if r.state is TrialState.COMPLETE]
    rules = (tmp_path / "my_rules.py").read_text()
    (tmp_path / "my_rules.py").write_text(rules.replace(" / 0", " and Continue()"))
    law = (tmp_path / "law.py").read_text()
    (tmp_path / "law.py").write_text(law.replace("1.2", "0.6"))
    before = (last / "journal.jsonl").read_bytes()
    refused = call_on_ray("--resume", last)
    assert refused.returncode == 2
    assert re.search(r"since it began: stage source law\.py: \w{8} -> \w{8}\. Fix: ", refused.stderr)
    assert (last / "journal.jsonl").read_bytes() == before

    (tmp_path / "law.py").write_text(law)
    make_importable(monkeypatch, tmp_path, "my_rules")
    resumed = call_on_ray("--resume", last)
    assert resumed.returncode == 0, resumed.stdout + resumed.stderr
    past = read_past_run(last)
    assert past.records[: len(finished)] == tuple(finished)
    assert past.result.status == "recommended"
    assert set(past.facts.start.stage_source) == {"law.py", "train.py"}


@pytest.mark.parametrize("raises", ERRORS)
def test_a_simulated_run_that_ends_so_leaves_the_same_whatever_was_raised(raises, tmp_path, capsys):
    """Only a signal is an interruption: what a plug-in raises is a failure."""
    path = write_study(
        tmp_path,
        scheduler={"rule": "tests.ray_adapter.brittle:Brittle", "options": {"raises": raises}},
        search={"sampler": "random"},
    )
    assert main(["--space", str(path), "--simulate", "--runs-dir", str(tmp_path), "--quiet"]) == 2
    (message,) = capsys.readouterr().err.splitlines()
    assert message.startswith(f"error: {raises}: division by zero (brittle.py, line ")
    assert "end" not in [event["event"] for event in read_journal(tmp_path / "last/journal.jsonl")]
    assert f"Its traceback is in {(tmp_path / 'last').resolve()}/errors/driver.txt" in message
    assert json.loads((tmp_path / "last/result.json").read_text())["status"] == "failed"


@pytest.mark.parametrize(
    ("made", "said"),
    [("raise", "ZeroDivisionError: division by zero (brittle.py"), ("exit", "SystemExit: 0 (brittle.py")],
)
def test_a_bug_before_there_is_a_run_folder_is_one_message_too(made, said, tmp_path, capsys):
    """The traceback is then in the temporary folder, readable for its owner only."""
    rule = {"rule": "tests.ray_adapter.brittle:Brittle", "options": {"made": made}}
    assert main(["--space", str(write_study(tmp_path, scheduler=rule)), "--runs-dir", str(tmp_path)]) == 2
    output = capsys.readouterr()
    (message,) = output.err.splitlines()
    assert message.startswith(f"error: {said}")
    kept = Path(re.search(r"Its traceback is in (\S+)\. Fix: ", message)[1])
    assert kept.stat().st_mode & 0o777 == 0o600
    assert "brittle.py" in kept.read_text()
    kept.unlink()
    assert not (tmp_path / "last").exists()
