"""Whatever a study varies must reach the script, and every word in braces must be known beforehand."""

import pytest

from trainables.base import MeasuredTrainable
from trainables.command import CommandStage

COMMAND = ["{python}", "-c", "", "--bs", "{batch_size}", "--mb={micro_batch}", "{num_taus}", "{num_epochs}"]
VARYING = ["batch_size", "micro_batch", "num_taus"]
FIXED = ["accum_steps"]


def check(varying=(*VARYING,), fixed=(*FIXED,), **options):
    CommandStage.check_parameters({"command": COMMAND, "num_samples": 2000} | options, varying, fixed)


def said_of(*args, **options):
    with pytest.raises(ValueError, match="Fix: ") as raised:
        check(*args, **options)
    return str(raised.value)


def test_a_parameter_that_varies_and_reaches_nothing_is_refused_by_name():
    check()
    said = said_of([*VARYING, "accum_steps"], [])
    assert "the study varies the parameter 'accum_steps', but it does not reach the script" in said
    assert (
        "Fix: write {accum_steps} into command, or KEY: accum_steps into patch, or give it a single" in said
    )
    said = said_of(command=["{python}", "-c", "", "{num_taus}", "{{batch_size}}"])
    assert "'batch_size'" in said
    assert "Nor do micro_batch." in said


def test_a_parameter_reaches_the_script_through_command_patch_or_file(tmp_path):
    (tmp_path / "c.yaml").write_text("taus: 5\n")
    config = {"config": str(tmp_path / "c.yaml"), "patch": {"taus": "num_taus"}}
    command = ["{python}", "-c", "", "{batch_size}-{micro_batch}"]
    check(command=[*command, "{config}"], **config)
    check(command=[*command, "{dir}/c.yaml"], **config)
    check(command=command, source="file", file="m-{num_taus}.json", per_epoch=False)
    said = said_of(command=command, **config)
    assert "Fix: write {config} into command, so that the script reads its copy and not the original" in said


@pytest.mark.parametrize(
    "name", ["seed", "num_epochs", "num_samples", "num_threads", "python", "dir", "config"]
)
def test_a_parameter_with_the_name_of_one_of_our_words_is_refused_even_if_it_is_fixed(name):
    for varying, fixed in (([*VARYING, name], FIXED), (VARYING, [*FIXED, name])):
        said = said_of(varying, fixed, command=[*COMMAND, f"{{{name}}}"])
        assert f"the parameter {name!r} has the name of a word" in said or "{config}" in said
        assert "Fix" in said


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"command": [*COMMAND, "{batchsize}"]}, "command: {batchsize} in '{batchsize}'"),
        ({"command": [*COMMAND, "{batchsize}"]}, "Fix: did you mean {batch_size}? Known are batch_size,"),
        (
            {"command": [*COMMAND, "x{lr}"]},
            "command: {lr} in 'x{lr}' is neither a parameter of the study nor",
        ),
        ({"command": [*COMMAND, "x{lr}"]}, "If the text {lr} itself is meant, write {{lr}}."),
        (
            {"source": "file", "per_epoch": False, "file": "{Dir}/m.json"},
            "file: {Dir} in '{Dir}/m.json' is neither a parameter of the study nor a word of the command "
            "stage. Fix: did you mean {dir}?",
        ),
        (
            {"command": [*COMMAND, "{config}"]},
            "config='' makes no sense. Fix: name the file that {config} copies, or remove",
        ),
        (
            {"command": [*COMMAND, "{config}"], "config": "c.yaml", "patch": {"a": "num_tau"}},
            "patch: num_tau in 'a: num_tau' is neither a parameter of the study nor a word of the command "
            "stage. Fix: did you mean num_taus?",
        ),
        (
            {"command": [*COMMAND, "{config}"], "config": "c.yaml", "patch": {"a": "{dri}/log.jsonl"}},
            "patch: {dri} in 'a: {dri}/log.jsonl' is neither a parameter of the study nor a word of the "
            "command stage. Fix: did you mean {dir}?",
        ),
        (
            {"command": [*COMMAND, "{config}"], "config": "c.yaml", "patch": {"a": "config"}},
            "patch: config in 'a: config' is neither",
        ),
    ],
)
def test_a_word_that_nobody_knows_is_refused_with_the_one_that_is_meant(options, words):
    assert words in said_of(**options)


@pytest.mark.parametrize("name", ["batch_size", "dir", "seed"])
def test_a_word_in_a_constant_would_not_be_filled_in_and_is_refused(name):
    command = [*COMMAND, "{config}"]
    given = {"command": command, "config": "c.yaml"}
    said = said_of(**given, constants={"log": f"{{{name}}}/log"})
    assert f"constants.log='{{{name}}}/log' makes no sense. Fix: write log into patch" in said
    check(**given, constants={"log": "{step}-{{seed}}", "name": name, "num": 3})


def test_braces_around_what_is_no_name_and_doubled_ones_are_no_words():
    check(command=[*COMMAND, '{"a": {"b": 1}}', "{{lr}}", "${HOME }", "{}"])


def test_a_fixed_parameter_may_be_left_out_or_used():
    check(["batch_size"], ["micro_batch", "num_taus", "accum_steps"])
    check(command=[*COMMAND, "{accum_steps}"])


def test_a_stage_that_does_not_say_otherwise_accepts_all_parameters():
    assert MeasuredTrainable.check_parameters({}, ["seed"], ["x"]) is None
