"""`--simulate` and `--plan`: a whole study in virtual time, called simulated wherever it shows."""

import json
import re
import subprocess
import sys

import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from tests.processes import ROOT, call_tuner
from tests.replay import rebuild
from tests.studies import make_study, shipped
from tuner.core.config import TrialConfig
from tuner.run import main
from tuner.runs.journal import read_journal
from tuner.simulate.instance import Instance
from tuner.simulate.plan import plan
from tuner.simulate.session import run_simulated, simulated
from tuner.spec import load_study, study_as_yaml

BUNDLED_STAGE = {
    "class": "trainables.consistency.stage:ConsistencyStage",
    "options": {},
    "num_epochs": 6,
    "num_samples": 2000,
}


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("simulated")
    done = call_tuner("--space", "a100.yaml", "--simulate", "--trials", "10", "--runs-dir", folder)
    return done, folder / "last"


def test_a_simulated_study_recommends_and_exits_with_0(finished):
    done, last = finished
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    result = json.loads((last / "result.json").read_text())
    assert result["status"] == "recommended"
    assert 30 * 60 < result["baseline"]["time_s"] < 40 * 60
    assert result["speedup"] > 1


def test_it_recommends_what_the_advisor_certified_and_only_that(finished):
    """It is not the fastest one whose few runs happened to meet the target."""
    _, last = finished
    recommended = json.loads((last / "result.json").read_text())["recommended"]["config"]
    study = load_study(str(last / "study.yaml"))
    events = list(read_journal(last / "journal.jsonl"))
    certified = rebuild(study, events).admitted
    assert TrialConfig.from_dict(recommended) in certified


def test_everything_it_prints_and_writes_says_simulated(finished):
    done, last = finished
    head, table, _ = re.split(r"\n\n(?=study )|\n\n(?=  )", done.stdout, maxsplit=2)[0:3]
    assert all(line.startswith("simulated: ") for line in head.strip().splitlines())
    assert "a100-simulated" in table
    assert "simulated NVIDIA A100 40GB" in done.stdout
    assert "-simulated-" in last.resolve().name
    files = {path.name for path in last.iterdir()}
    assert {
        "journal.jsonl",
        "study.yaml",
        "summary.txt",
        "result.json",
        "trials.csv",
        "recommended.yaml",
    } <= files
    assert main(["report", str(last), "--figures"]) == 0
    files = [path for path in last.rglob("*") if path.is_file() and path.suffix != ".png"]
    assert {"pareto.svg", "optuna.sqlite3", "trials.parquet"} <= {path.name for path in files}
    assert any(path.parent.parent.name == "tensorboard" for path in files)
    assert all(b"simulated" in path.read_bytes() for path in files)  # binary ones hold text as it is


def test_its_folder_is_that_of_a_real_run(finished):
    _, last = finished
    events = list(read_journal(last / "journal.jsonl"))
    assert events[0]["event"] == "start"
    assert events[0]["provenance"]["device"]["kind"] == "simulated"
    assert events[-1]["event"] == "end"
    assert load_study(str(last / "study.yaml")).name == "a100-simulated"


def test_neither_simulating_nor_planning_imports_ray_or_torch_and_a_plan_leaves_no_run_folder(tmp_path):
    study = shipped("cpu")
    (tmp_path / "study.yaml").write_text(study_as_yaml(study))
    (tmp_path / "empty").mkdir()
    code = (
        "import os, sys, tuner.run\n"
        "assert tuner.run.main(['--space', '../study.yaml', '--plan']) == 0\n"
        "print('left:', os.listdir())\n"
        "words = ['--space', '../study.yaml', '--simulate', '--trials', '3', '--runs-dir', 'runs']\n"
        "assert tuner.run.main(words) == 0\n"
        "print('loaded:', [name for name in ('ray', 'torch') if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True, text=True, check=True, cwd=tmp_path / "empty",
        env={"PYTHONPATH": str(ROOT), "PATH": "", "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    planned, _, simulated = done.stdout.partition("left: []\n")
    assert "core-hours" in planned
    assert simulated.endswith("loaded: []\n")


def test_a_plan_counts_points_and_says_what_excludes_others_and_what_it_would_cost():
    done = call_tuner("--space", "a100.yaml", "--plan")
    assert done.returncode == 0, done.stderr
    text = done.stdout
    study = load_study("a100.yaml")
    assert f"{len(study.lattice):,} of {study.lattice.num_raw:,} points are legal" in text
    for rule, number in study.lattice.excluded.items():
        assert f"`{rule}` excludes {number:,}" in text
    assert "simulated; nothing has run" in text
    assert re.search(r"predicted not to fit into 40 GiB", text)
    assert re.search(r"baseline: 35\.0 min, 1\.00x, 20\.8 GiB", text)
    assert re.search(r"took \d+ trials: [\d.]+ GPU-hours, [\d.]+ kWh", text)
    assert re.search(r"80% of the board's 400 W is supposed", text)


def test_a_study_with_further_parameters_is_planned_and_says_that_they_change_nothing():
    study = make_study(
        hardware="rtx4090",
        stage=BUNDLED_STAGE,
        parameters={
            "batch_size": {"values": [6, 12, 24]},
            "micro_batch": {"low": 1, "high": 24},
            "num_taus": {"low": 2, "high": 6},
            "lr": {"type": "float", "low": 1e-4, "high": 1e-2, "log": True},
            "precision": {"type": "categorical", "values": ["fp32", "bf16"]},
        },
        baseline={"batch_size": 6, "micro_batch": 3, "num_taus": 5, "lr": 1e-3, "precision": "fp32"},
        guide=None,
        budget={"trials": 5, "hours": 20},
    )
    text = plan(study)
    assert "Supposed to change nothing: lr, precision." in text
    assert "180 of 720 points are legal" in text


def test_a_plan_of_a_stage_that_is_not_the_bundled_one_predicts_no_seconds():
    study = make_study(
        hardware="rtx4090",
        stage={"class": "trainables.command:CommandStage", "num_epochs": 3, "num_samples": 2000,
               "options": {"command": ["true", "{batch_size}{micro_batch}{num_taus}{accum_steps}"]}},
        budget={"trials": 5, "hours": 2},
    )  # fmt: skip
    text = plan(study)
    assert f"{len(study.lattice):,} of {study.lattice.num_raw:,} points are legal" in text
    assert "baseline: 333 batches, 3,330 forward passes, 9,990 rows (" in text
    assert "guide's row: 167 batches, 2,004 forward passes (-40 %), 8,016 rows (" in text
    assert "unknown until the baseline has run" in text
    assert "at the latest: 2 GPU-hours, 0.72 kWh a worker" in text
    assert not re.search(r"[\d.]+ (s|min|GiB)\b", text)
    assert "supposed:" not in text
    assert "simulat" not in text


@pytest.mark.parametrize(
    ("options", "named"),
    [
        (["--simulate", "--address", "x:1"], "--address"),
        (["--simulate", "--dashboard"], "--dashboard"),
        (["--plan", "--require-hardware"], "--require-hardware"),
        (["--plan", "--simulate"], "--simulate"),
        (["--plan", "--runs-dir", "x"], "--runs-dir"),
    ],
)
def test_an_option_that_only_a_real_run_could_follow_is_refused(options, named):
    done = call_tuner("--space", "cpu", *options)
    assert done.returncode == 2
    assert (
        f"error: {named} has no meaning with {options[0] if options[0] != named else options[1]}"
        in done.stderr
    )


def test_a_search_and_a_plan_compute_on_one_thread_and_give_the_others_back(tmp_path, monkeypatch):
    """They are for the trials; linear algebra would take them all."""
    seen: list[set[int]] = []
    play = Instance.play

    def watched(*args, **options):
        seen.append(blas_threads())
        return play(*args, **options)

    monkeypatch.setattr(Instance, "play", watched)
    study = simulated(make_study(budget={"trials": 2, "hours": 1}))
    with threadpool_limits(2, user_api="blas"):
        run_simulated(study, tmp_path, lambda *_: seen.append(blas_threads()))
        plan(study)
        assert blas_threads() == {2}
    assert len(seen) > 2
    assert all(threads == {1} for threads in seen)


def blas_threads() -> set[int]:
    return {library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"}
