"""CommandStage with real processes: reports, clocks, failures as data, and clear mistakes."""

import json
import time
from pathlib import Path

import pytest
import yaml

from tests.pipeline import copy_pipeline, study_of_pipeline
from tests.processes import wait_until
from tests.studies import NO_SINKS
from trainables.command import CommandStage
from trainables.command.verdict import ScriptLostError

EPOCHS = "import json,sys\nfor e in (1, 2): print(json.dumps({'nrmse': 1 / e}), flush=True)\n"
CLOCKED = (
    "import json,time\nbegun = time.perf_counter()\nfor e in (1, 2):\n    time.sleep(0.3)\n"
    "    t = round(0.9 * (time.perf_counter() - begun), 6)\n"
    "    print(json.dumps({'nrmse': 1 / e, 't': t}), flush=True)\n"
)


def trial(folder, code, *words, num_epochs=2, **options):
    script = folder / "script.py"
    script.write_text(code)
    command = ["{python}", str(script), *words]
    stage = {"command": command, "logs": str(folder / "logs"), "grace_s": 0.3} | options
    return {"params": {"batch_size": 6}, "num_epochs": num_epochs, "stage": stage}


def reports(config):
    stage = CommandStage(config=config)
    found = []
    try:
        while not (found and found[-1]["done"]):
            found.append(stage.train())
    finally:
        stage.stop()
    return found


def output_of(folder):
    (log,) = folder.glob("logs/trial-*/output.log")
    return log.read_text()


def test_every_epoch_it_prints_is_a_report_with_its_own_clock(tmp_path):
    first, last = reports(trial(tmp_path, CLOCKED, keys={"time_s": "t"}))
    printed = [json.loads(line)["t"] for line in output_of(tmp_path).splitlines()]
    assert [r["nrmse"] for r in (first, last)] == [1, 0.5]
    assert [r["time_s"] for r in (first, last)] == printed
    assert last["epoch_time_s"] == printed[1] - printed[0]
    assert (first["done"], last["done"]) == (False, True)
    assert output_of(tmp_path).count("nrmse") == 2


@pytest.mark.parametrize(
    ("code", "options"),
    [
        (EPOCHS, {}),
        ("print('nrmse=0.5')", {"source": "regex", "pattern": "nrmse=(?P<nrmse>[0-9.]+)"}),
        (
            "import sys; open(sys.argv[1], 'w').write('{\"nrmse\": 0.5}')",
            {"source": "file", "file": "{dir}/m", "file_format": "json"},
        ),
        (
            "import sys; open(sys.argv[1], 'w').write('{\"nrmse\": 1}\\n{\"nrmse\": 0.5}\\n')",
            {"source": "file", "file": "{dir}/m", "file_format": "jsonl"},
        ),
        (
            "import sys; open(sys.argv[1], 'w').write('{\\n\"nrmse\": 0.5\\n}')",
            {"source": "file", "file": "{dir}/m", "file_format": "json"},
        ),
        (
            "import sys; open(sys.argv[1], 'w').write('nrmse\\n1\\n0.5')",
            {"source": "file", "file": "{dir}/m", "file_format": "csv"},
        ),
    ],
)
def test_a_script_that_reports_at_its_end_is_one_report_of_the_whole_budget(tmp_path, code, options):
    config = trial(tmp_path, code, "{dir}/m", num_epochs=4, per_epoch=False, **options)
    (report,) = reports(config)
    assert (report["epoch"], report["nrmse"], report["done"]) == (4, 0.5, True)
    assert report["time_s"] == report["epoch_time_s"] > 0


def test_time_is_that_of_the_lines_even_when_the_stage_reads_them_late(tmp_path):
    """Between bounds by the clock that all processes share, however late any of them is."""
    code = (
        "import json, os, sys, time\nprint('go', time.perf_counter())\nfor k in '12':\n"
        "    while not os.path.exists(sys.argv[1] + k): time.sleep(0.01)\n"
        "    print(json.dumps({'nrmse': 1, 'at': time.perf_counter()}))\n"
    )
    stage = CommandStage(config=trial(tmp_path, code, str(tmp_path / "epoch"), start="go"))
    begun_by_s, read_by_s = time.perf_counter(), []
    for k in (1, 2):
        time.sleep(0.2)
        (tmp_path / f"epoch{k}").touch()
        wait_until(lambda num=k: output_of(tmp_path).count("}\n") == num)
        read_by_s.append(time.perf_counter())
    time.sleep(0.5)
    first, last = stage.train(), stage.train()
    stage.stop()
    go, *lines = output_of(tmp_path).splitlines()
    go_s, printed_s = float(go.split()[1]), [json.loads(line)["at"] for line in lines]
    assert printed_s[0] - begun_by_s <= first["time_s"] <= read_by_s[0] - go_s
    assert printed_s[1] - begun_by_s <= last["time_s"] <= read_by_s[1] - go_s
    assert printed_s[0] - begun_by_s > 0.19
    assert printed_s[1] - begun_by_s > 0.38


def test_what_comes_before_the_start_line_is_neither_time_nor_an_epoch(tmp_path):
    code = (
        "import time\nprint('{\"nrmse\": 9}')\nsum(range(10**7))\ntime.sleep(1)\n"
        "print('go')\ntime.sleep(0.1)\nprint('{\"nrmse\": 1}')\n"
    )
    (report,) = reports(trial(tmp_path, code, num_epochs=1, start="^go"))
    assert report["nrmse"] == 1
    assert report["time_s"] < 0.9
    assert report["cpu_time_s"] < 0.1


def test_warming_up_again_takes_no_epoch_away(tmp_path):
    code = "import time\nprint('go')\ntime.sleep(0.1)\n" + EPOCHS
    stage = CommandStage(config=trial(tmp_path, code, start="go"))
    stage.warm_up()
    assert [stage.train()["nrmse"] for _ in range(2)] == [1, 0.5]
    stage.stop()


def test_cpu_time_is_that_of_the_script_and_of_its_children(tmp_path):
    busy = "import time\nwhile time.process_time() < 0.4: pass\n"
    code = (
        f"import subprocess, sys\n{busy}\nsubprocess.run([sys.executable, '-c', {busy!r}])\n"
        "print('{\"nrmse\": 1}')\n"
    )
    (report,) = reports(trial(tmp_path, code, num_epochs=1))
    assert 0.8 - 4 * 0.01 <= report["cpu_time_s"] < 1.6  # four figures, each cut to whole ticks of 10 ms


def test_the_script_gets_this_environment_without_what_is_rays(tmp_path, monkeypatch):
    monkeypatch.setenv("RAY_AUTH_TOKEN", "secret")
    monkeypatch.setenv("RAY_ADDRESS", "head:6379")
    monkeypatch.setenv("MY_DATA", "/data")
    code = "import os; print(sorted(n for n in os.environ if n[:4] in ('RAY_', 'MY_D')), '{\"nrmse\": 1}')"
    reports(trial(tmp_path, code, num_epochs=1))
    assert output_of(tmp_path).startswith("['MY_DATA'] ")


def test_loss_and_peak_memory_come_from_the_keys_that_name_them(tmp_path):
    code = 'for m in (3, 2): print(\'INFO {"nrmse": 1, "l": NaN, "gib": %d} done\' % m)\n'
    (report,) = reports(trial(tmp_path, code, keys={"loss": "l", "peak_memory_gib": "gib"}))
    assert (report["status"], report["peak_memory_gib"]) == ("nan", 3)


def test_megabytes_without_a_newline_are_kept_in_the_log_but_not_in_memory(tmp_path):
    code = (
        "import sys\nfor _ in range(64): sys.stdout.write('x' * 2**20)\n"
        "print()\nprint('\\r 50%\\r{\"nrmse\": 1}')\n"
    )
    stage = CommandStage(config=trial(tmp_path, code, num_epochs=1))
    report = stage.train()
    kept = sum(map(len, stage._script.tail))
    stage.stop()
    assert report["nrmse"] == 1
    assert len(output_of(tmp_path)) > 64 * 2**20
    assert kept < 100_000


def test_words_of_the_trial_reach_a_json_config_and_the_command(tmp_path):
    (tmp_path / "c.json").write_text('{"a": {"batch": 0, "other": [1]}, "n": 0}')
    code = "import sys\nprint(open(sys.argv[1]).read(), sys.argv[2], flush=True)\nprint('{\"nrmse\": 1}')\n"
    patch = {"a.batch": "batch_size", "n": "num_samples"}
    more = {"config": str(tmp_path / "c.json"), "patch": patch, "num_samples": 2000}
    reports(trial(tmp_path, code, "{config}", "s={seed}", num_epochs=1, **more))
    assert output_of(tmp_path).startswith('{"a": {"batch": 6, "other": [1]}, "n": 2000} s=0')


def test_a_trials_folder_tells_what_ran_and_goes_away_unless_logs_keeps_it(tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path / "tmp"))
    monkeypatch.setattr("tempfile.tempdir", None)
    (tmp_path / "tmp").mkdir()
    config = trial(tmp_path, EPOCHS)
    reports(config)
    (told,) = tmp_path.glob("logs/trial-*/trial.json")
    assert json.loads(told.read_text())["params"] == {"batch_size": 6}
    config["stage"]["logs"] = ""
    stage = CommandStage(config=config)
    stage.train()
    assert len(list((tmp_path / "tmp").glob("distill-trial-*"))) == 1
    stage.stop()
    failing = trial(tmp_path, "raise SystemExit(1)", logs="")
    with pytest.raises(RuntimeError, match="option logs keeps all of its output"):
        CommandStage(config=failing).step()  # Ray gives such a worker up without a call to stop
    with pytest.raises(ValueError, match=r"there is no word \{lr\}"):
        CommandStage(config=config | {"stage": {"command": ["{lr}"]}})
    assert list((tmp_path / "tmp").glob("distill-trial-*")) == []


@pytest.mark.parametrize(
    ("code", "status"),
    [
        ("raise SystemExit('torch.OutOfMemoryError: CUDA out of memory. Tried')", "oom"),
        ("raise MemoryError", "oom"),
        ("print('RuntimeError: CUDA error: out of memory')", "oom"),
        ("print('{\"nrmse\": NaN}')", "nan"),
    ],
)
def test_out_of_memory_and_nan_are_data(tmp_path, code, status):
    (report,) = reports(trial(tmp_path, code, num_epochs=1))
    assert (report["status"], report["done"]) == (status, True)


def test_a_kill_without_a_sign_of_memory_is_a_lost_trial(tmp_path):
    with pytest.raises(ScriptLostError, match=r"killed by signal 9.*output\.log"):
        reports(trial(tmp_path, "import os; os.kill(os.getpid(), 9)"))


def test_any_other_failure_raises_with_the_last_lines_and_the_path(tmp_path):
    with pytest.raises(RuntimeError, match=r"exit 1: no such data; its output: .*output\.log\nno such data"):
        reports(trial(tmp_path, "raise SystemExit('no such data')"))


FILE = {"source": "file", "file": "{dir}/m", "file_format": "json", "per_epoch": False}


@pytest.mark.parametrize(
    ("code", "options", "words"),
    [
        (
            "print('{\"rmse\": 1}')",
            {},
            "the key 'nrmse'; the last object had rmse. Fix: write keys: {nrmse: NAME}",
        ),
        ("print('{\"nrmse\": 1}')", {}, "it printed the NRMSE of only 1 of 2 epochs"),
        ('print(\'{"nrmse": "low"}\')', {}, "metric nrmse='low' is not a number"),
        ("pass", {"start": "begins"}, "option start='begins'"),
        ("pass", {"source": "regex", "pattern": "(?P<nrmse>x)"}, "no line matched option pattern="),
        ("pass", FILE, "(option file) cannot be read (No such file or directory)"),
        ("import sys; open(sys.argv[1], 'w').write('x')", FILE, "has no JSON object"),
        ("import sys; open(sys.argv[1], 'w').write('')", FILE, "has no JSON object"),
        ("import sys; open(sys.argv[1], 'w').write('{\"a\": 1}')", FILE, "has no 'nrmse', but a"),
    ],
)
def test_metrics_that_cannot_be_found_are_a_failure_that_names_the_option(tmp_path, code, options, words):
    with pytest.raises(RuntimeError) as raised:
        reports(trial(tmp_path, code, "{dir}/m", **options))
    assert words in str(raised.value)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({}, "command"),
        ({"command": "python train.py"}, "list of words"),
        ({"command": ["x", "--epochs", 3]}, "command=3 makes no sense. Fix: write a list of words, such as"),
        ({"command": ["x", "--epochs", 3]}, "and this one in quotes: '3'"),
        ({"command": ["x", True]}, "and this one in quotes: 'true'"),
        ({"command": [{"python": None}, "x"]}, "and this one in quotes: '{python}'"),
        ({"command": ["x", ["y"]]}, "command=['x', ['y']] makes no sense. Fix: write a list of words"),
        ({"command": ["x"], "sources": "json"}, "unknown stage option 'sources'"),
        ({"command": ["x"], "source": "csv"}, "use one of json, regex, file, tensorboard, wandb"),
        ({"command": ["x"], "start": "("}, "correct the regex"),
        ({"command": ["x"], "source": "regex", "pattern": "n=(.*)"}, "group named nrmse"),
        (
            {"command": ["x"], "source": "regex", "pattern": "(?P<nrmse>.)", "keys": {"loss": "l"}},
            "group named l",
        ),
        ({"command": ["x"], "keys": {"nrsme": "x"}}, "use one of nrmse, loss, time_s, time_per_epoch, peak"),
        ({"command": ["x"], "grace_s": -1}, "write seconds"),
        ({"command": ["x"], "source": "file"}, "name the metrics file"),
        ({"command": ["x"], "source": "file", "file": "m.log"}, "write file_format: json or jsonl or csv"),
        (
            {"command": ["x"], "source": "file", "file": "m.csv", "file_format": "CSV"},
            "write file_format: json or",
        ),
        ({"command": ["x"], "file_format": "csv"}, "leave it out; it goes with source: file"),
        ({"command": ["x"], "source": "tensorboard"}, "name the folder of TensorBoard's event files"),
        (
            {"command": ["x"], "keys": {"time_s": "a", "time_per_epoch": "b"}},
            "keep time_s if the script's figure is cumulative",
        ),
        ({"command": ["x"], "constants": {"a": 1}}, "file to patch"),
        ({"command": ["x"], "constants": {"a": [1, 2]}}, "name an entry of a list by its index"),
        ({"command": ["x"], "constants": ["a"]}, "map names to values"),
        ({"command": ["x"], "config": "c", "patch": {"a": "b"}, "constants": {"a": 1}}, "not in both"),
        ({"command": ["x"], "infeasible_if": "diverged"}, "write a list of texts"),
        ({"command": ["x"], "infeasible_if": ["ok", "("]}, "infeasible_if='(' makes no sense. Fix: correct"),
        ({"command": ["x"], "infeasible_if": ["x*"]}, "does not match an empty line"),
        ({"command": ["x"], "patch": {"a": "b"}}, "file to patch"),
        ({"command": ["{lr}"]}, "there is no word {lr}"),
        ({"command": ["no-such-program"]}, "program that can be started"),
        ({"command": [__file__]}, "program that can be started"),
    ],
)
def test_a_mistake_names_the_key_and_the_fix(options, words):
    with pytest.raises(ValueError, match="Fix") as raised:
        CommandStage(config={"params": {}, "stage": options})
    assert words in str(raised.value)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"command": ["no-such-program", "{config}"]}, "nothing executable has that name"),
        ({"command": [__file__, "{config}"]}, "it is not executable. Fix: make it executable"),
        ({"command": ["{python}", "no-such.py", "{config}"]}, "command='no-such.py'"),
        ({"config": "no-such.yaml"}, "config='no-such.yaml'"),
        ({"config": "bad.yaml"}, "bad.yaml:1: it is not valid YAML"),
        ({"config": "good.yaml", "patch": {"a.c": "batch_size"}}, "there is no key 'a.c'"),
        ({"logs": "good.yaml/logs"}, "folder that can be written"),
    ],
)
def test_what_would_fail_in_every_trial_is_said_before_the_first(tmp_path, monkeypatch, options, words):
    monkeypatch.chdir(tmp_path)
    Path("good.yaml").write_text("a: {b: 1}")
    Path("bad.yaml").write_text("a: {b: 1")
    good = {
        "command": ["{python}", "-c", "", "{config}"],
        "config": "good.yaml",
        "patch": {"a.b": "batch_size"},
    }
    CommandStage.prepare(good)
    with pytest.raises(ValueError, match="Fix") as raised:
        CommandStage.prepare(good | options)
    assert words in str(raised.value)


def test_a_study_with_a_missing_script_ends_with_exit_code_2_before_any_trial(
    tmp_path, monkeypatch, call_on_ray
):
    monkeypatch.chdir(copy_pipeline(tmp_path))
    study = study_of_pipeline()
    study["stage"]["options"] |= {"logs": str(tmp_path / "logs")}
    study["stage"]["options"]["command"][1] = "no-such.py"
    (tmp_path / "study.yaml").write_text(yaml.safe_dump(study))
    done = call_on_ray("--space", tmp_path / "study.yaml", "--runs-dir", tmp_path)
    assert done.returncode == 2
    assert "stage option command='no-such.py'" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "last/errors").exists()


def test_a_script_that_somebody_kills_is_asked_again_by_a_study_on_real_ray(tmp_path, call_on_ray):
    study = study_of_pipeline()
    once = (
        "import os, sys\nif not os.path.exists(sys.argv[2]):\n"
        "    open(sys.argv[2], 'w').close(); os.kill(os.getpid(), 9)\n"
        "print('{\"nrmse\": 0.05}')\n"
    )
    command = ["{python}", "-c", once, "{config}", str(tmp_path / "killed")]
    logs = str(tmp_path / "logs")
    config = str(copy_pipeline(tmp_path) / "train_config.yaml")
    kept = {name: study["stage"]["options"][name] for name in ("patch", "per_epoch")}
    study["stage"]["options"] = kept | {"command": command, "config": config, "logs": logs}
    study["budget"] = {"trials": 3, "hours": 0.05}
    study["certificate"] = {"pairs": 0}
    study["outputs"] = NO_SINKS
    study["target"] = "nrmse < 0.01"  # which the script misses: nothing is recommended
    (tmp_path / "study.yaml").write_text(yaml.safe_dump(study))
    done = call_on_ray("--space", tmp_path / "study.yaml", "--runs-dir", tmp_path)
    assert done.returncode == 1, done.stdout + done.stderr
    events = [json.loads(line) for line in (tmp_path / "last/journal.jsonl").read_text().splitlines()]
    lost = [event for event in events if event.get("is_lost")]
    assert len(lost) == 1
    (traceback,) = (tmp_path / "last/errors").iterdir()
    assert "killed by signal 9" in traceback.read_text()
    assert json.loads((tmp_path / "last/result.json").read_text())["baseline"]["nrmse"] == 0.05


def test_runs_may_learn_from_each_other_when_command_and_config_file_say_the_same(tmp_path):
    """Wherever the file lies and the logs go; `--warm-start` compares this."""
    for name, text in (("a.yaml", "lr: 1"), ("b.yaml", "lr: 1"), ("c.yaml", "lr: 2")):
        (tmp_path / name).write_text(text)
    said = {
        name: CommandStage.quality_options(
            {"command": ["train"], "config": str(tmp_path / name), "logs": name}
        )
        for name in ("a.yaml", "b.yaml", "c.yaml")
    }
    assert said["a.yaml"] == said["b.yaml"] != said["c.yaml"]
    assert said["a.yaml"] != CommandStage.quality_options(
        {"command": ["other"], "config": str(tmp_path / "a.yaml")}
    )
