"""Real scripts that write their figures somewhere while they run: each epoch is seen when it is written."""

import pytest

from tests.trainables.test_command import reports, trial
from trainables.command import CommandStage
from trainables.telemetry.failures import ScriptError

# Each goes on to its last epoch once this test has seen the one before: only what is followed live ends.
STEP = (
    "import json, os, sys, time\nfolder = sys.argv[1]\nhistory = []\n{open}\nfor epoch in (1, 2):\n"
    "    time.sleep(0.1)\n    history.append({{'epoch': epoch, 'val': 0.5 / epoch}})\n    {write}\n"
    "    ends = time.monotonic() + 60\n    while epoch == 1 and not os.path.exists(folder + '/seen'):\n"
    "        time.sleep(0.01)\n        assert time.monotonic() < ends\n"
)
SCRIPTS = {
    "jsonl": ("f = open(folder + '/m.jsonl', 'w', 1)", "print(json.dumps(history[-1]), file=f)"),
    "csv": (
        "f = open(folder + '/m.csv', 'w', 1)\nprint('epoch,val', file=f)",
        "print(epoch, .5 / epoch, sep=',', file=f)",
    ),
    "json": ("", "json.dump(history[-1], open(folder + '/m.json', 'w'))"),
    "list": ("", "json.dump(history, open(folder + '/m.json', 'w'), indent=1)"),
    "tensorboard": (
        "from torch.utils.tensorboard import SummaryWriter\nw = SummaryWriter(folder + '/tb')",
        "w.add_scalar('loss/val', 7, epoch * 100); w.add_scalar('val', .5 / epoch, epoch * 100); w.flush()",
    ),
    "wandb": (
        "import wandb\nr = wandb.init(project='p')",
        "r.log({'text': 'x' * 40_000}); r.log({'val': .5 / epoch, 'epoch': epoch})",
    ),
}  # fmt: skip
OPTIONS = {
    "jsonl": {"source": "file", "file": "{dir}/m.jsonl"},
    "csv": {"source": "file", "file": "{dir}/m.csv"},
    "json": {"source": "file", "file": "{dir}/m.json"},
    "list": {"source": "file", "file": "{dir}/m.json"},
    "tensorboard": {"source": "tensorboard", "file": "{dir}/tb"},
    "wandb": {"source": "wandb"},
}


@pytest.mark.parametrize("name", SCRIPTS)
def test_an_epoch_is_reported_while_the_script_still_runs(tmp_path, name):
    begin, write = SCRIPTS[name]
    keys = {"nrmse": "val"} | ({"loss": "loss/val"} if name == "tensorboard" else {})
    config = trial(tmp_path, STEP.format(open=begin, write=write), "{dir}", keys=keys, **OPTIONS[name])
    stage = CommandStage(config=config)
    try:
        first = stage.train()
        (folder,) = (tmp_path / "logs").glob("trial-*")
        (folder / "seen").touch()
        last = stage.train()
    finally:
        stage.stop()
    found = [first, last]
    assert [report["nrmse"] for report in found] == [0.5, 0.25]
    assert [report["done"] for report in found] == [False, True]
    assert all(report["epoch_time_s"] > 0.05 for report in found)


def test_time_is_that_of_the_events_even_when_tensorboard_writes_them_late(tmp_path):
    """SummaryWriter writes every two minutes; each event has the time at which it was logged."""
    code = (
        "import sys, time\nfrom tensorboard.compat.proto.event_pb2 import Event\n"
        "from tensorboard.compat.proto.summary_pb2 import Summary\n"
        "from tensorboard.summary.writer.event_file_writer import EventFileWriter\n"
        "w = EventFileWriter(sys.argv[1])\nprint('go', flush=True)\nfor e in (1, 2):\n    time.sleep(0.2)\n"
        "    v = Summary(value=[Summary.Value(tag='nrmse', simple_value=1 / e)])\n"
        "    w.add_event(Event(wall_time=time.time(), step=e, summary=v))\ntime.sleep(0.5)\nw.close()\n"
    )
    options = {"source": "tensorboard", "file": "{dir}", "start": "^go"}
    first, last = reports(trial(tmp_path, code, "{dir}", **options))
    assert 0.15 < first["time_s"] < last["time_s"] - 0.15
    assert last["time_s"] < first["time_s"] + 0.5
    assert "read at the same moment" not in last["contended_reason"]


PER_EPOCH = (
    "import time\nfor e in (1, 2):\n    time.sleep(0.3)\n"
    "    print({'epoch': e, 'nrmse': 1 / e, 's': %s}, flush=True)\n"
)


def test_the_scripts_seconds_of_each_epoch_are_summed_up(tmp_path):
    first, last = reports(trial(tmp_path, PER_EPOCH % "0.25 + e / 100", keys={"time_per_epoch": "s"}))
    assert (first["time_s"], last["time_s"]) == (0.26, 0.53)
    assert last["epoch_time_s"] == pytest.approx(0.27)


@pytest.mark.parametrize(
    ("keys", "figure", "words"),
    [
        (
            {"time_per_epoch": "s"},
            "300",
            r"time_per_epoch was 300 while 0\.\d+ s passed. Fix: it must be the sec",
        ),
        ({"time_per_epoch": "s"}, "0", "time_per_epoch was 0 while"),
        (
            {"time_s": "s"},
            "0.3",
            r"time_s did not rise: it was 0\.3 .* or seconds of each epoch in keys\.time_per",
        ),
    ],
)
def test_a_clock_of_the_wrong_kind_is_refused_with_the_right_one_named(tmp_path, keys, figure, words):
    with pytest.raises(ScriptError, match=words):
        reports(trial(tmp_path, PER_EPOCH % figure, keys=keys))


def test_a_line_of_start_that_comes_before_set_up_is_named_where_the_clock_does_not_fit_it(tmp_path):
    code = "import time\nprint('go', flush=True)\ntime.sleep(0.5)\n" + PER_EPOCH % "0.25"
    clock = {"time_per_epoch": "s"}
    first, _ = reports(trial(tmp_path, code, keys=clock))
    assert first["time_s"] == 0.25
    with pytest.raises(ScriptError, match=r"since the line of option start\. Fix: .*, leave start out"):
        reports(trial(tmp_path, code, keys=clock, start="^go"))


def test_a_script_that_prints_what_infeasible_if_looks_for_is_infeasible_and_goes_on_no_further(tmp_path):
    code = (
        "print('{\"nrmse\": 1}\\nlatents collapsed in chunk 3', flush=True)\nimport time\ntime.sleep(600)\n"
    )
    *_, last = reports(trial(tmp_path, code, infeasible_if=["(?i)Latents collapsed"]))
    assert (last["status"], last["done"]) == ("nan", True)
    assert "looks for: latents collapsed in chunk 3" in last["error"]


@pytest.mark.parametrize(
    ("printed", "options"),
    [
        ("print({'eval_nrmse': nrmse, 'epoch': float(epoch)})", {"keys": {"nrmse": "eval_nrmse"}}),
        ("print(json.dumps({'epoch': epoch, 'val': {'nrmse': nrmse}}))", {"keys": {"nrmse": "val.nrmse"}}),
        (
            "print(f'epoch {epoch} nrmse={nrmse:.4E}')",
            {"source": "regex", "pattern": "nrmse=(?P<nrmse>[0-9.e+-]+)"},
        ),
        ("print(json.dumps({'epoch': epoch, 'nrmse': nrmse}))", {}),
    ],
)
def test_the_last_nrmse_is_right_however_it_is_printed(tmp_path, printed, options):
    code = f"import json\nfor epoch, nrmse in ((1, 0.1), (2, 0.0913)):\n    {printed}\n"
    assert reports(trial(tmp_path, code, **options))[-1]["nrmse"] == 0.0913
