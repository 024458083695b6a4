"""`doctor --try` runs the baseline once, says what was read as what, and what to mend."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.commands.calls import call
from tests.processes import call_tuner, write_study
from tests.studies import study_dict
from tuner.commands import machine
from tuner.errors import TunerError

REPORTING = (
    "import json, time\nprint('loading')\nprint('go')\n"
    "for e in (1, 2, 3):\n    time.sleep(0.05)\n    print(json.dumps({'epoch': e, 'val_nrmse': 0.25 / e}))\n"
)
THEN_WAIT = "import time\ntime.sleep(60)\n"


@pytest.fixture(autouse=True)
def a_cpu(monkeypatch):
    monkeypatch.setattr(machine, "ask_torch", lambda: {"version": "2", "cuda": None, "cards": []})
    monkeypatch.setattr(machine, "ask_nvml", lambda: {"error": "NVMLError_LibraryNotFound"})
    monkeypatch.setattr(machine, "ask_ray", lambda: {"version": "2"})


def script_study(folder: Path, code: str, num_epochs: int = 3, **options) -> Path:
    (folder / "train.py").write_text(code)
    command = ["{python}", str(folder / "train.py"), "{batch_size}/{micro_batch}/{num_taus}/{accum_steps}"]
    stage = {
        "class": "trainables.command:CommandStage",
        "num_epochs": num_epochs,
        "num_samples": 2000,
        "options": {"command": command, "grace_s": 0.3} | options,
    }
    return write_study(folder, stage=stage)


def tried(study: Path, *words: str):
    return call("doctor", "--space", study, "--runs-dir", study.parent / "runs", "--try", *words)


def of(said, name: str) -> list[str]:
    return [
        line[len("ok    ") :].split(maxsplit=1)[1] for line in said.lines if line[6:].startswith(f"{name} ")
    ]


PROBED = (
    "import json, sys\nbatch, steps = int(sys.argv[1].split('/')[0]), int(sys.argv[2])\n"
    "print(json.dumps({'val_nrmse': 0.25, 't': 2.0 + steps * 0.01 * batch, 'peak_memory_gib': 3.5}))\n"
)
"""A step is 0.01 s a sample, and a start 2 s."""


def probed_study(folder: Path, code: str = PROBED, **options) -> Path:
    probe = {"steps": 50, "args": ["{num_steps}"]}
    return script_study(folder, code, probe=probe, keys={"nrmse": "val_nrmse", "time_s": "t"} | options)


def test_where_the_script_can_do_few_steps_it_is_probed_which_is_said_and_needs_no_epoch(tmp_path):
    said = tried(probed_study(tmp_path))
    assert said.code == 0, said.text
    assert "probed, as the stage offers, for" in of(said, "try")[0]
    assert of(said, "probe") == ["two starts, of 50 batches and of 100 (option probe), instead of an epoch"]
    assert of(said, "command") == [f"{sys.executable} {tmp_path}/train.py 6/3/5/1 100"]
    assert of(said, "read")[0].endswith("peak_memory_gib 3.5, 100 batches")
    (steps,) = of(said, "steps")
    assert steps.startswith("0.06 s a batch, to within ")
    assert steps.endswith("; a start costs 2 s beside them")
    assert of(said, "report") == ["nrmse 0.25 after 100 batches"]
    assert of(said, "time") == ["an epoch has about 20 s of steps, 3 epochs 59.9 s"]
    assert of(said, "memory") == ["peak 3.5 GiB, as the script itself reports"]
    assert said.lines[-1].startswith("ready: ")


@pytest.mark.parametrize(
    ("code", "seen", "fix"),
    [
        (PROBED.replace("steps *", "0 *"), "took 2 s and 100 took 2 s", "obeys {num_steps}"),
        ("import sys\nsys.exit('unknown argument 50')", "failed with exit 1: unknown argument 50", ""),
        ("raise MemoryError", "infeasible: memory ran out", "a baseline that can be trained"),
        (THEN_WAIT, "no report came within 1.5 s", "--try-timeout SECONDS"),
    ],
)
def test_a_probe_that_cannot_work_is_a_failure_with_its_fix(tmp_path, code, seen, fix):
    said = tried(probed_study(tmp_path, code), "--try-timeout", "1.5")
    assert said.code == 1
    (failure,) = failures(said)
    assert seen in failure
    assert fix in failure


def failures(said) -> list[str]:
    return [line for line in said.lines if line.startswith("fail")]


def test_a_metric_under_another_name_is_read_and_said_and_the_script_is_ended_after_its_first_epoch(tmp_path):
    study = script_study(
        tmp_path, REPORTING + THEN_WAIT, keys={"nrmse": "val_nrmse"}, start="^go", logs=str(tmp_path / "logs")
    )
    said = tried(study)
    assert said.code == 0, said.text
    (read,) = (line for line in of(said, "read") if line.startswith("line 3: "))
    assert read == (
        'line 3: {"epoch": 1, "val_nrmse": 0.25} -> nrmse 0.25 (from val_nrmse), epoch 1, '
        "time from the wall clock"
    )
    assert of(said, "start") == ["line 2: go -> training begins"]
    assert of(said, "unread")[0].startswith("1 of ")
    assert of(said, "command") == [f"{sys.executable} {tmp_path}/train.py 6/3/5/1"]
    (folder,) = (tmp_path / "logs").iterdir()
    assert of(said, "folder") == [f"{folder} (kept)"]
    assert of(said, "report") == ["epoch 1 of 3: nrmse 0.25"]
    assert of(said, "memory") == ["not measured, so no limit on it can be checked"]
    assert said.lines[-1] == f"ready: python -m tuner.run --space {study}"
    assert not (tmp_path / "runs").exists()


def test_patched_keys_are_said_with_their_old_and_new_values(tmp_path):
    config = tmp_path / "base.yaml"
    config.write_text("train: {batch: 48, micro: 3}\n")
    code = "import sys; print(open(sys.argv[2]).read()); print({'nrmse': 0.5, 'gib': 1.5})"
    study = script_study(tmp_path, code, 1)
    command = ["{python}", str(tmp_path / "train.py"), "{num_taus}{accum_steps}", "{config}"]
    patch = {"train.batch": "batch_size", "train.micro": "micro_batch"}
    study = script_study(
        tmp_path, code, 1, command=command, config=str(config), patch=patch, keys={"peak_memory_gib": "gib"}
    )
    said = tried(study)
    assert of(said, "config") == [
        f"{config}: train.batch: 48 -> 6",
        f"{config}: train.micro: 3, as it was",
    ]
    assert of(said, "memory") == ["peak 1.5 GiB, as the script itself reports"]
    assert "it ended by itself, without an error" in of(said, "trial")
    assert said.code == 0


def test_where_nothing_is_read_the_second_epoch_ends_it_with_the_mapping_to_write(tmp_path):
    said = tried(script_study(tmp_path, REPORTING + THEN_WAIT))
    (failure,) = failures(said)
    assert (
        "no line of output had an object with the key 'nrmse'; the last object had epoch, val_nrmse"
        in failure
    )
    assert "Fix: write keys: {nrmse: val_nrmse}" in failure
    assert "4 of 4 lines were passed over, the last of them: " in of(said, "unread")[0]
    assert (said.code, said.lines[-1]) == (1, "not ready: mend what fails (trial), then try again")


def test_a_script_that_never_reports_is_ended_in_time_and_leaves_no_process(tmp_path):
    code = f"import os; open({str(tmp_path / 'pid')!r}, 'w').write(str(os.getpid()))\nprint('loading')\n"
    said = tried(script_study(tmp_path, code + THEN_WAIT), "--try-timeout", "1.5")
    (failure,) = failures(said)
    assert "no report came within 1.5 s, so it was ended: no line of output had an object" in failure
    assert "--try-timeout SECONDS" in failure
    assert "the last of them: line 1: loading" in of(said, "unread")[0]
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "pid").read_text()), 0)


@pytest.mark.parametrize(
    ("code", "seen"),
    [
        (
            "print('Warning: OOM in consistency distill chunk, skipping chunk')\n" + REPORTING,
            "infeasible: memory ran out, or so its output says: the script ran out of memory, as it",
        ),
        ("print({'nrmse': float('nan')})\n" + THEN_WAIT, "infeasible: its figures are not those of a whole"),
        ("print({'nrmse': float('nan')})\n" + THEN_WAIT, "NRMSE is nan. Fix: give the study a baseline that"),
        ("raise SystemExit('no such data')", "the script failed with exit 1: no such data"),
        ("print({'nrmse': -1})", "metric nrmse=-1 is not above 0"),
    ],
)
def test_what_is_wrong_with_a_trial_fails_with_its_reason(tmp_path, code, seen):
    said = tried(script_study(tmp_path, code))
    (failure,) = failures(said)
    assert seen in failure
    assert said.code == 1


def test_a_script_that_reports_at_its_end_is_waited_for_and_that_is_said_before(tmp_path):
    code = "print({'nrmse': 0.9})\nprint({'nrmse': 0.5})"
    said = tried(script_study(tmp_path, code, per_epoch=False))
    assert of(said, "reports") == [
        "are expected once, at its end (per_epoch: false), so all of its training is waited for"
    ]
    assert of(said, "read")[-1].endswith("-> nrmse 0.5, the whole training, time from the wall clock")
    assert of(said, "report") == ["the whole training: nrmse 0.5"]
    assert said.code == 0


@pytest.mark.parametrize("where", ["command", "env", "patch"])
def test_a_script_that_reports_at_its_end_is_tried_for_one_epoch_if_it_is_told_how_many(tmp_path, where):
    (tmp_path / "c.yaml").write_text("epochs: 9\n")
    code = (
        "import os, sys, time\n"
        "told = [sys.argv[2], os.environ.get('EPOCHS', '9'), open(sys.argv[3]).read().split()[1]]\n"
        "for e in range(min(map(int, told))):\n    time.sleep(0.2); print({'s': 0.2})\n"
    )
    command = ["{python}", str(tmp_path / "train.py"), "{batch_size}{micro_batch}{num_taus}{accum_steps}"]
    command += ["{num_epochs}" if where == "command" else "9", "{config}"]
    options = {"env": {"EPOCHS": "{num_epochs}"}} if where == "env" else {}
    options |= {"patch": {"epochs": "num_epochs"}} if where == "patch" else {}
    said = tried(
        script_study(
            tmp_path,
            code,
            command=command,
            config=str(tmp_path / "c.yaml"),
            evaluate=["{python}", "-c", "print({'nrmse': 0.5})"],
            keys={"time_per_epoch": "s"},
            per_epoch=False,
            **options,
        )
    )
    assert said.code == 0, said.text
    (reports,) = of(said, "reports")
    assert reports.endswith("at its end (per_epoch: false), so it is told 1 epoch only, and waited for")
    assert of(said, "read")[0].endswith("-> time_s 0.2 (from s), epoch 1")
    assert of(said, "report") == ["epoch 1 of 3: nrmse 0.5"]
    assert "3 epochs would take about 0.6 s" in of(said, "time")[0]


def test_a_metrics_file_is_read_at_the_end(tmp_path):
    file = tmp_path / "m.json"
    code = f"open({str(file)!r}, 'w').write('{{\"nrmse\": 0.5}}')"
    said = tried(script_study(tmp_path, code, source="file", file=str(file), per_epoch=False))
    assert of(said, "read") == [f"{file} -> nrmse 0.5, the whole training, time from the wall clock"]


def test_a_class_stage_is_tried_in_the_same_way_and_nothing_is_left_behind(tmp_path):
    cores = os.sched_getaffinity(0)
    said = tried(write_study(tmp_path))
    assert said.code == 0, said.text
    assert of(said, "report")[0].startswith("epoch 1 of 6: nrmse 0.1")
    assert of(said, "memory")[0].endswith("of the stage's process, interpreter and libraries included")
    assert os.sched_getaffinity(0) == cores


@pytest.mark.parametrize(
    ("kind", "epoch", "level"), [("oom", 0, "infeasible"), ("raise", 1, "RuntimeError: ")]
)
def test_a_class_stage_that_fails_says_how(tmp_path, kind, epoch, level):
    options = {"failures": [{"kind": kind, "epoch": epoch}]}
    said = tried(write_study(tmp_path, stage=study_dict()["stage"] | {"options": options}))
    (failure,) = failures(said)
    assert failure.startswith(f"fail  trial      {level}")
    assert "synthetic" in failure


def test_json_says_whether_it_is_ready(tmp_path):
    said = tried(write_study(tmp_path), "--json")
    assert said.json["ready"] is True
    assert {"name": "stage", "level": "ok", "seen": "tests.stages:SyntheticStage", "fix": ""} in said.json[
        "checks"
    ]


def test_half_of_a_pair_of_options_is_refused(tmp_path):
    with pytest.raises(TunerError, match="--try has nothing to run"):
        call("doctor", "--try")
    with pytest.raises(TunerError, match="no meaning without --try"):
        call("doctor", "--space", write_study(tmp_path), "--try-timeout", "3")


ALL = "{batch_size}{micro_batch}{num_taus}{accum_steps}"
MISTAKES = {
    "a module that is not there": (
        {"class": "tests.stagez:SyntheticStage"},
        "there is no module 'tests.stagez'",
    ),
    "a class that is not there": ({"class": "tests.stages:Synthetic"}, "tests.stages has no 'Synthetic'"),
    "another class of the command stage": ({"class": "trainables.command:Command"}, "has no 'Command'"),
    "a script that is not there": ({"command": ["{python}", "no.py", ALL]}, "there is no such file"),
    "a typo in a word": ({"command": ["echo", "{batch_sizes}"]}, "did you mean {batch_size}?"),
    "an unknown option": ({"comand": ["echo"]}, "unknown stage option 'comand'"),
}


@pytest.mark.parametrize("words", [("--plan",), ("--simulate",), ("doctor",), ("doctor", "--try")])
@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_in_the_stage_is_one_message_with_exit_code_2_whoever_looks(
    tmp_path, monkeypatch, name, words
):
    wrong, message = MISTAKES[name]
    command_stage = {
        "class": "trainables.command:CommandStage",
        "options": {"command": ["echo", ALL]},
    }
    if "class" not in wrong:
        wrong = {"options": command_stage["options"] | wrong}
    study = write_study(tmp_path, stage=study_dict()["stage"] | command_stage | wrong)
    monkeypatch.setenv("DISTILL_TUNER_RUNS_DIR", str(tmp_path / "runs"))
    done = call_tuner(*words, "--space", study)
    assert done.returncode == 2, done.stdout + done.stderr
    assert (done.stdout + done.stderr).count(message) == 1
    assert "Fix: " in done.stdout + done.stderr
    assert not (tmp_path / "runs").exists()


def test_planning_and_simulating_a_script_load_neither_ray_nor_torch(tmp_path):
    study = script_study(tmp_path, "")
    code = (
        "import sys, tuner.run\n"
        f"assert tuner.run.main(['--space', {str(study)!r}, '--plan']) == 0\n"
        "print('loaded:', [name for name in ('ray', 'torch') if name in sys.modules])\n"
        "print('looked:', 'trainables.command' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.endswith("loaded: []\nlooked: True\n")


def starting(value: float, *epochs: float) -> str:
    lines = [{"epoch": epoch, "nrmse": nrmse} for epoch, nrmse in enumerate((value, *epochs))]
    body = "    time.sleep(0.3)\n    print(json.dumps(line), flush=True)\n"
    return f"import json, time\nfor line in {lines}:\n{body}"


@pytest.mark.parametrize(
    ("code", "num_epochs", "words", "num_failures"),
    [
        (starting(0.71234, 0.09), 1, "ok    start      the untrained start has nrmse 0.71234", 0),
        (
            starting(0.081234, 0.08),
            1,
            "warn  start      The untrained start already meets the target (NRMSE 0.081234, where at most "
            "0.095 is wanted): the target does not ask for training. Fix: lower the target.",
            0,
        ),
        (starting(0.71234, 0.71234, 0.1), 2, "warn  start      it did not train: its NRMSE at its end is", 0),
        (starting(0.71234, 0.71234), 1, "fail  start      it did not train: its NRMSE at its end is", 1),
    ],
)
def test_a_line_of_epoch_0_is_held_against_the_target_and_the_first_report(
    tmp_path, code, num_epochs, words, num_failures
):
    said = tried(script_study(tmp_path, code, num_epochs))
    assert any(line.startswith(words) for line in said.lines), said.lines
    assert len(failures(said)) == num_failures
