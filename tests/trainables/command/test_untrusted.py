"""Real scripts whose output is not to be believed: what becomes of their trials."""

import json
import os

import pytest

from tests.processes import is_alive, wait_until
from tests.trainables.test_command import output_of, reports, trial
from trainables.command import CommandStage
from trainables.telemetry.failures import ScriptError

START = (
    "import json, os, sys, time\ndef report(epoch, nrmse=0.0913, **more):\n"
    "    print(json.dumps({'epoch': epoch, 'nrmse': nrmse} | more))\n"
)
OOM = "print('Warning: OOM in consistency distill chunk, skipping chunk')\n"


@pytest.mark.parametrize(
    ("code", "num_good", "status", "words"),
    [
        (
            f"{OOM}report(1); report(2)",
            0,
            "oom",
            "OOM in consistency distill chunk, skipping chunk; its output",
        ),
        (f"report(1)\n{OOM}report(2)", 1, "oom", "OOM in consistency"),
        (f"report(1); report(2)\n{OOM}", 1, "oom", "OOM in consistency"),
        (
            "print('loss is nan, skipping step')\nreport(1); report(2)",
            0,
            "nan",
            "as it says: loss is nan, skipping",
        ),
        (r"print('\x1b[33mOOM in chunk 3\x1b[0m, skipping')", 0, "oom", "says: OOM in chunk 3, skipping;"),
        ("raise OSError('CUDA driver error: out of memory')", 0, "oom", "CUDA driver error: out of memory"),
        ("raise RuntimeError('x') from MemoryError('9 GiB')", 0, "oom", "MemoryError: 9 GiB"),
        ("report(1, nrmse=float('nan'))", 0, "nan", "NRMSE is nan"),
    ],
)
def test_memory_that_ran_out_and_work_that_was_skipped_are_infeasible(
    tmp_path, code, num_good, status, words
):
    *good, last = reports(trial(tmp_path, START + code))
    assert [report["status"] for report in good] == ["ok"] * num_good
    assert (last["status"], last["done"]) == (status, True)
    assert words in last["error"]
    assert "\n" not in last["error"]


def test_a_script_that_says_it_ran_out_of_memory_is_ended_there(tmp_path):
    code = (
        f"{START}open(sys.argv[1], 'w').write(str(os.getpid()))\n{OOM}sys.stdout.flush()\ntime.sleep(600)\n"
    )
    (report,) = reports(trial(tmp_path, code, str(tmp_path / "pid")))
    assert report["status"] == "oom"
    wait_until(lambda: not is_alive(int((tmp_path / "pid").read_text())))


@pytest.mark.parametrize(
    ("code", "options", "words"),
    [
        (
            "print('hint: on CUDA out of memory, lower --mb')\n{}['teacher_ckpt']",
            {},
            "the script failed with exit 1: KeyError: 'teacher_ckpt'; its output",
        ),
        (
            "for rank in (0, 1): report(1)",
            {},
            "a line of epoch 1 came twice. Fix: print metrics from rank 0 only",
        ),
        ("report(1); report(2); report(2)", {}, "a line of epoch 2 came twice"),
        (
            "for i in range(3): print('{\"nrmse\": 1}')",
            {},
            "it printed more lines with an NRMSE than the 2 epochs",
        ),
        ("report(0); report(1)", {}, "it numbers its epochs from 0"),
        ("report(1, nrmse=0)", {}, "metric nrmse=0 is not above 0"),
        ("report(1, nrmse=True)", {}, "metric nrmse=True is not a number"),
        (
            "for e in (1, 2):\n    time.sleep(0.2)\n    report(e, seconds=0.2)",
            {"keys": {"time_s": "seconds"}},
            "time_s did not rise: it was 0.2 and then 0.2. Fix: time_s must be cumulative seconds",
        ),
        (
            "report(1, seconds=1000)",
            {"keys": {"time_s": "seconds"}, "per_epoch": False},
            "time_s went from 0 to 1000 while",
        ),
        (
            "print('nrmse=low')",
            {"source": "regex", "pattern": r"nrmse=(?P<nrmse>\w+)"},
            "'low', which is not a number",
        ),
    ],
)
def test_output_that_cannot_be_is_one_failure_whose_first_line_says_why(tmp_path, code, options, words):
    with pytest.raises(ScriptError) as raised:
        reports(trial(tmp_path, START + code, **options))
    assert words in str(raised.value).splitlines()[0]


def test_an_evaluation_before_training_is_no_epoch_and_nothing_but_metrics_is_taken(tmp_path):
    more = "status='oom', done=True, device='a card', energy_j=1, resumed=True, peak_memory_gib=3"
    trains = "time.sleep(0.3)\n"  # lines that are read together tell no time
    epochs = ("report(0, nrmse=0.9)\n", f"report(1, {more})\n", "report(2, nrmse=0.09)")
    first, last = reports(trial(tmp_path, START + trains.join(epochs)))
    assert [report["nrmse"] for report in (first, last)] == [0.0913, 0.09]
    assert (first["status"], first["done"], first["resumed"], first["energy_j"]) == ("ok", False, False, None)
    assert first["device"] != "a card"
    assert last["peak_memory_gib"] == 3
    assert last["epoch"] == 2


def test_a_script_may_use_all_cores_and_its_memory_is_of_no_known_device(tmp_path):
    allowed = os.sched_getaffinity(0)
    code = f"{START}print(sorted(os.sched_getaffinity(0)))\nreport(1)\n"
    (report,) = reports(trial(tmp_path, code, num_epochs=1) | {"num_threads": 1})
    assert report["status"] == "ok"
    assert json.loads(output_of(tmp_path).splitlines()[0]) == sorted(allowed)
    told = CommandStage.describe_device({})
    assert (told["kind"], told["memory_gib"]) == ("cpu", None)
