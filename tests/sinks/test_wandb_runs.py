"""W&B offline: one run a trial, whose files say what the report says and can be synced later."""

import os
import signal
import socket
import subprocess
import sys
from dataclasses import replace

import pytest

from tests.processes import ROOT
from tests.sinks.cases import FAST, PROVENANCE, a_result, play, records
from tests.sinks.wandb_file import read_wandb
from tests.studies import make_record, make_study
from tuner.core.trial import TrialState
from tuner.report.conclusion import sentence
from tuner.sinks import wandb_runs
from tuner.sinks.wandb_runs import WandbRuns

KILLED = """
import os, pathlib, signal, sys
from tests.sinks.cases import PROVENANCE, records
from tests.studies import make_record, make_study
from tuner.core.trial import TrialState
from tuner.sinks.wandb_runs import WandbRuns
sink = WandbRuns("offline", "p")
sink.start(make_study(), PROVENANCE, pathlib.Path(sys.argv[1]))
sink.show(records()[0])
sink.show(make_record("0002", config=records()[1].config, curve=[0.1], state=TrialState.RUNNING))
os.kill(os.getpid(), signal.SIGKILL)
"""


def read_all(folder):
    found = [read_wandb(path) for path in sorted((folder / "wandb").glob("offline-run-*/*.wandb"))]
    return {run["name"]: run for run in found}


@pytest.fixture(scope="module")
def played(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wandb") / "mine-20260101-000000"
    folder.mkdir()
    for name in ("report.html", "result.json", "certificate.json", "trials.parquet"):
        (folder / name).write_text("made before the sinks are finished")
    result = play(WandbRuns("offline", "my-project"), folder)
    return result, folder, read_all(folder)


def test_there_is_one_run_a_trial_grouped_by_the_run_and_one_that_closes(played):
    _, _, runs = played
    assert set(runs) == {*(record.trial_id for record in records()), "report"}
    assert {run["group"] for run in runs.values()} == {"mine-20260101-000000"}
    assert {run["project"] for run in runs.values()} == {"my-project"}
    assert {runs[name]["job_type"] for name in ("0001", "0002", "0007")} == {
        "baseline",
        "search",
        "replicate",
    }


def test_a_run_has_config_curves_summary_and_tags(played):
    _, _, runs = played
    run = runs["0002"]
    assert run["config"].items() >= (FAST.as_dict() | {"seed": 0}).items()
    curve = [(step["_step"], step["epoch/nrmse"], step["epoch/time_s"]) for step in run["history"]]
    assert curve == [(1, 0.1, 0.5), (2, 0.094, 1.0)]
    assert run["summary"].items() >= {"time_s": 1.0, "nrmse": 0.094, "peak_memory_gib": 0.25}.items()
    assert run["summary"]["misses"] == []
    assert runs["0003"]["summary"]["misses"] == ["nrmse < 0.095"]
    assert run["tags"] == ["complete", "search"]
    assert run["exit_code"] == 0


def test_what_the_machine_did_is_apart_from_the_curves(played):
    _, _, runs = played
    assert {"device/load_average", "device/cpu_time_s"} <= set(runs["0002"]["history"][0])


def test_a_stopped_trial_has_no_final_time_but_its_projection(played):
    _, _, runs = played
    summary = runs["0004"]["summary"]
    assert not {"time_s", "nrmse"} & set(summary)
    assert summary["projected_time_s"] == 2.0
    assert (summary["censored"], summary["reason"]) == (True, "too slow")
    assert runs["0004"]["exit_code"] == 0


def test_what_failed_or_never_ended_is_a_failed_run_and_says_why(played):
    _, _, runs = played
    assert runs["0005"]["tags"] == ["infeasible", "search", "memory"]
    assert runs["0006"]["summary"]["reason"] == "the worker died"
    assert [runs[name]["exit_code"] for name in ("0005", "0006", "0007")] == [1, 1, 1]


def test_the_closing_run_has_the_conclusion_and_the_files_that_exist(played):
    result, _, runs = played
    report = runs["report"]
    assert report["summary"]["conclusion"] == sentence(result)
    assert report["summary"]["status"] == "recommended"
    assert sorted(report["files"]) == ["certificate.json", "report.html", "result.json"]
    assert report["config"]["device"] == PROVENANCE["device"]


def test_wandb_sync_takes_the_folder(played, tmp_path):
    _, folder, runs = played
    command = [sys.executable, "-m", "wandb", "sync", "--dry-run", "--verbose", str(folder / "wandb")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, cwd=tmp_path)
    told = done.stdout + done.stderr
    assert done.returncode == 0, told
    assert f"Would sync {len(runs)} run(s)" in told


def test_what_a_killed_process_left_half_written_is_written_anew_and_what_it_ended_is_left(tmp_path):
    folder = tmp_path / "killed"
    folder.mkdir()
    done = subprocess.run([sys.executable, "-c", KILLED, folder], cwd=ROOT, check=False)
    assert done.returncode == -signal.SIGKILL
    ended = next((folder / "wandb").glob("offline-run-*-0001")).stat().st_ino
    assert len(list((folder / "wandb").glob("offline-run-*-0002"))) == 1
    play(WandbRuns("offline", "p"), folder)
    runs = [read_wandb(path) for path in (folder / "wandb").glob("offline-run-*/*.wandb")]
    assert sorted(run["name"] for run in runs) == [*(record.trial_id for record in records()), "report"]
    assert next((folder / "wandb").glob("offline-run-*-0001")).stat().st_ino == ended
    half = read_all(folder)["0002"]
    assert [step["_step"] for step in half["history"]] == [1, 2]
    assert half["exit_code"] == 0


def test_written_twice_is_as_written_once(tmp_path):
    for _ in range(2):
        play(WandbRuns("offline", "p"), tmp_path / "twice")
    runs = [read_wandb(path) for path in (tmp_path / "twice" / "wandb").glob("offline-run-*/*.wandb")]
    assert sorted(run["name"] for run in runs) == [*(record.trial_id for record in records()), "report"]


def test_what_was_written_offline_is_not_taken_for_sent(tmp_path):
    folder = tmp_path / "decided"
    play(WandbRuns("offline", "p"), folder)
    for mode, is_left in (("offline", True), ("online", False)):
        sink = WandbRuns(mode, "p")
        sink.start(make_study(), PROVENANCE, folder)
        assert ("0001" in sink._ended) == is_left


def test_a_run_that_was_killed_has_its_trials_and_no_conclusion(tmp_path):
    (tmp_path / "run").mkdir()
    sink = WandbRuns("offline", "p")
    sink.start(make_study(), PROVENANCE, tmp_path / "run")
    for record in records():
        sink.show(record)
    sink.finish(replace(a_result(), has_ended=False))
    runs = read_all(tmp_path / "run")
    assert sorted(runs) == [record.trial_id for record in records()]
    assert runs["0007"]["exit_code"] == 1


def test_offline_says_nothing_and_connects_to_nothing(tmp_path):
    """It runs in a process of its own without a key, whose connections would all go through a proxy."""
    code = (
        "import pathlib, sys\n"
        "from tests.sinks.cases import play\n"
        "from tuner.sinks.wandb_runs import WandbRuns\n"
        "play(WandbRuns('offline', 'p'), pathlib.Path(sys.argv[1]))"
    )
    kept = {key: value for key, value in os.environ.items() if not key.startswith("WANDB_")}
    with socket.socket() as proxy:
        proxy.bind(("127.0.0.1", 0))
        proxy.listen()
        proxy.setblocking(False)
        address = f"http://127.0.0.1:{proxy.getsockname()[1]}"
        proxies = dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"), address)
        done = subprocess.run(
            [sys.executable, "-c", code, tmp_path / "silent"],
            cwd=ROOT,
            env=kept | proxies | {"HOME": str(tmp_path)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
        with pytest.raises(BlockingIOError):
            proxy.accept()
    assert len(read_all(tmp_path / "silent")) == len(records()) + 1


def test_a_server_that_does_not_answer_makes_it_offline(tmp_path, monkeypatch):
    """It runs in this process, where waiting can be made short."""
    monkeypatch.setattr(wandb_runs, "INIT_TIMEOUT_S", 1.0)
    monkeypatch.setenv("WANDB_BASE_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("WANDB_API_KEY", "a" * 40)
    sink = WandbRuns("online", "p")
    play(sink, tmp_path / "lonely")
    assert sink.notice.startswith("offline from here on, `wandb sync` sends it later: ")
    assert len(read_all(tmp_path / "lonely")) == len(records()) + 1


def test_a_project_and_folder_of_any_length_make_an_id_that_wandb_takes(tmp_path):
    folder = tmp_path / ("a" * 150)
    folder.mkdir()
    sink = WandbRuns("offline", "p")
    sink.start(make_study(), PROVENANCE, folder)
    sink.show(make_record(state=TrialState.RUNNING))
    assert len(list((folder / "wandb").glob("offline-run-*"))) == 1
    sink.finish(a_result())
