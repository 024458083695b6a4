"""NRMSE of each epoch from a second command, while the script is suspended."""

import json
import time

import pytest

from tests.trainables.test_command import reports, trial
from trainables.command import CommandStage
from trainables.command.ending import members
from trainables.command.options import CommandOptions
from trainables.command.suspension import Suspension
from trainables.telemetry.failures import ScriptError

WORKS = "import time\ndef work(s):\n  end = time.process_time() + s\n  while time.process_time() < end: 0\n"
TRAINS = (
    f"import json, sys\n{WORKS}"
    "for e in (1, 2, 3):\n"
    "    work(0.1)  # a sleep would end while it is suspended\n"
    "    open(f'{sys.argv[1]}/model', 'w').write(str(1 / e))\n"
    "    print(json.dumps({'epoch': e, 'loss': 3, 'step': 9}), flush=True)\n"
    "print(json.dumps({'loss': 7}))\n"
)
EVALUATES = (
    "import sys, time\n"
    "first = open(f'{sys.argv[1]}/model').read(); time.sleep(0.6)\n"
    "assert open(f'{sys.argv[1]}/model').read() == first\n"
    "print({'rmse': float(first), 'rms': 2, 'epoch': int(sys.argv[2])})\n"
)


def evaluated(folder, code=EVALUATES, trains=TRAINS, **options):
    (folder / "evaluate.py").write_text(code)
    command = ["{python}", str(folder / "evaluate.py"), "{dir}", "{epoch}"]
    given = {"evaluate": command, "keys": {"nrmse": "rmse / rms"}}
    config = trial(folder, trains, "{dir}", **{"num_epochs": 3} | given | options)
    CommandStage.check_parameters(config["stage"], [], [])
    CommandStage.prepare(config["stage"])
    return config


def test_each_epoch_is_evaluated_on_its_own_checkpoint_and_outside_its_time(tmp_path):
    began_s = time.perf_counter()
    found = reports(evaluated(tmp_path))
    wall_s = time.perf_counter() - began_s
    assert [report["nrmse"] for report in found] == [1 / 2, 1 / 4, 1 / 6]
    assert [report["loss"] for report in found] == [3, 3, 3]
    assert found[-1]["evaluate_time_s"] > 1.8
    assert 0.3 <= found[-1]["time_s"] <= wall_s - found[-1]["evaluate_time_s"]
    (folder,) = tmp_path.glob("logs/trial-*")
    logs = [json.loads((folder / f"evaluate-{e}.log").read_text().replace("'", '"')) for e in (1, 2, 3)]
    assert [log["epoch"] for log in logs] == [1, 2, 3]


@pytest.mark.parametrize("num_epochs", [2, 3])
def test_a_script_whose_last_reports_come_together_goes_on_to_its_end(tmp_path, num_epochs):
    trains = (
        "import json, sys, time\n"
        f"lines = [json.dumps({{'epoch': e, 'loss': 3}}) for e in range(1, {num_epochs + 1})]\n"
        "open(f'{sys.argv[1]}/model', 'w').write('1')\n"
        "time.sleep(0.2)\n"
        "print(chr(10).join(lines), flush=True)\n"
        "time.sleep(0.5)  # it is suspended here\n"
        "open(f'{sys.argv[1]}/ended', 'w')\n"
    )
    found = reports(evaluated(tmp_path, trains=trains, num_epochs=num_epochs))
    assert [report["nrmse"] for report in found] == [1 / 2] * num_epochs
    assert len([*tmp_path.glob("logs/trial-*/ended")]) == 1


def test_a_clock_of_the_running_script_stands_while_it_is_suspended():
    suspension = Suspension(-1, "of no process", num_reports=2)
    assert suspension.running_s(7.0) == 7
    before_s = time.perf_counter()
    suspension.report()
    (stands_s,) = {suspension.running_s(before_s + later_s) for later_s in (100.0, 200.0)}
    assert suspension.running_s(before_s) == before_s <= stands_s
    suspension.go_on(0)  # its report has not been evaluated
    assert suspension.running_s(before_s + 300) == stands_s
    suspension.go_on(1)
    assert stands_s < suspension.running_s(before_s + 300) <= before_s + 300
    suspension.report()  # the last
    assert suspension.running_s(before_s + 400) - suspension.running_s(before_s + 300) == pytest.approx(100)


def test_a_script_that_is_stopped_early_while_suspended_is_ended(tmp_path):
    stage = CommandStage(config=evaluated(tmp_path, trains=f"import time\n{TRAINS}time.sleep(60)\n"))
    try:
        assert stage.train()["nrmse"] == 1 / 2
        script = stage._script
    finally:
        stage.stop()
    assert members(script._pid, script._mark) == set()


def test_the_children_of_the_script_are_suspended_too(tmp_path):
    trains = (
        "import subprocess, sys, time\n"
        "code = \"import sys, time\\nwhile 1:\\n  open(sys.argv[1], 'a').write('x'); time.sleep(0.01)\"\n"
        "child = subprocess.Popen([sys.executable, '-c', code, sys.argv[1] + '/ticks'])\n"
        f"{TRAINS}child.kill()\n"
    )
    code = (
        "import os, sys, time\n"
        "size = lambda: os.path.getsize(sys.argv[1] + '/ticks')\n"
        "first = size(); time.sleep(0.2)\n"
        "print({'rmse': 1 + size() - first, 'rms': 1})\n"
    )
    assert [report["nrmse"] for report in reports(evaluated(tmp_path, code, trains))][:2] == [1, 1]


def test_two_reports_that_come_together_are_both_evaluated(tmp_path):
    both = 'print(\'{"epoch": 1}\\n{"epoch": 2}\', flush=True)'
    trains = f"{WORKS}{both}\nwork(0.3)\nprint({{'epoch': 3}})"
    code = "import sys; print({'rmse': int(sys.argv[2]), 'rms': 1})"
    found = reports(evaluated(tmp_path, code, trains))
    assert [report["nrmse"] for report in found] == [1, 2, 3]
    assert found[-1]["time_s"] > 0.3


@pytest.mark.parametrize(
    ("code", "trains", "options", "words"),
    [
        (
            "import sys; sys.exit('no such model')",
            TRAINS,
            {},
            "the evaluation failed with exit 1: no such",
        ),
        ("print({'rmse': 1})", TRAINS, {}, "no JSON object with the key 'rmse' and 'rms' of keys.nrmse"),
        ("print({'rmse': 1, 'rms': 1})", "print({'epoch': 1})", {}, "of only 1 of 3 epochs"),
        ("", "print({'ep': 1})", {}, r"no report had the key 'epoch', after which to evaluate; .* had ep"),
        ("", "print({'epoch': 2})", {}, "a line of epoch 2 came where epoch 1 was due"),
        (
            "import os, sys\nif sys.argv[2] == '1': open(sys.argv[1] + '/m', 'w').write('{\"nrmse\": 1}')",
            TRAINS,
            {"evaluate_file": "{dir}/m", "keys": {}},
            "m is older than the evaluation. Fix: have the command write it",
        ),
    ],
)
def test_what_goes_wrong_is_told(tmp_path, code, trains, options, words):
    with pytest.raises(ScriptError, match=words):
        reports(evaluated(tmp_path, code, trains, **options))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"keys": {"time_s": "t"}}, r"keys\.time_s='t' makes no sense\. Fix: leave it out: the script"),
        ({"keys": {"time_per_epoch": "t"}}, r"keys\.time_per_epoch='t' makes no sense"),
        ({"source": "tensorboard", "file": "x"}, "events are written too late"),
        ({"evaluate": ["x"]}, r"per_epoch: false; .* Or give it the word \{epoch\}"),
    ],
)
def test_what_cannot_be_suspended_truly_is_refused(options, words):
    with pytest.raises(ValueError, match=words):
        CommandOptions(command=["x"], **{"evaluate": ["x", "{epoch}"]} | options)


def test_epoch_is_a_word_of_the_evaluation_only(tmp_path):
    config = evaluated(tmp_path)
    with pytest.raises(ValueError, match="the parameter 'epoch' has the name of a word"):
        CommandStage.check_parameters(config["stage"], ["epoch"], [])
    with pytest.raises(ValueError, match=r"option command: \{epoch\} in '\{epoch\}' is neither"):
        CommandStage.check_parameters(config["stage"] | {"command": ["x", "{epoch}"]}, [], [])


def test_lines_without_a_number_are_epochs_where_they_are_counted(tmp_path):
    loop = "for e in range(3): work(0.1); print({'loss': e + 1, 'epoch': 'x'}, flush=True)"
    code = "import sys; print({'nrmse': int(sys.argv[2])})"
    found = reports(evaluated(tmp_path, code, WORKS + loop, keys={"epoch": ""}))
    assert [(report["nrmse"], report["loss"]) for report in found] == [(1, 1), (2, 2), (3, 3)]
