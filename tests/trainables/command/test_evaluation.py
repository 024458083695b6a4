"""NRMSE from a second command, that runs once when the script has ended well, outside its time."""

import json

import pytest

from tests.trainables.test_command import reports, trial
from trainables.command import CommandStage
from trainables.command.verdict import ScriptLostError
from trainables.telemetry.failures import ScriptError

TRAINS = (
    "import json, sys, time\n"
    "for e in (1, 2):\n"
    "    time.sleep(0.1); print(json.dumps({'loss': 3, 't': 0.1 * e, 'nrmse': 'none yet'}), flush=True)\n"
    "open(sys.argv[1] + '/model', 'w').write('0.25')\n"
)
EVALUATES = (
    "import json, sys, time\n"
    "time.sleep(0.5)\n"
    "value = float(open(sys.argv[1] + '/model').read())\n"
    "print('INFO loading {model}', file=sys.stderr)\n"
    "text = json.dumps({'metrics': {'nrmse': value, 'mse': 1}, 'all': [{'nrmse': 9}]}, indent=2)\n"
    "open(sys.argv[2], 'w').write(text) if sys.argv[2:] else print(text)\n"
    "print(json.dumps({'done': True}))\n"
)


def evaluated(folder, code=EVALUATES, *words, trains=TRAINS, **options):
    (folder / "evaluate.py").write_text(code)
    command = ["{python}", str(folder / "evaluate.py"), "{dir}", *words]
    given = {"evaluate": command, "per_epoch": False, "keys": {"nrmse": "metrics.nrmse"}}
    config = trial(folder, trains, "{dir}", **given | options)
    CommandStage.check_parameters(config["stage"], [], [])
    CommandStage.prepare(config["stage"])
    return config


def test_its_json_may_span_lines_and_its_time_is_none_of_training(tmp_path):
    (report,) = reports(evaluated(tmp_path))
    assert (report["nrmse"], report["epoch"], report["done"]) == (0.25, 2, True)
    assert report["evaluate_time_s"] > 0.5
    assert report["time_s"] > 0.2
    (log,) = tmp_path.glob("logs/trial-*/evaluate.log")
    assert "loading" in log.read_text()
    assert "loading" not in (log.parent / "output.log").read_text()


def test_the_script_keeps_its_own_clock_and_the_evaluation_may_write_a_file(tmp_path):
    keys = {"nrmse": "metrics.nrmse", "time_s": "t"}
    (report,) = reports(
        evaluated(tmp_path, EVALUATES, "{dir}/m.json", evaluate_file="{dir}/m.json", keys=keys)
    )
    assert (report["nrmse"], report["time_s"]) == (0.25, 0.2)


def clocked(*epochs, key="sec"):
    """A script that writes the seconds of each epoch, told by a number or not, and takes as long."""
    return (
        "import json, sys, time\nopen(sys.argv[1] + '/model', 'w').write('0.25')\n"
        f"for e in {epochs!r}:\n"
        "    time.sleep(0.2)\n"
        f"    print(json.dumps({{'epoch': e, {key!r}: 0.15, 'loss': 2}}), flush=True)\n"
        "time.sleep(0.3)\n"
    )


ADDED_UP = {"nrmse": "metrics.nrmse", "time_per_epoch": "sec"}


def test_the_scripts_clock_of_each_epoch_is_added_up(tmp_path):
    (report,) = reports(evaluated(tmp_path, trains=clocked(1, 2), keys=ADDED_UP))
    assert (report["nrmse"], report["time_s"]) == (0.25, 0.3)


def test_epochs_that_count_from_0_are_counted_as_lines_if_the_keys_say_so(tmp_path):
    keys = ADDED_UP | {"epoch": ""}
    (report,) = reports(evaluated(tmp_path, trains=clocked(0, 1), keys=keys))
    assert report["time_s"] == 0.3


def test_the_clock_of_each_epoch_is_added_up_where_the_nrmse_comes_once_at_the_end(tmp_path):
    code = clocked(1, 2) + "print({'nrmse': 0.5})\n"
    config = trial(tmp_path, code, "{dir}", per_epoch=False, keys={"time_per_epoch": "sec"})
    (report,) = reports(config)
    assert (report["nrmse"], report["time_s"]) == (0.5, 0.3)


@pytest.mark.parametrize(
    ("script", "message"),
    [
        (clocked(1), r"the 'sec' \(keys.time_per_epoch\) of only 1 of 2 epochs and then ended well, as a "
         r"script with early stopping does. Fix: switch early stopping off.* leave keys.time_per_epoch out"),
        (clocked(0, 1), "it numbers its epochs from 0, .* Fix: .* keys: {epoch: ''}"),
        (clocked(1, 2, 3), "a line of epoch 3 came, but the study has 2 epochs"),
        (clocked(1, 2, key="s"), r"no 'sec', which keys.time_per_epoch names; it has epoch, s, loss. Fix:"),
    ],
    ids=["stops early", "counts from 0", "trains longer", "under another name"],
)  # fmt: skip
def test_a_clock_that_is_not_that_of_all_epochs_is_a_failure_with_the_fix(tmp_path, script, message):
    with pytest.raises(ScriptError, match=message):
        reports(evaluated(tmp_path, trains=script, keys=ADDED_UP))


def test_the_seconds_of_each_epoch_come_from_a_log_file_and_the_nrmse_from_the_evaluation(tmp_path):
    trains = (
        "import json, sys, time\n"
        "for e in (0, 1):\n"
        "    time.sleep(0.3)\n"
        "    with open(sys.argv[1] + '/log.jsonl', 'a') as f:\n"
        "        print(json.dumps({'distill/epoch': e, 'distill/epoch_time_sec': 0.26 + e / 100}), file=f)\n"
        "open(sys.argv[1] + '/model', 'w').write('0.25')\n"
        "time.sleep(0.5)\n"
    )
    source = {"source": "file", "file": "{dir}/log.jsonl"}
    keys = {"nrmse": "metrics.nrmse", "time_per_epoch": "distill/epoch_time_sec"}
    (report,) = reports(evaluated(tmp_path, trains=trains, keys=keys, **source))
    assert (report["nrmse"], report["time_s"], report["epoch"]) == (0.25, 0.53, 2)
    with pytest.raises(
        ScriptError, match=r"no 's', which keys\.time_per_epoch names; it has distill/epoch, distill/epoch_t"
    ):
        reports(evaluated(tmp_path, trains=trains, keys=keys | {"time_per_epoch": "s"}, **source))


def test_it_runs_where_the_script_does(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "in").mkdir()
    trains, code = "open('in/model', 'w').write('0.5')", "print({'nrmse': float(open('in/model').read())})"
    config = evaluated(tmp_path, code, trains=trains, keys={}, workdir={"copy": ["in"]})
    assert reports(config)[0]["nrmse"] == 0.5
    assert list((tmp_path / "in").iterdir()) == []


@pytest.mark.parametrize(
    ("code", "error", "words"),
    [
        (
            "import sys; sys.exit('no such checkpoint')",
            ScriptError,
            "the evaluation failed with exit 1: no such",
        ),
        (
            "print('fine')",
            ScriptError,
            "it printed no JSON object with the key 'metrics.nrmse'. Fix: have it print one, such as {",
        ),
        (
            "print('{\"nrmse\": 1}')",
            ScriptError,
            r"'metrics.nrmse'; the last object has nrmse\. Fix: write keys: \{nrmse: nrmse\}",
        ),
        ('print(\'{"metrics": {"nrmse": 0}}\')', ScriptError, "metrics.nrmse=0 is not above 0"),
        ("import os; os.kill(os.getpid(), 9)", ScriptLostError, "the evaluation was killed by signal 9"),
    ],
)
def test_its_failure_is_the_trials_and_says_that_it_was_the_evaluation(tmp_path, code, error, words):
    with pytest.raises(error, match=words) as raised:
        reports(evaluated(tmp_path, code))
    assert "evaluate.log" in str(raised.value)


def test_a_file_that_it_does_not_write_is_named(tmp_path):
    with pytest.raises(ScriptError, match=r"the metrics file .*m\.json cannot be read .* evaluate_file out"):
        reports(evaluated(tmp_path, evaluate_file="{dir}/m.json"))


def test_an_evaluation_that_runs_out_of_memory_makes_the_trial_infeasible(tmp_path):
    code = "print('torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB')"
    (report,) = reports(evaluated(tmp_path, code))
    assert report["status"] == "oom"
    assert "the evaluation ran out of memory" in report["error"]


def test_it_is_not_run_when_the_script_fails(tmp_path):
    with pytest.raises(ScriptError, match="the script failed with exit 3"):
        reports(evaluated(tmp_path, trains="import sys; sys.exit(3)"))
    assert list(tmp_path.glob("logs/trial-*/evaluate.log")) == []


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (
            {"evaluate": ["{python}", "none.py"], "per_epoch": False},
            r"option evaluate='none\.py': there is no such",
        ),
        (
            {"evaluate": ["{python}", "-c", "", "{lr}"], "per_epoch": False},
            r"evaluate: \{lr\} in '\{lr\}' is neither",
        ),
        ({"evaluate": ["{python}", "-c", ""]}, "Fix: write per_epoch: false; evaluate runs once"),
        ({"evaluate": "evaluate.py", "per_epoch": False}, "Fix: write a list of words"),
        ({"evaluate_file": "m.json", "per_epoch": False}, "Fix: name the command that writes it in evaluate"),
        (
            {"evaluate": ["{python}", "-c", "{batch_size}"], "per_epoch": False},
            "the study varies the parameter 'batch_size', but it does not reach the script",
        ),
    ],
)
def test_what_cannot_work_is_refused_before_anything_runs(options, words):
    stage = {"command": ["{python}", "-c", ""]} | options
    varying = ["batch_size"] if "{batch_size}" in json.dumps(options) else []

    def check():
        CommandStage.check_parameters(stage, varying, [])
        CommandStage.prepare(stage)

    with pytest.raises(ValueError, match=words):
        check()
