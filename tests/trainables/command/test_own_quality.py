"""A script's quality figure has the study's name for it: in keys, in reports and in messages."""

import re

import pytest

from tests.trainables.test_command import reports, trial
from trainables.command import CommandStage
from trainables.command.options import CommandOptions
from trainables.command.output import OutputWatch

LOSSES = "import json,sys\nfor e in (1, 2): print(json.dumps({'nll': -e, 'nrmse': 9}), flush=True)\n"


def options(**given):
    return CommandOptions.parse({"command": ["x"], "quality_metric": "nll", **given})


def seen(line, **given):
    return list(OutputWatch(options(**given), 3).see(line, 0.0))


@pytest.mark.parametrize(
    ("line", "given", "value"),
    [
        ('{"epoch": 1, "nll": -3.25}', {}, -3.25),
        ('{"epoch": 1, "nll": 0, "nrmse": 0.5}', {}, 0.0),
        ('{"epoch": 1, "eval": {"loss": -3.25}}', {"keys": {"nll": "eval.loss"}}, -3.25),
        ("nll=-3.25 nrmse=7", {"source": "regex", "pattern": r"nll=(?P<nll>\S+)"}, -3.25),
        ("L -3.25", {"source": "regex", "pattern": r"L (?P<l>\S+)", "keys": {"nll": "l"}}, -3.25),
    ],
)
def test_the_figure_is_found_under_the_studys_name_or_what_keys_maps_it_to(line, given, value):
    assert seen(line, **given) == [{"nrmse": value}]  # the word for it within the stage


def test_a_line_with_an_nrmse_alone_is_no_report():
    assert seen('{"epoch": 1, "nrmse": 0.5}') == []


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"keys": {"nrmse": "x"}}, "Fix: write nll, as the study calls its quality figure."),
        ({"keys": {"nl": "x"}}, "Fix: use one of nll, loss, time_s, time_per_epoch, peak_memory_gib, epoch."),
        ({"source": "regex", "pattern": "x"}, "Fix: give the regex a group named nll,"),
    ],
)
def test_mistakes_call_it_by_the_studys_name(given, told):
    with pytest.raises(ValueError, match=re.escape(told)):
        options(**given)


def test_what_is_missing_is_told_by_the_studys_name():
    watch = OutputWatch(options(), 3)
    assert list(watch.see('{"epoch": 1, "val_nll": 3}', 0.0)) == []
    assert watch.explain() == (
        "no line of output had an object with the key 'nll'; the last object had epoch, val_nll. "
        "Fix: write keys: {nll: val_nll} in the stage's options."
    )


def test_a_script_reports_a_figure_below_zero(tmp_path):
    first, last = reports(trial(tmp_path, LOSSES, quality_metric="nll"))
    assert [r["nll"] for r in (first, last)] == [-1, -2]
    assert "nrmse" not in first


def test_a_script_without_the_figure_is_told_so_by_its_name(tmp_path):
    with pytest.raises(Exception, match=r"ended without a metric nll: .*keys: \{nll: NAME\}") as raised:
        reports(trial(tmp_path, "print('{\"x\": 1}')", quality_metric="nll"))
    assert "nrmse" not in str(raised.value).lower()


def test_an_evaluation_computes_the_figure(tmp_path):
    evaluate = ["{python}", "-c", "print('{\"nll\": -3.5}')"]
    (report,) = reports(
        trial(tmp_path, "", quality_metric="nll", evaluate=evaluate, per_epoch=False, num_epochs=1)
    )
    assert report["nll"] == -3.5


def test_the_name_is_among_the_options_on_which_quality_depends():
    given = {"command": ["x"], "quality_metric": "nll", "device": "cpu"}
    assert CommandStage.quality_options(given) == {"command": ["x"], "quality_metric": "nll"}
