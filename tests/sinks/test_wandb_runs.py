"""W&B offline: one run a trial, whose files say what the report says and can be synced later."""

import os
import socket
import subprocess
import sys

import pytest

from tests.processes import ROOT
from tests.sinks.cases import FAST, PROVENANCE, a_result, play, records
from tests.sinks.wandb_file import read_wandb
from tests.studies import make_record, make_study
from tuner.core.trial import TrialState
from tuner.sinks import wandb_runs, wandb_writer
from tuner.sinks.selection import wandb_mode
from tuner.sinks.wandb_runs import WandbRuns
from tuner.spec import OutputSpec


class Here(wandb_writer.Writer):
    """Its writer without a process."""

    def call(self, name, *args):
        getattr(self, name)(*args)

    def end(self):
        pass


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
    assert report["summary"]["conclusion"] == result.sentence
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


def test_a_resumed_run_leaves_what_it_has(tmp_path):
    folder = tmp_path / "resumed"
    folder.mkdir()
    killed, sink = WandbRuns("offline", "p"), WandbRuns("offline", "p")
    for one in (killed, sink):
        one.start(make_study(), PROVENANCE, folder)
        one.show(records()[0])
    killed._process.end()
    sink.show(make_record("0008"))
    sink.finish(a_result())
    names = [path.name.rsplit("-", 1)[1] for path in (folder / "wandb").glob("offline-run-*")]
    assert sorted(names) == ["0001", "0008", "report"]


def test_offline_says_nothing_and_connects_to_nothing(tmp_path):
    """In a process of its own without a key, whose connections would all go through a proxy."""
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
    """In this process, where waiting can be made short."""
    monkeypatch.setattr(wandb_writer, "INIT_TIMEOUT_S", 1.0)
    monkeypatch.setenv("WANDB_BASE_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("WANDB_API_KEY", "a" * 40)
    monkeypatch.setattr(wandb_runs, "WandbProcess", Here)
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


@pytest.mark.parametrize(
    ("asked", "env", "simulated", "mode"),
    [
        ("auto", {}, False, "offline"),
        ("auto", {"WANDB_API_KEY": "k"}, False, "online"),
        ("auto", {"WANDB_API_KEY": "k", "WANDB_MODE": "offline"}, False, "offline"),
        ("auto", {"WANDB_MODE": "disabled"}, False, ""),
        ("auto", {"NETRC": "api.wandb.ai"}, False, "online"),
        ("auto", {"NETRC": "example.org"}, False, "offline"),
        ("auto", {"NETRC": "example.org", "WANDB_BASE_URL": "https://example.org:8080"}, False, "online"),
        ("auto", {"WANDB_API_KEY": "k"}, True, ""),
        ("offline", {"WANDB_API_KEY": "k", "WANDB_MODE": "online"}, False, "offline"),
        ("offline", {}, True, "offline"),
        ("online", {}, False, "online"),
        ("off", {"WANDB_API_KEY": "k"}, False, ""),
    ],
)
def test_the_mode_is_what_the_study_says_else_what_is_configured(
    asked, env, simulated, mode, monkeypatch, tmp_path
):
    for name in ("WANDB_API_KEY", "WANDB_MODE", "WANDB_BASE_URL"):
        monkeypatch.delenv(name, raising=False)
    file = tmp_path / "netrc"
    if "NETRC" in env:
        file.write_text(f"machine {env['NETRC']} login user password k\n")
    for name, value in (env | {"NETRC": str(file)}).items():
        monkeypatch.setenv(name, value)
    assert wandb_mode(OutputSpec(wandb=asked), is_simulated=simulated) == mode
