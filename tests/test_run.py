"""The command line: mistakes answer at once in one message, and a run leaves what it promises."""

import csv
import json
import re
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

import pytest
import yaml

from tests.processes import (
    ROOT,
    TUNER,
    call_tuner,
    descendants,
    is_loopback,
    listening,
    wait_until,
    write_study,
)
from tests.replay import rebuild
from tests.studies import study_dict
from tuner.runs.journal import read_journal
from tuner.spec import load_study

HEAVY = ("ray", "torch", "optuna", "pydantic", "rich", "numpy", "yaml")


def test_importing_the_tuner_or_asking_for_help_loads_nothing_heavy():
    code = (
        "import sys, tuner, tuner.run, contextlib\n"
        "with contextlib.suppress(SystemExit): tuner.run.main(['--help'])\n"
        f"print('loaded:', [name for name in {HEAVY!r} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert "usage: python -m tuner.run" in done.stdout
    assert done.stdout.endswith("loaded: []\n")


def test_a_study_is_checked_without_loading_ray_torch_or_optuna():
    code = (
        "import sys, tuner.run\n"
        "assert tuner.run.main(['--list-spaces']) == 0\n"
        "assert tuner.run.main(['--space', 'a10.yaml']) == 2\n"
        "print('loaded:', [name for name in ('ray', 'torch', 'optuna') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.endswith("loaded: []\n")
    assert re.search(r"^a100 +\S", done.stdout, re.M)
    assert "a100" in done.stderr


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"sampler": "tpe"}, r"study\.yaml:\d+: .*'sampler'"),
        ({"target": "nrmse > 0.1"}, r"study\.yaml:\d+: .*cannot read the target"),
        ({"budget": {"trials": 0, "hours": 1}}, r"study\.yaml:\d+: .*trials"),
        ({"search": {"sampler": "bayes"}}, r"study\.yaml:\d+: .*'bayes'"),
        ({"scheduler": {"rule": "none", "options": {"margin": 1}}}, r"study\.yaml:\d+: .*margin"),
        ({"search": {"sampler": "tpe", "options": {"startup": 1}}}, r"study\.yaml:\d+: .*startup"),
    ],
)
def test_a_mistake_in_the_study_is_one_message_and_exit_code_2(tmp_path, changes, message):
    done = call_tuner("--space", write_study(tmp_path, **changes), "--runs-dir", tmp_path / "runs")
    assert done.returncode == 2
    assert re.search(message, done.stderr)
    assert done.stderr.startswith("error: ")
    assert "Fix: " in done.stderr
    assert "Traceback" not in done.stderr + done.stdout
    assert not (tmp_path / "runs").exists()


def test_a_folder_that_cannot_hold_runs_is_said_before_ray_starts(tmp_path):
    (tmp_path / "file").write_text("")
    done = call_tuner("--space", write_study(tmp_path), "--runs-dir", tmp_path / "file" / "runs")
    assert done.returncode == 2
    assert "--runs-dir" in done.stderr
    assert "starting Ray" not in done.stdout


@pytest.fixture(scope="module")
def watched(tmp_path_factory):
    """A run with the dashboard, what listened meanwhile, and what the dashboard answered."""
    folder = tmp_path_factory.mktemp("finished")
    # Trials of milliseconds scatter beside other tests; the sampler proposes much that is worth stopping.
    stage = study_dict()["stage"] | {"options": {"epoch_time_s": 0.1}}
    study = write_study(folder, stage=stage, search={"sampler": "random"})
    words = ["--space", study, "--runs-dir", folder / "runs", "--seed", "3", "--dashboard"]
    command, out, err = [*TUNER, *map(str, words)], folder / "out.txt", folder / "err.txt"
    with out.open("w") as out_file, err.open("w") as err_file:
        process = subprocess.Popen(command, cwd=ROOT, stdout=out_file, stderr=err_file)
        try:
            wait_until(lambda: "(token: " in out.read_text())
            shown = re.search(r"dashboard: (http://127\.0\.0\.1:\d+) \(token: (\w+)\)", out.read_text())
            assert shown is not None
            url, token = shown.groups()
            answers = [status_of(f"{url}/api/version", said) for said in (token, "wrong")]
            found = listening({process.pid, *descendants(process.pid)})
            process.wait(timeout=280)
        finally:
            process.kill()
            process.wait()
    done = subprocess.CompletedProcess(command, process.returncode, out.read_text(), err.read_text())
    return done, folder / "runs" / "last", url, answers, found


@pytest.fixture(scope="module")
def finished(watched):
    done, last, *_ = watched
    return done, last


def test_a_run_that_recommends_exits_with_0_and_prints_plain_lines(finished):
    done, last = finished
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f]", done.stdout)
    assert re.search(r"\d+ done, \d+ stopped, \d+ running \| best \d+\.\d+ s at NRMSE", done.stdout)
    assert re.search(r"trial 12/12, 0:\d\d elapsed, \d:\d\d left", done.stdout)
    # One run of the baseline, and up to two more where others disturbed it.
    rows = csv.DictReader((last / "trials.csv").read_text().splitlines())
    disturbed = [row["contended"] == "True" for row in rows if row["purpose"] == "baseline"]
    seeds = "[1-3]" if any(disturbed) else "1"
    baseline = rf"^baseline +6 +3 +5 +1 +{seeds} +\d+\.\d+ +0\.0900 +\S+ +1\.00x$"
    assert re.search(baseline, done.stdout, re.M)
    assert re.search(r"^guide's row +12 +4 +4 +2 ", done.stdout, re.M)
    assert "evidence, no certificate" in done.stdout


def test_every_path_it_prints_exists(finished):
    done, _ = finished
    listing = done.stdout.rsplit("\n\n", 1)[1]
    paths = [Path(line.strip()) for line in listing.splitlines()]
    names = {path.name for path in paths}
    assert {"journal.jsonl", "trials.csv", "recommended.yaml", "result.json"} <= names
    assert {"summary.txt", "study.yaml"} <= names
    assert all((ROOT / path).exists() for path in paths)


def test_the_result_for_programs_holds_what_was_measured(finished):
    _, last = finished
    result = json.loads((last / "result.json").read_text())
    assert result["status"] == "recommended"
    assert result["target"] == "nrmse < 0.095"
    assert result["num_trials"] >= 12
    assert result["provenance"]["seed"] == 3
    baseline, best = result["baseline"], result["recommended"]
    assert baseline["config"] == {"batch_size": 6, "micro_batch": 3, "num_taus": 5, "accum_steps": 1}
    for row in (baseline, best):
        assert row["state"] == "complete"
        assert row["num_epochs"] == 6
        assert row["peak_memory_gib"] > 0
    assert best["nrmse"] < 0.095
    assert result["speedup"] == pytest.approx(baseline["time_s"] / best["time_s"])
    assert result["speedup"] > 1
    assert result["device"]


def test_the_recommendation_is_pasteable_under_the_guides_own_keys(finished):
    _, last = finished
    recommended = yaml.safe_load((last / "recommended.yaml").read_text())
    best = json.loads((last / "result.json").read_text())["recommended"]
    assert recommended["batch_size"] == best["config"]["batch_size"]
    assert recommended["distill_micro_batch"] == best["config"]["micro_batch"]
    assert recommended["distill_num_taus"] == best["config"]["num_taus"]
    assert recommended["accum_steps"] == best["config"]["accum_steps"]
    provenance = recommended["provenance"]
    assert provenance["device"]["name"]
    assert provenance["study_hash"] == load_study(str(last / "study.yaml")).study_hash()
    assert provenance["versions"]["ray"].startswith("2.60")


def test_the_csv_tells_censored_trials_apart(finished):
    _, last = finished
    with (last / "trials.csv").open() as file:
        rows = list(csv.DictReader(file))
    num_trials = json.loads((last / "result.json").read_text())["num_trials"]
    assert [row["trial_id"] for row in rows] == [f"{n:04d}" for n in range(1, num_trials + 1)]
    assert len({tuple(row[name] for name in ("batch_size", "micro_batch", "num_taus")) for row in rows}) > 6
    assert {row["censored"] for row in rows if row["state"] == "stopped"} == {"True"}
    assert {row["censored"] for row in rows if row["state"] == "complete"} == {"False"}


def test_result_and_summary_can_be_rebuilt_from_the_journal_alone(finished):
    _, last = finished
    events = list(read_journal(last / "journal.jsonl"))
    assert events[0]["event"] == "start"
    study = load_study(str(last / "study.yaml"))
    assert events[0]["study"] == study.as_dict()
    rebuilt = rebuild(study, events).recommend()
    result = json.loads((last / "result.json").read_text())
    assert rebuilt is not None
    assert rebuilt.estimate.config.as_dict() == result["recommended"]["config"]
    assert rebuilt.speedup == result["speedup"]
    assert (events[-1]["event"], events[-1]["status"]) == ("end", "recommended")
    assert events[-1]["finish_reason"] == result["finish_reason"]
    assert result["recommended"]["config"] in [config for config, _ in events[-1]["admitted"]]


@pytest.fixture(scope="module")
def missed(tmp_path_factory, call_on_ray):
    """A run for other hardware, and its folder; no configuration meets its target, however disturbed."""
    folder = tmp_path_factory.mktemp("missed")
    few = {"trials": 4, "hours": 1}
    path = write_study(folder, hardware="a100_40gb", target="nrmse < 0.01", budget=few)
    return call_on_ray("--space", path, "--runs-dir", folder / "runs"), folder / "runs/last"


def test_a_target_nobody_meets_recommends_nothing_and_exits_with_1(missed):
    done, last = missed
    assert done.returncode == 1, done.stderr
    assert "no configuration met nrmse < 0.01; the nearest miss is batch_size=" in done.stdout
    result = json.loads((last / "result.json").read_text())
    assert (result["status"], result["recommended"]) == ("target_not_met", None)
    assert result["nearest_miss"]["nrmse"] == min(
        float(row["nrmse"])
        for row in csv.DictReader((last / "trials.csv").read_text().splitlines())
        if row["state"] == "complete"
    )
    assert not (last / "recommended.yaml").exists()


def test_another_device_is_said_in_a_banner_and_in_every_output(missed):
    done, last = missed
    assert done.returncode == 1, done.stderr
    assert "*** Not the hardware of this study: " in done.stdout
    assert "A100" in done.stdout
    result = json.loads((last / "result.json").read_text())
    assert result["device"] in (last / "summary.txt").read_text()
    assert "A100" in result["provenance"]["hardware_mismatch"]
    assert "not the study's hardware" in (last / "summary.txt").read_text()
    assert result["device"] in (last / "trials.csv").read_text()


def test_required_hardware_that_is_not_there_is_exit_code_2_and_no_run(tmp_path, call_on_ray):
    path = write_study(tmp_path, hardware="a100_40gb")
    done = call_on_ray("--space", path, "--runs-dir", tmp_path / "runs", "--require-hardware")
    assert done.returncode == 2
    assert "A100" in done.stderr
    assert "leave out --require-hardware" in done.stderr
    assert list((tmp_path / "runs").iterdir()) == []


def test_a_stage_that_cannot_be_prepared_is_one_message(tmp_path, call_on_ray):
    stage = study_dict()["stage"] | {
        "class": "tests.ray_adapter.broken:Unprepared",
        "options": {"techer_steps": 3},
    }
    done = call_on_ray("--space", write_study(tmp_path, stage=stage), "--runs-dir", tmp_path / "runs")
    assert done.returncode == 2
    assert "techer_steps" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_dashboard_answers_and_its_token_is_shown(watched):
    *_, url, answers, found = watched
    assert answers[0] == 200
    assert answers[1] in (401, 403)
    assert any(url.endswith(address) for address in found), "the dashboard is among them"
    assert {address: owner for address, owner in found.items() if not is_loopback(address)} == {}


def status_of(url: str, token: str) -> int:
    request = urllib.request.Request(url, headers={"Authorization": f"Bearer {token}"})  # noqa: S310
    try:
        with urllib.request.urlopen(request, timeout=10) as reply:  # noqa: S310  # our own loopback
            return reply.status
    except urllib.error.HTTPError as error:
        return error.code
