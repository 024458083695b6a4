"""Lines and files become metrics, or are refused."""

import math

import pytest

from trainables.command.options import CommandOptions
from trainables.command.output import STARTED, OutputWatch
from trainables.telemetry.failures import SkippedWorkError


def watch(num_epochs=3, **options):
    return OutputWatch(CommandOptions(command=["x"], **options), num_epochs)


def seen(*lines, num_epochs=3, **options):
    output = watch(num_epochs, **options)
    return [metrics for line in lines for metrics in output.see(line, 0.0)]


@pytest.mark.parametrize(
    ("line", "keys", "metrics"),
    [
        ('{"epoch": 1, "nrmse": 0.0913}', {}, {"nrmse": 0.0913}),
        ("{'eval_nrmse': 0.0913, 'epoch': 1.0}", {"nrmse": "eval_nrmse"}, {"nrmse": 0.0913}),
        ("{'eval_nrmse': '0.0913', 'epoch': '1.0'}", {"nrmse": "eval_nrmse"}, {"nrmse": 0.0913}),
        ('{"epoch": 1, "val": {"nrmse": 0.0913}}', {"nrmse": "val.nrmse"}, {"nrmse": 0.0913}),
        ('{"val.nrmse": 0.0913, "val": {"nrmse": 9}}', {"nrmse": "val.nrmse"}, {"nrmse": 0.0913}),
        ('[rank0] INFO {x} {"lr": 1} {"nrmse": 1, "loss": null}', {}, {"nrmse": 1}),
        ('{"nrmse": 1e999, "loss": -2}', {}, {"nrmse": math.inf, "loss": -2}),
        ('{"nrmse": 1, "time_s": 5, "peak_memory_gib": 0}', {}, {"nrmse": 1, "peak_memory_gib": 0}),
        ('{"nrmse": 1, "t": 5, "round": 1}', {"time_s": "t", "epoch": "round"}, {"nrmse": 1, "time_s": 5}),
        ('{"nrmse": 1, "epoch": "1/3"}', {"epoch": ""}, {"nrmse": 1}),
        (
            '{"nrmse": 1, "status": "oom", "done": true, "device": "x", "energy_j": 1, "probe": []}',
            {},
            {"nrmse": 1},
        ),
    ],
)
def test_a_line_becomes_the_metrics_that_are_ours_and_nothing_else(line, keys, metrics):
    assert seen(line, keys=keys) == [metrics]


@pytest.mark.parametrize("text", ["null", "NaN"])
def test_null_and_nan_are_answers(text):
    ((nrmse,),) = (metrics.values() for metrics in seen(f'{{"nrmse": {text}}}'))
    assert math.isnan(nrmse)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ('{"nrmse": true}', "metric nrmse=True is not a number"),
        ('{"nrmse": "0.0913"}', "metric nrmse='0.0913' is not a number"),
        ('{"nrmse": [0.1]}', "metric nrmse=[0.1] is not a number"),
        ('{"nrmse": 0}', "metric nrmse=0 is not above 0"),
        ('{"nrmse": -0.1}', "metric nrmse=-0.1 is not above 0"),
        ('{"nrmse": 1, "loss": false}', "metric loss=False is not a number"),
        ('{"nrmse": 1, "peak_memory_gib": -1}', "metric peak_memory_gib=-1 is not an amount of memory"),
        ('{"nrmse": 1, "t": Infinity}', "metric t=inf is not a time"),
        ('{"nrmse": 1, "epoch": "1/3"}', "epoch='1/3' is not a number"),
        ('{"nrmse": 1, "epoch": true}', "epoch=True is not a number"),
        ('{"nrmse": 1, "epoch": NaN}', "epoch=nan is not a number"),
        ('{"epoch": 1, "nrmse": 1, "t": 1}{"epoch": 1, "nrmse": 1, "t": 1}', "epoch 1 came twice"),
    ],
)
def test_what_a_metric_cannot_be_is_refused_with_the_fix(line, words):
    with pytest.raises(ValueError, match="Fix") as raised:
        seen(line, keys={"time_s": "t"})
    assert words in str(raised.value)


def test_a_line_without_an_nrmse_may_hold_anything():
    assert seen('{"loss": "high", "epoch": "1/3", "peak_memory_gib": -1}', "{", "", "{'a': <x>}") == []


def test_lines_before_the_start_and_the_evaluation_before_training_are_no_reports():
    lines = ['{"nrmse": 9}', "go", '{"epoch": 0, "nrmse": 9}', '{"epoch": 1, "nrmse": 1}']
    assert seen(*lines, start="^go") == [STARTED, STARTED, {"nrmse": 1}]
    output = watch(per_epoch=False)
    for line in ('{"epoch": 3, "nrmse": 1}', '{"epoch": 0, "nrmse": 9}'):
        assert list(output.see(line, 7.0)) == []
    assert output.last == ({"nrmse": 1}, 7.0)


def test_the_example_pattern_of_number_characters_reads_exponents_and_nan():
    pattern = "nrmse=(?P<nrmse>[0-9.e+-]+)"
    first, last = seen("epoch 1 nrmse=9.1300E-02", "epoch 2 nrmse=nan", source="regex", pattern=pattern)
    assert first == {"nrmse": 0.0913}
    assert math.isnan(last["nrmse"])


def test_a_group_named_epoch_is_the_epoch():
    pattern = r"epoch (?P<epoch>\d+) nrmse=(?P<nrmse>\S+)"
    lines = ["epoch 0 nrmse=9", "epoch 1 nrmse=1"]
    assert seen(*lines, source="regex", pattern=pattern) == [STARTED, {"nrmse": 1}]
    with pytest.raises(ValueError, match="came twice"):
        seen(*lines, lines[1], source="regex", pattern=pattern)


@pytest.mark.parametrize(
    ("line", "error"),
    [
        ("Warning: OOM in chunk 3, skipping chunk", MemoryError),
        ("loss is nan, skipping step", SkippedWorkError),
    ],
)
def test_a_line_that_makes_the_trial_infeasible_is_noticed_even_before_training(line, error):
    for options in ({}, {"start": "go"}, {"source": "file", "file": "m.json"}):
        with pytest.raises(error, match="as it says: "):
            seen(line, **options)


def test_source_code_that_a_traceback_shows_is_no_report():
    frame, code = '  File "train.py", line 3, in step', '    warn("CUDA out of memory, skipping batch")'
    assert seen(frame, code) == []
    with pytest.raises(MemoryError):
        seen(code, keys={})


def followed(path, *, num_epochs=3, **options):
    """Returns metrics and explanation of a file that is there when the script ends."""
    output = watch(num_epochs, source="file", file=str(path), **options)
    content = path.read_text()
    path.unlink()
    output.follow(path)
    path.write_text(content)
    return [metrics for metrics, _ in output.poll(0.0, is_end=True)], output


@pytest.mark.parametrize(
    ("name", "text", "metrics"),
    [
        ("m.json", '{"nrmse": 0.5}', {"nrmse": 0.5}),
        ("m.json", '{\n"val": {"nrmse": 0.5}\n}', {"nrmse": 0.5}),
        ("m.json", '{"nrmse": 1}\n{"nrmse": 0.5, "loss": 2}\n', {"nrmse": 0.5, "loss": 2}),
        ("m.JSONL", '{"nrmse": 1}\n{"nrmse": 0.5, "loss": 2}\n', {"nrmse": 0.5, "loss": 2}),
        ("m.csv", "nrmse,loss\n1,3\n.5,2\n", {"nrmse": 0.5, "loss": 2}),
    ],
)
def test_a_file_of_a_script_that_reports_at_its_end_counts_by_its_last_report(tmp_path, name, text, metrics):
    (tmp_path / name).write_text(text)
    keys = {"nrmse": "val.nrmse"} if "val" in text else {}
    found, output = followed(tmp_path / name, per_epoch=False, keys=keys)
    assert found == []
    assert output.last == (metrics, 0.0)


def test_a_metrics_file_without_the_key_is_told_with_what_it_has(tmp_path):
    (tmp_path / "m.json").write_text('{"val": {"nrmse": 0.5}}')
    _, output = followed(tmp_path / "m.json")
    assert "but val.nrmse. Fix: write keys: {nrmse: val.nrmse}" in output.explain()


def test_what_a_file_holds_before_the_start_line_does_not_count(tmp_path):
    (tmp_path / "m.json").write_text('{"nrmse": 0.5}')
    found, output = followed(tmp_path / "m.json", start="go")
    assert found == []
    assert "but nothing from after the line of option start" in output.explain()


@pytest.mark.parametrize("source", ["json", "file"])
def test_figures_of_every_source_pass_the_same_checks(tmp_path, source):
    (tmp_path / "m.csv").write_text("epoch,nrmse\n1,1\n1,2\n")
    with pytest.raises(ValueError, match="a line of epoch 1 came twice"):
        followed(tmp_path / "m.csv") if source == "file" else seen(*2 * ['{"epoch": 1, "nrmse": 1}'])
    (tmp_path / "m.csv").write_text("epoch,nrmse\n1,low\n")
    with pytest.raises(ValueError, match="metric nrmse='low' is not a number"):
        followed(tmp_path / "m.csv") if source == "file" else seen('{"epoch": 1, "nrmse": "low"}')


def test_seconds_of_each_epoch_are_summed_up():
    lines = [
        '{"epoch": 0, "nrmse": 9, "s": 7}',
        '{"epoch": 1, "nrmse": 2, "s": 3}',
        '{"epoch": 2, "nrmse": 1, "s": 2}',
    ]
    first, last = seen(*lines, keys={"time_per_epoch": "s"})
    assert (first, last) == ({"nrmse": 2, "time_s": 3}, {"nrmse": 1, "time_s": 5})


AT_END = {"per_epoch": False, "keys": {"time_per_epoch": "s"}}


@pytest.mark.parametrize(
    ("lines", "options"),
    [
        (['{"s": 3}', '{"s": 2, "loss": 4}'], {"evaluate": ["x"]}),
        (['{"epoch": 0, "s": 9}', '{"epoch": 1, "s": 3}', '{"epoch": 2, "s": 2}'], {"evaluate": ["x"]}),
        (['{"s": 3}', '{"s": 2}', '{"nrmse": 1}'], {}),
        (['{"nrmse": 2, "s": 3}', '{"nrmse": 1, "s": 2}'], {}),
        (['{"s": 3}', '{"nrmse": 1}', '{"s": 2}', '{"done": 1}'], {}),
    ],
)
def test_seconds_of_each_epoch_are_summed_up_for_a_script_that_has_its_nrmse_at_the_end(lines, options):
    output = watch(2, **AT_END, **options)
    for at_s, line in enumerate(lines):
        assert list(output.see(line, at_s)) == []
    last, _ = output.last or ({}, 0.0)
    metrics, at_s = output.final(last, 9.0)
    assert metrics["time_s"] == 5
    assert metrics.get("nrmse") == (None if options else 1)
    assert at_s == max(at for at, line in enumerate(lines) if '"s"' in line), "that of the last epoch's end"


@pytest.mark.parametrize(
    ("lines", "options", "words"),
    [
        (['{"s": 3}'], {"evaluate": ["x"]}, "(keys.time_per_epoch) of only 1 of 2 epochs and then"),
        (['{"epoch": 0, "s": 3}', '{"epoch": 1, "s": 3}'], {"evaluate": ["x"]}, "numbers its epochs from 0"),
        (
            ['{"t": 3}'],
            {"evaluate": ["x"]},
            "no 's', which keys.time_per_epoch names; it has t. Fix: correct keys",
        ),
        (['{"nrmse": 3}'], {}, "no 's', which keys.time_per_epoch names; it has nrmse. Fix: correct"),
        (['{"s": 3}', '{"s": 3, "val_nrmse": 1}'], {}, "Fix: write keys: {nrmse: val_nrmse}"),
        (['{"s": 3}'] * 3, {}, "it printed more lines with 's' (keys.time_per_epoch) than the 2 epochs"),
    ],
)
def test_a_sum_of_too_few_or_too_many_epochs_is_no_time(lines, options, words):
    output = watch(2, **AT_END, **options)
    said = ""
    try:
        for line in lines:
            assert list(output.see(line, 0.0)) == []
        if output.last or options:
            output.final({}, 0.0)
    except ValueError as error:
        said = str(error)
    assert words in (said or output.explain())


@pytest.mark.parametrize("figure", ["-1", "NaN", "Infinity", "true", '"3"'])
def test_seconds_of_an_epoch_are_finite_and_not_below_zero(figure):
    with pytest.raises(ValueError, match=r"metric s=.* is not a (time|number)\. Fix:"):
        seen(f'{{"nrmse": 1, "s": {figure}}}', keys={"time_per_epoch": "s"})
    with pytest.raises(ValueError, match=r"has no 's', which keys\.time_per_epoch names"):
        seen('{"nrmse": 1}', keys={"time_per_epoch": "s"})


def test_a_line_that_matches_a_pattern_of_the_study_makes_the_trial_infeasible():
    patterns = ["(?i)diverged", r"accuracy dropped below \d+"]
    assert seen('{"nrmse": 1}', "accuracy fine", infeasible_if=patterns) == [{"nrmse": 1}]
    with pytest.raises(
        SkippedWorkError, match=r"infeasible_if='\(\?i\)diverged' looks for: epoch 2: Diverged!"
    ):
        seen("  epoch 2: Diverged! ", infeasible_if=patterns)
    with pytest.raises(SkippedWorkError, match="accuracy dropped below 3"):
        seen("accuracy dropped below 3", infeasible_if=patterns, start="go")
