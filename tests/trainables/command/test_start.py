"""The NRMSE of a script's untrained start: from a line of epoch 0, or from a command of its own."""

import json

import pytest

from tests.studies import make_record
from tests.trainables.test_command import reports, trial
from trainables.command import CommandStage
from trainables.command.options import CommandOptions
from trainables.command.output import OutputWatch
from trainables.telemetry.failures import MissingMetricError, ScriptError
from tuner.core.entrance import admit
from tuner.core.measurement import Status
from tuner.core.trial import TrialState


def line(epoch, nrmse):
    return json.dumps({"nrmse": nrmse} | ({} if epoch is None else {"epoch": epoch}))


@pytest.mark.parametrize(
    ("lines", "num_epochs", "per_epoch", "start"),
    [
        ([(0, 9), (1, 2), (2, 1)], 2, True, 9),
        ([(-1, 8), (0, 9), (1, 2), (2, 1)], 2, True, 9),
        ([(1, 2), (2, 1)], 2, True, None),
        ([(None, 2), (None, 1)], 2, True, None),
        ([(0, 9), (1, 2), (2, 1)], 2, False, 9),
        ([(0, 9), (None, 1)], 2, False, 9),
        ([(0, 9), (1, 2)], 2, False, None),
        ([(0, 9), (None, 9)], 1, False, None),
        ([(2, 1), (0, 9)], 2, False, None),
    ],
)
def test_a_line_of_epoch_0_is_the_start_unless_it_may_be_the_end_of_the_first(
    lines, num_epochs, per_epoch, start
):
    watch = OutputWatch(CommandOptions(command=["x"], per_epoch=per_epoch), num_epochs)
    for at_s, (epoch, nrmse) in enumerate(lines):
        list(watch.see(line(epoch, nrmse), float(at_s)))
    assert watch.start_nrmse == start


STARTS = (
    "import json, sys, time\n"
    "time.sleep(0.6)\n"
    "print(json.dumps({'epoch': 0, 'nrmse': 0.71234}), flush=True)\n"
    "for e in (1, 2):\n"
    "    time.sleep(0.1); print(json.dumps({'epoch': e, 'nrmse': NRMSE}), flush=True)\n"
)


def test_its_evaluation_is_no_training_and_every_report_says_it(tmp_path):
    first, last = reports(trial(tmp_path, STARTS.replace("NRMSE", "0.5 / e")))
    assert first["start_nrmse"] == last["start_nrmse"] == 0.71234
    assert first["time_s"] == pytest.approx(last["time_s"] - last["epoch_time_s"])
    assert first["setup_time_s"] + first["warmup_time_s"] < 0.6  # it is not waited for there


def test_a_script_that_swallows_an_error_and_evaluates_its_untouched_start_did_not_train(tmp_path):
    code = "try: raise MemoryError\nexcept MemoryError: pass\n" + STARTS.replace("NRMSE", "0.71234")
    record = make_record(curve=(), num_epochs=2, state=TrialState.RUNNING)
    for report in reports(trial(tmp_path, code)):
        record = record.observed(admit(report, record))
    assert [m.status for m in record.measurements] == [Status.OK, Status.NAN]
    assert record.last is not None
    assert "that of the untrained start, 0.71234" in record.last.error


EVALUATES = "import sys; print({'nrmse': float(open(sys.argv[1]).read())})\n"


def with_start(folder, code=EVALUATES, *, measure_start=True, **options):
    (folder / "evaluate.py").write_text(code)
    (folder / "start").write_text("0.75")
    command = ["{python}", str(folder / "evaluate.py")]
    given = {
        "evaluate": [*command, "{dir}/model"],
        "evaluate_start": [*command, str(folder / "start")],
        "per_epoch": False,
    }
    config = trial(
        folder, "import sys; open(sys.argv[1], 'w').write('0.25')", "{dir}/model", **given | options
    )
    CommandStage.check_parameters(config["stage"], [], [])
    CommandStage.prepare(config["stage"])
    return config | {"measure_start": measure_start}


def test_a_command_evaluates_the_start_before_the_script_starts_where_that_is_wanted(tmp_path):
    config = with_start(tmp_path)
    assert CommandStage.evaluates_start(config["stage"])
    assert not CommandStage.evaluates_start({"command": ["x"]})
    (report,) = reports(config)
    assert (report["start_nrmse"], report["nrmse"]) == (0.75, 0.25)
    (log,) = tmp_path.glob("logs/trial-*/evaluate_start.log")
    assert "0.75" in log.read_text()


def test_other_trials_are_not_held_up_by_it(tmp_path):
    (report,) = reports(with_start(tmp_path, measure_start=False))
    assert (report["start_nrmse"], report["nrmse"]) == (None, 0.25)
    assert not list(tmp_path.glob("logs/trial-*/evaluate_start.log"))


def test_the_metrics_file_of_the_start_does_not_pass_for_that_of_the_end(tmp_path):
    code = (
        "import json, os, sys\nif os.path.basename(sys.argv[1]) == 'start':\n"
        "    open(os.path.join(sys.argv[2], 'm.json'), 'w').write(json.dumps({'nrmse': 0.75}))\n"
    )
    config = with_start(tmp_path, code, evaluate_file="{dir}/m.json")
    for name in ("evaluate", "evaluate_start"):
        config["stage"][name].append("{dir}")
    with pytest.raises(ScriptError, match=r"the metrics file .*m\.json cannot be read"):
        reports(config)


def test_a_start_that_cannot_be_evaluated_fails_the_trial(tmp_path):
    config = with_start(tmp_path)
    (tmp_path / "start").unlink()
    with pytest.raises(ScriptError, match="the evaluation failed with exit 1: FileNotFoundError") as raised:
        reports(config)
    assert "evaluate_start.log" in str(raised.value)


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("evaluate.py", r"evaluate_start='evaluate\.py' makes no sense\. Fix: write a list of words"),
        (["{python}", "none.py"], r"option evaluate_start='none\.py': there is no such"),
        (["{python}", "-c", "{lr}"], r"evaluate_start: \{lr\} in '\{lr\}' is neither"),
    ],
)
def test_a_command_that_cannot_start_is_refused(tmp_path, command, words):
    with pytest.raises(ValueError, match=words):
        with_start(tmp_path, evaluate_start=command)


@pytest.mark.parametrize(
    ("code", "options", "kind"),
    [
        ("print({'loss': 1, 'score': 2})", {}, MissingMetricError),
        ("print({'loss': 1, 'score': 2})", {"per_epoch": False}, MissingMetricError),
        ("print({'nrmse': 1})", {"keys": {"time_s": "t"}}, MissingMetricError),
        ("print('done')", {}, ScriptError),
        ("print({'epoch': 1, 'nrmse': 1})", {}, ScriptError),
        ("raise SystemExit(3)", {}, ScriptError),
    ],
)
def test_only_reports_under_other_names_are_a_cause_that_every_trial_shares(tmp_path, code, options, kind):
    with pytest.raises(ScriptError) as raised:
        reports(trial(tmp_path, code, **options))
    assert type(raised.value) is kind
