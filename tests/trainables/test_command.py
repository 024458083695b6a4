"""CommandStage with real processes: reports, failures as data, and nothing left behind."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.processes import ROOT, is_alive, run_tuner, wait_until
from trainables.command import CommandStage

EPOCHS = "import json,sys\nfor e in (1, 2): print(json.dumps({'nrmse': 1 / e, 't': e * 10.0}), flush=True)\n"
FOREVER = (
    "import os,signal,subprocess,sys,time\n"
    "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
    "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])\n"
    "open(sys.argv[1], 'w').write(f'{os.getpid()} {child.pid}')\n"
    "print('{\"nrmse\": 1}', flush=True)\n"
    "time.sleep(600)\n"
)


def trial(folder, code, *words, num_epochs=2, **options):
    script = folder / "script.py"
    script.write_text(code)
    command = ["{python}", str(script), *words]
    stage = {"command": command, "logs": str(folder / "logs"), "grace_s": 0.3} | options
    return {"params": {"batch_size": 6}, "num_epochs": num_epochs, "stage": stage}


def ended(path):
    return not any(is_alive(int(pid)) for pid in path.read_text().split())


def test_every_epoch_it_prints_is_a_report_with_its_own_clock(tmp_path):
    stage = CommandStage(config=trial(tmp_path, EPOCHS, keys={"time_s": "t"}))
    first, last = stage.train(), stage.train()
    stage.stop()
    assert [r["nrmse"] for r in (first, last)] == [1, 0.5]
    assert [r["time_s"] for r in (first, last)] == [10, 20]
    assert last["epoch_time_s"] == 10
    assert (first["done"], last["done"]) == (False, True)
    assert stage.log.read_text().count("nrmse") == 2


@pytest.mark.parametrize(
    ("code", "options"),
    [
        (EPOCHS, {}),
        ("print('nrmse=0.5')", {"source": "regex", "pattern": "nrmse=(?P<nrmse>[0-9.]+)"}),
        (
            "import sys; open(sys.argv[1], 'w').write('{\"nrmse\": 0.5}')",
            {"source": "file", "file": "{dir}/m"},
        ),
    ],
)
def test_a_script_that_reports_at_its_end_is_one_report_of_the_whole_budget(tmp_path, code, options):
    stage = CommandStage(config=trial(tmp_path, code, "{dir}/m", num_epochs=4, per_epoch=False, **options))
    report = stage.train()
    stage.stop()
    assert (report["epoch"], report["nrmse"], report["done"]) == (4, 0.5, True)
    assert report["time_s"] == report["epoch_time_s"] > 0


@pytest.mark.parametrize(
    ("code", "status"),
    [
        ("raise SystemExit('torch.OutOfMemoryError: CUDA out of memory. Tried')", "oom"),
        ("raise SystemExit(137)", "oom"),
        ("print('{\"nrmse\": NaN}')", "nan"),
    ],
)
def test_out_of_memory_and_nan_are_data(tmp_path, code, status):
    stage = CommandStage(config=trial(tmp_path, code, num_epochs=1))
    report = stage.train()
    stage.stop()
    assert (report["status"], report["done"]) == (status, True)


def test_any_other_failure_raises_with_the_last_lines_and_the_path(tmp_path):
    stage = CommandStage(config=trial(tmp_path, "raise SystemExit('no such data')"))
    with pytest.raises(RuntimeError, match=r"exit 1; its output: .*output\.log\nno such data"):
        stage.step()
    stage.stop()


@pytest.mark.parametrize("how", ["stop", "reset"])
def test_a_stopped_trial_leaves_no_descendant_even_one_that_ignores_sigterm(tmp_path, how):
    stage = CommandStage(config=trial(tmp_path, FOREVER, str(tmp_path / "pids")))
    stage.train()
    assert not ended(tmp_path / "pids")
    if how == "reset":
        stage.reset(trial(tmp_path, EPOCHS))
    else:
        stage.stop()
    wait_until(lambda: ended(tmp_path / "pids"), timeout_s=5)
    stage.stop()


def test_a_killed_worker_leaves_no_descendant(tmp_path):
    config = trial(tmp_path, FOREVER, str(tmp_path / "pids"))
    code = (
        "import os, signal\nfrom trainables.command import CommandStage\n"
        f"CommandStage(config={config!r}).train()\nos.kill(os.getpid(), signal.SIGKILL)\n"
    )
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False)
    wait_until(lambda: ended(tmp_path / "pids"), timeout_s=10)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({}, "command"),
        ({"command": "python train.py"}, "list of words"),
        ({"command": ["x"], "sources": "json"}, "unknown stage option 'sources'"),
        ({"command": ["x"], "source": "csv"}, "use one of json, regex, file"),
        ({"command": ["x"], "start": "("}, "correct the regex"),
        ({"command": ["{lr}"]}, "no word {lr}"),
    ],
)
def test_a_mistake_names_the_key_and_the_fix(options, words):
    with pytest.raises(ValueError, match="Fix") as raised:
        CommandStage(config={"params": {}, "stage": options})
    assert words in str(raised.value)


def test_the_pipeline_of_the_guide_is_tuned_on_real_ray(tmp_path):
    done = run_tuner("--space", "docs/examples/pipeline/study.yaml", "--runs-dir", tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    result = json.loads(Path(tmp_path, "last/result.json").read_text())
    assert result["recommended"]["time_s"] < result["baseline"]["time_s"]
