"""`--warm-start` from the command line, simulated: an A100's NRMSE is kept on an H100."""

import csv
import json
from pathlib import Path

import pytest
import yaml

from tests.processes import call_tuner, write_study
from tests.replay import rebuild
from tests.studies import shipped
from tuner.core.config import TrialConfig
from tuner.runs.journal import read_journal
from tuner.spec import load_study, study_as_yaml


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """The outputs of an A100, of an H100 that starts cold, and of one that starts warm; and their folders.

    The shipped studies, without sinks.
    """
    folder = tmp_path_factory.mktemp("runs")
    for name in ("a100", "h100"):
        (folder / f"{name}.yaml").write_text(study_as_yaml(shipped(name)))
    found = {}
    for name, options in {
        "a100": ["--space", folder / "a100.yaml"],
        "cold": ["--space", folder / "h100.yaml"],
        "warm": ["--space", folder / "h100.yaml", "--warm-start", folder / "a100" / "last"],
    }.items():
        with pytest.MonkeyPatch.context() as patch:  # nobody looks at the report, half of the time
            patch.setattr("tuner.report.outputs.try_report", lambda *_: "")
            done = call_tuner(*options, "--simulate", "--runs-dir", folder / name)
        assert done.returncode == 0, done.stderr
        found[name] = done.stdout, (folder / name / "last").resolve()
    return found


def searched_s(folder: Path) -> float:
    """Training seconds of the search; a certificate costs the same whatever was known before."""
    rows = csv.DictReader((folder / "trials.csv").read_text().splitlines())
    return sum(float(row["time_s"]) for row in rows if row["purpose"] != "certify")


def test_it_costs_less_than_without_and_ends_in_a_certified_recommendation(runs):
    # One draw of the law; the saving itself is bounded over seven in tests/benchmarks/test_transfer.py.
    assert searched_s(runs["warm"][1]) < searched_s(runs["cold"][1])
    last = runs["warm"][1]
    recommended = json.loads((last / "result.json").read_text())["recommended"]
    advisor = rebuild(load_study(str(last / "study.yaml")), list(read_journal(last / "journal.jsonl")))
    assert TrialConfig.from_dict(recommended["config"]) in advisor.admitted
    assert any(r.is_full_budget and r.config.as_dict() == recommended["config"] for r in advisor.records)


def test_every_output_says_how_many_runs_were_taken_from_where(runs):
    printed, last = runs["warm"]
    source = runs["a100"][1]
    taken = json.loads((last / "result.json").read_text())["provenance"]["warm_start"]
    assert taken["run"] == source.name
    assert taken["device"] == "simulated NVIDIA A100 40GB"
    with_curve = {e["trial_id"] for e in read_journal(source / "journal.jsonl") if e["event"] == "observe"}
    assert 0 < taken["num_full"] <= taken["num_runs"] <= len(with_curve)
    assert yaml.safe_load((last / "recommended.yaml").read_text())["provenance"]["warm_start"] == taken
    num, full = taken["num_runs"], taken["num_full"]
    line = f"warm start: NRMSE of {num} runs, {full} at full budget, from {source.name}"
    assert f"simulated: {line}" in printed
    assert line in (last / "summary.txt").read_text()
    assert "warm_start" not in (runs["cold"][1] / "result.json").read_text()


def test_its_journal_alone_holds_what_was_taken_but_no_time_of_it(runs):
    start = next(iter(read_journal(runs["warm"][1] / "journal.jsonl")))
    assert start["prior"]["runs"]
    assert set(start["prior"]["runs"][0]) == {"source", "config", "seed", "curve"}


def test_a_simulated_run_never_starts_a_real_one(runs, tmp_path):
    done = call_tuner("--space", "h100", "--warm-start", runs["a100"][1], "--runs-dir", tmp_path / "runs")
    assert done.returncode == 2
    assert "that run is simulated; a real one cannot learn from it. Fix: name a real run." in done.stderr
    assert not list((tmp_path / "runs").glob("*"))


def test_another_problem_is_refused_by_name_and_leaves_no_run_folder(runs, tmp_path):
    options = ["--simulate", "--warm-start", runs["a100"][1], "--runs-dir", tmp_path / "runs"]
    done = call_tuner("--space", "cpu", *options)
    assert done.returncode == 2
    assert "stage option problem differs: auto there, burgers here" in done.stderr
    assert "Fix: leave out --warm-start" in done.stderr
    assert not (tmp_path / "runs").exists()


def test_another_stage_is_refused_by_name(runs, tmp_path):
    options = ["--simulate", "--warm-start", runs["a100"][1], "--runs-dir", tmp_path / "runs"]
    done = call_tuner("--space", write_study(tmp_path), *options)
    assert done.returncode == 2
    assert "stage.class differs: trainables.consistency.stage:ConsistencyStage there" in done.stderr


@pytest.mark.parametrize("options", [("--simulate",), ()])
def test_a_folder_that_is_no_run_is_one_message(tmp_path, options):
    folder = tmp_path / "elsewhere"
    done = call_tuner("--space", "cpu", "--warm-start", folder, "--runs-dir", tmp_path / "runs", *options)
    assert done.returncode == 2
    assert f"--warm-start {folder}: there is no journal.jsonl in it." in done.stderr
    assert "starting Ray" not in done.stdout


def test_a_plan_which_knows_no_earlier_run_refuses_the_option(tmp_path):
    done = call_tuner("--space", "cpu", "--plan", "--warm-start", tmp_path)
    assert done.returncode == 2
    assert "--warm-start has no meaning with --plan" in done.stderr
