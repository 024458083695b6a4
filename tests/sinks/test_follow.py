"""One process follows a run: what becomes of it changes nothing but the sinks, which `follow` completes."""

import csv
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from tests.processes import ROOT, TUNER, call_tuner, is_alive, wait_until
from tests.sinks.follow_cases import (
    EVERYWHERE,
    finish_run,
    follower_of,
    num_shown,
    optuna_trials,
    rows,
    small,
    start_run,
)
from tests.studies import NO_SINKS, make_study
from tuner.commands.follow import LOW_PRIORITY
from tuner.run import main
from tuner.runs import follower
from tuner.runs.follower import Follower
from tuner.runs.past_run import read_past_run
from tuner.simulate.session import run_simulated, simulated
from tuner.sinks.follow import failure_of

pytest.importorskip("tensorboard")

ALL = {"optuna": "sqlite", "tensorboard": True, "parquet": True} | EVERYWHERE
HEAVY = ("tuner.sinks", "optuna.storages", "sqlalchemy", "wandb", "tensorboard", "pyarrow")


def last(runs):
    return (runs / "last").resolve()


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """The folder of a run whose follower nobody touched."""
    runs = tmp_path_factory.mktemp("undisturbed")
    assert [line for line in finish_run(start_run(runs, ALL)) if not line.startswith("writing to ")] == []
    return last(runs)


@pytest.fixture(scope="module")
def expected(undisturbed):
    return rows(undisturbed)


@pytest.fixture(scope="module")
def unwritten(tmp_path_factory):
    """The folder of the same run, written nowhere else."""
    runs, said = tmp_path_factory.mktemp("unwritten"), []
    study = simulated(make_study(**small({})))
    _, folder, _ = run_simulated(study, runs, lambda *_: None, say=said.append)
    assert said == []
    return folder


def found(folder):
    """Returns what a run found: its table of trials, and its result without places and times."""
    result = json.loads((folder / "result.json").read_text())
    del result["provenance"]
    return (folder / "trials.csv").read_text(), result


def test_every_sink_has_every_trial(expected, undisturbed):
    ids = [record.trial_id for record in read_past_run(undisturbed).records]
    assert len(ids) >= 6
    assert [attrs["trial_id"] for *_, attrs, _, _ in expected["optuna"]] == ids
    assert [row["trial_id"] for row in expected["parquet"]] == ids
    assert sorted(expected["tensorboard"]) == ids
    assert sorted(expected["wandb"]) == [*ids, "report"]
    report, result = expected["wandb"]["report"], json.loads((undisturbed / "result.json").read_text())
    assert {"report.html", "result.json", "trials.csv", "study.yaml"} <= set(report["files"])
    assert report["summary"]["conclusion"] == result["sentence"]
    assert report["summary"]["status"] == result["status"]


def test_a_killed_follower_changes_nothing_but_the_sinks_which_follow_completes(
    tmp_path, expected, undisturbed
):
    driver = start_run(tmp_path, ALL, wait_s=0.5)
    pid = follower_of(driver)
    assert os.getsid(pid) == pid, "signals of the driver's terminal do not reach it"
    wait_until(lambda: len(list((last(tmp_path) / "wandb").glob("offline-run-*"))) >= 3)
    assert os.getpriority(os.PRIO_PROCESS, pid) == max(LOW_PRIORITY, os.getpriority(os.PRIO_PROCESS, 0))
    os.kill(pid, signal.SIGKILL)
    assert driver.poll() is None, "in mid-run"
    (tmp_path / "hurry").touch()
    (line,) = finish_run(driver)
    folder = last(tmp_path)
    assert line == (
        "optuna, tensorboard, parquet, wandb: not completely written, its process ended with -9; "
        f"`python -m tuner.run follow {folder}` completes it."
    )
    assert found(folder) == found(undisturbed)
    assert 3 <= len(optuna_trials(folder)) < len(expected["optuna"])
    assert not (folder / "trials.parquet").exists()
    for _ in range(2):  # once more changes nothing
        done = call_tuner("follow", folder)
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout == f"{folder}: written to optuna, tensorboard, parquet, wandb\n"
        assert rows(folder) == expected


def test_of_a_killed_driver_what_is_there_is_written_and_the_follower_ends(tmp_path):
    driver = start_run(tmp_path, ALL, wait_s=0.3)
    pid = follower_of(driver)
    wait_until(lambda: num_shown(tmp_path / "last") >= 3)
    driver.kill()
    driver.communicate()
    wait_until(lambda: not is_alive(pid))
    folder = last(tmp_path)
    past = read_past_run(folder)
    assert past.end is None
    states = {record.trial_id: record.state.name for record in past.records}
    told = {trial.user_attrs["trial_id"]: trial.state.name for trial in optuna_trials(folder)}
    assert list(told) == list(states)
    assert [told[name] == "RUNNING" for name in told] == [state == "RUNNING" for state in states.values()]
    assert pq.read_table(folder / "trials.parquet").column("trial_id").to_pylist() == list(states)
    assert sorted(path.name for path in (folder / "tensorboard").iterdir()) == list(states)
    assert len(list((folder / "wandb").glob("offline-run-*/*.wandb"))) == len(states)


def test_a_sink_that_was_off_is_filled_later_and_two_followers_at_once_write_nothing_twice(
    unwritten, expected
):
    assert not {"optuna.sqlite3", "outputs.log"} & {path.name for path in unwritten.iterdir()}
    command = [*TUNER, "follow", str(unwritten), "--to", "wandb,optuna,parquet,tensorboard"]
    one = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    wait_until((unwritten / follower.LOG_NAME).exists)  # the next moment it writes, for seconds
    other = call_tuner(*command[len(TUNER) :])
    said = sorted([one.communicate(timeout=200)[1], other.stderr])
    assert (one.returncode, other.returncode) == (0, 0)
    assert said == ["", "waiting for the process that writes to wandb, optuna, parquet, tensorboard ...\n"]
    assert rows(unwritten) == expected


def test_a_run_that_goes_on_is_followed_to_its_end(tmp_path):
    driver = start_run(tmp_path, {}, wait_s=0.2)
    wait_until((tmp_path / "last" / "journal.jsonl").is_file)
    command = [*TUNER, "follow", str(tmp_path / "last"), "--to", "tensorboard,parquet"]
    follow = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True)
    wait_until(lambda: len(list((tmp_path / "last" / "tensorboard").glob("*"))) >= 1)
    assert driver.poll() is None, "in mid-run"
    (tmp_path / "hurry").touch()
    _, said = follow.communicate(timeout=200)
    assert follow.returncode == 0, said
    assert driver.wait(timeout=20) == 0, "it was over"
    assert finish_run(driver) == []
    rows_of_csv = list(csv.DictReader((tmp_path / "last" / "trials.csv").read_text().splitlines()))
    written = pq.read_table(tmp_path / "last" / "trials.parquet").column("trial_id").to_pylist()
    assert written == [row["trial_id"] for row in rows_of_csv]


def test_the_driver_has_no_thread_more_and_loads_nothing_of_the_sinks(undisturbed):
    driver = json.loads((undisturbed.parent / "driver.json").read_text())
    assert ([name for name in HEAVY if name in driver["modules"]], driver["threads"]) == ([], 1)
    assert len(optuna_trials(undisturbed)) >= 6


def test_a_follower_that_hangs_is_left_behind_in_a_line(tmp_path, monkeypatch):
    monkeypatch.setattr(follower, "WAIT_S", 3.0)
    (tmp_path / "wandb.py").write_text("import time\ntime.sleep(600)\n")
    monkeypatch.syspath_prepend(tmp_path)
    study = simulated(make_study(outputs=NO_SINKS | EVERYWHERE))
    said, processes, start = [], [], Follower._start

    def start_and_keep(self, names):
        start(self, names)
        processes.append(self._process)

    monkeypatch.setattr(Follower, "_start", start_and_keep)
    begun = time.monotonic()
    _, folder, _ = run_simulated(study, tmp_path / "runs", lambda *_: None, say=said.append)
    (process,) = processes
    assert process.poll() is None
    process.kill()
    process.wait()
    assert said == [
        "writing to wandb, 3 s at most ...",
        "wandb: not completely written yet. A process in the background continues; the run's own files "
        "are complete.",
    ]
    assert time.monotonic() - begun < 60
    assert (folder / "report.html").is_file()


def test_a_process_that_cannot_be_started_is_one_line_and_no_failed_run(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "executable", str(tmp_path / "gone"))
    study = simulated(make_study(outputs=ALL))
    said = []
    result, folder, _ = run_simulated(study, tmp_path / "runs", lambda *_: None, say=said.append)
    (line,) = said
    assert line.startswith("optuna, tensorboard, parquet, wandb: not written, no process could be started (")
    assert line.endswith(f"`python -m tuner.run follow {folder}` completes it.")
    assert result.status == "recommended"


@pytest.mark.parametrize(
    ("names", "said"),
    [
        ("optuna,wandbb", "there is no sink 'wandbb': did you mean 'wandb'?"),
        ("mlflow", "there is no sink 'mlflow': the names are optuna, tensorboard, "),
    ],
)
def test_an_unknown_name_is_a_mistake(names, said, unwritten, capsys):
    with pytest.raises(SystemExit) as ended:
        main(["follow", str(unwritten), "--to", names])
    assert ended.value.code == 2
    assert said in capsys.readouterr().err


def test_an_unknown_run_is_a_mistake():
    done = call_tuner("follow", "nowhere")
    assert done.returncode == 2
    assert "nowhere: there is no journal.jsonl in it. Fix: name the folder of a run" in done.stderr


def test_what_could_not_be_written_is_a_line_and_exit_code_1(unwritten, tmp_path, monkeypatch):
    (tmp_path / "wandb.py").write_text("raise RuntimeError('broken installation')")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "wandb", raising=False)
    done = call_tuner("follow", unwritten, "--to", "wandb,parquet")
    assert done.returncode == 1
    assert done.stdout == f"{unwritten}: written to parquet\n"
    assert done.stderr == (
        "wandb is off from here on, and the run continues without it: RuntimeError: broken installation\n"
    )


def test_a_failure_counts_only_for_the_end_that_it_was_of(tmp_path):
    _, folder, _ = run_simulated(simulated(make_study()), tmp_path, lambda *_: None)
    journal, result = folder / "journal.jsonl", folder / "result.json"
    assert failure_of(read_past_run(folder)) == ""
    journal.write_text("".join(journal.read_text().splitlines(keepends=True)[:-1]))  # as of a run that failed
    result.write_text(json.dumps(json.loads(result.read_text()) | {"failure": "the disk is full."}))
    assert failure_of(read_past_run(folder)) == "the disk is full."
    later = result.stat().st_mtime_ns + 10**9
    os.utime(journal, ns=(later, later))  # resumed, and then killed
    assert failure_of(read_past_run(folder)) == ""
    Path(result).unlink()
    assert failure_of(read_past_run(folder)) == ""
