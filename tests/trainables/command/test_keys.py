"""Keys that are worked out from a script's figures, and keys that are only names."""

import json
import math

import pytest

from tests.trainables.command.test_metrics import seen, watch
from tests.trainables.test_command import reports, trial
from trainables.command.account import Account
from trainables.command.keys import find, names_of
from trainables.command.objects import MISSING
from trainables.command.options import CommandOptions

FIGURES = {"rmse": 0.2, "target_rms": 4, "mem_mb": 512, "metrics": {"rmse": 1, "rms": 2}, "eval/rmse": 3}


@pytest.mark.parametrize(
    "key",
    [
        *("nrmse", "eval/loss", "val-nrmse", "val nrmse", "a.b", "eval/loss_(mean)", "loss*100"),
        *("val - nrmse mean", "rmse /target", "max(loss)", "'nrmse'", "f(a, b)", "", "min ("),
        *("größe/x", "a\nb", "-nrmse", "1"),
    ],
)
def test_what_is_used_as_a_name_today_stays_one(key):
    assert names_of(key) == [key]
    assert find({key: 7}, key) == 7


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("rmse / target_rms", 0.05),
        ("  (rmse + 1) / (target_rms - 1.0)  ", 0.4),
        ("metrics.rmse / metrics.rms", 0.5),
        ("'eval/rmse' / \"target_rms\"", 0.75),
        ("'metrics.rmse' / metrics.rms", 0.5),
        ("mem_mb / 1024", 0.5),
        ("mem_mb / (1024 * 1024 * 1024)", 512 / 2**30),
        ("min(rmse, target_rms, 0.1)", 0.1),
        ("max(rmse, metrics.rms) % 2 // 3 - -1", 1),
    ],
)
def test_an_expression_is_worked_out_from_the_figures_of_one_report(key, value):
    assert find(FIGURES, key) == pytest.approx(value)


def test_a_figure_of_that_very_name_comes_first():
    assert find({"rmse / rms": 0.3, "rmse": 1, "rms": 2}, "rmse / rms") == 0.3
    assert find({"größe": 3, "weite": 2}, "größe / weite") == 1.5


@pytest.mark.parametrize(
    ("values", "answer"),
    [
        ({"rmse": 1}, MISSING),
        ({"rmse": 1, "rms": None}, None),
        ({"rmse": None}, MISSING),
        ({"rmse": math.inf, "rms": 2}, math.inf),
        ({"rmse": 10**400, "rms": 2}, math.inf),
    ],
)
def test_what_is_missing_or_null_has_no_answer(values, answer):
    assert find(values, "rmse / rms") is answer or find(values, "rmse / rms") == answer


@pytest.mark.parametrize(("rmse", "rms"), [(math.nan, 2), (math.inf, math.inf), ("null", 2)])
def test_a_quotient_that_is_no_number_is_an_answer(rmse, rms):
    text = f'{{"rmse": {rmse}, "rms": {rms}}}'.replace("nan", "NaN").replace("inf", "Infinity")
    for key in ("rmse / rms", "min(rmse - rms, 1)"):
        (metrics,) = seen(text, keys={"nrmse": key})
        assert math.isnan(metrics["nrmse"])


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ('{"rmse": "high", "rms": 1}', "rmse='high' is not a number, so 'rmse / rms' cannot be worked out"),
        ('{"rmse": true, "rms": 1}', "rmse=True is not a number"),
        ('{"rmse": {"x": 1}, "rms": 1}', "rmse={'x': 1} is not a number"),
        ('{"rmse": 1, "rms": 0}', "the expression 'rmse / rms' divides by zero at rmse=1, rms=0. Fix: have"),
        ('{"rmse": 0, "rms": 1}', "metric rmse / rms=0.0 is not above 0"),
    ],
)
def test_what_cannot_be_worked_out_is_refused_with_the_fix(line, words):
    with pytest.raises(ValueError, match="Fix") as raised:
        seen(line, keys={"nrmse": "rmse / rms"})
    assert words in str(raised.value)


def test_every_metric_and_the_epoch_may_be_an_expression():
    keys = {
        "nrmse": "rmse / target_rms",
        "loss": "loss_sum / num",
        "time_per_epoch": "ms / 1000",
        "peak_memory_gib": "mem_mb / 1024",
        "epoch": "epoch + 1",
    }
    lines = [
        f'{{"epoch": {e}, "rmse": 1, "target_rms": 2, "loss_sum": 9, "num": 3, "ms": 500, "mem_mb": 512}}'
        for e in (0, 1)
    ]
    rest = {"nrmse": 0.5, "loss": 3, "peak_memory_gib": 0.5}
    assert seen(*lines, keys=keys) == [rest | {"time_s": 0.5}, rest | {"time_s": 1}]


def test_figures_of_two_lines_are_never_joined_and_the_message_names_what_was_looked_for():
    output = watch(keys={"nrmse": "rmse / rms"})
    assert [list(output.see(line, 0.0)) for line in ('{"rms": 2}', '{"rmse": 1}')] == [[], []]
    assert (
        "with the key 'rmse' and 'rms' of keys.nrmse='rmse / rms'; the last object had rmse."
        in output.explain()
    )


def test_a_quotient_without_spaces_is_told_to_have_them():
    output = watch(keys={"nrmse": "rmse/rms"})
    list(output.see('{"rmse": 1, "rms": 2}', 0.0))
    assert "Fix: write spaces around the operators of keys.nrmse='rmse/rms'" in output.explain()


@pytest.mark.parametrize(
    ("key", "fix"),
    [
        ("-logp", "Fix: write keys: {nrmse: 0 - logp}, so that it is worked out"),
        ("- val.logp", "Fix: write keys: {nrmse: 0 - val.logp}, so that it is worked out"),
        (
            "sqrt(logp)",
            "Fix: have it report sqrt(logp) itself, under a name for keys.nrmse: expressions have",
        ),
        ("max(logp)", "Fix: have it report max(logp) itself"),
        ("'logp'/'val.logp'", "Fix: write spaces around the operators"),
        ("-loss", "Fix: write keys: {nrmse: NAME}"),
        ("'logp'/'loss'", "Fix: write keys: {nrmse: NAME}"),
    ],
)
def test_a_name_that_could_be_worked_out_from_what_is_there_is_told_how(key, fix):
    output = watch(keys={"nrmse": key})
    list(output.see('{"logp": 1, "val": {"logp": 2}}', 0.0))
    assert fix in output.explain()


@pytest.mark.parametrize(
    ("options", "fix"),
    [
        ({}, 'Fix: print it in an object, such as {"nrmse": 0.1}, or read lines as they are: source: regex'),
        ({"keys": {"nrmse": "a / b"}}, 'such as {"a": 0.1, "b": 0.1}, or'),
        ({"evaluate": ["x", "{epoch}"]}, 'such as {"epoch": 1}, or'),
    ],
)
def test_output_without_any_object_is_not_told_to_name_a_key(options, fix):
    output = watch(**options)
    list(output.see("epoch 1 nrmse 0.2", 0.0))
    assert fix in output.explain()


@pytest.mark.parametrize(
    ("key", "words"),
    [
        ("rmse / rms ** 2", r"uses \*\*, which expressions may not\. Fix: use names"),
        ("abs(rmse - rms)", r"uses a call of abs, which"),
        ("rmse[0] - 1", r"uses \[ \], which"),
        ("rmse < rms - 1", r"uses Compare expressions"),
        (
            "eval/rmse / eval/rms",
            "operators with and without spaces around them. Fix: write spaces .* in quotes",
        ),
        ("1 + 2", "name a figure of the script in the expression"),
    ],
)
def test_an_expression_that_may_not_be_is_refused_before_anything_starts(key, words):
    with pytest.raises(ValueError, match=f"stage option keys.nrmse.*{words}"):
        CommandOptions(command=["x"], keys={"nrmse": key})


def test_a_regex_gives_the_names_of_an_expression():
    pattern = r"rmse (?P<rmse>[0-9.]+) of (?P<rms>\S+)"
    options = {"source": "regex", "pattern": pattern}
    assert seen("rmse 1.5 of 3", keys={"nrmse": "rmse / rms"}, **options) == [{"nrmse": 0.5}]
    with pytest.raises(ValueError, match="give the regex a group named scale"):
        watch(keys={"nrmse": "rmse / scale"}, **options)


def test_a_trial_shows_what_its_nrmse_is_from(tmp_path):
    keys = {"nrmse": "rmse / target_rms"}
    options = CommandOptions(command=["x"], keys=keys)
    account = Account(options, watch(1, keys=keys), 1)
    assert list(account.see(json.dumps(FIGURES), 0.0)) == [{"nrmse": 0.05}]
    assert "-> nrmse 0.05 (from rmse / target_rms), epoch 1" in dict(account.what_was_read())["read"]
    (tmp_path / "evaluate.py").write_text("print({'mse': {'rmse': 0.1, 'rms': 0.2}})")
    command = ["{python}", str(tmp_path / "evaluate.py")]
    config = trial(
        tmp_path, "", evaluate=command, per_epoch=False, keys={"nrmse": "mse.rmse / mse.rms"}, logs=""
    )
    assert reports(config)[0]["nrmse"] == 0.5
