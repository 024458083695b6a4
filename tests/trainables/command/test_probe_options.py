"""The option `probe`: what makes no sense is refused at load, with key and fix."""

import pytest

from trainables.command import check_study
from trainables.command.options import CommandOptions
from trainables.command.parameters import check_parameters
from trainables.command.probe_options import ProbeOptions

ARGS = ["--max-steps", "{num_steps}"]


def options(probe, **more):
    return CommandOptions.parse({"command": ["{python}", "-c", "", "{batch_size}"], "probe": probe} | more)


@pytest.mark.parametrize(
    ("probe", "said"),
    [
        (20, r"probe=20 makes no sense. Fix: write \{steps: 20"),
        ({"args": ARGS}, "add steps"),
        ({"steps": 20}, r"write \{num_steps\} into args, or KEY: num_steps into patch"),
        ({"steps": 20, "args": ["--max-steps", "20"]}, r"write \{num_steps\} into args"),
        ({"steps": 20, "arg": ARGS}, "probe='arg' makes no sense. Fix: did you mean args"),
        ({"steps": 20, "args": ARGS, "seconds": 3}, "use steps, unit, args, patch"),
        ({"steps": 0, "args": ARGS}, "probe.steps=0 makes no sense. Fix: write a whole number"),
        ({"steps": True, "args": ARGS}, "probe.steps=True"),
        ({"steps": "20", "args": ARGS}, "probe.steps='20'"),
        ({"steps": 20, "args": "--max-steps {num_steps}"}, "probe.args=.*write a list of words"),
        ({"steps": 20, "args": ["--max-steps", 20]}, "probe.args=.*write a list of words"),
        ({"steps": 20, "args": ["--max-steps", 20]}, "probe.args=20 makes no sense.* in quotes: '20'"),
        ({"steps": 20, "args": ARGS, "unit": "steps"}, "probe.unit='steps'.*batch, update, sample"),
        ({"steps": 20, "args": ARGS, "patch": {"a": "b"}}, "config=''.*that probe.patch is to patch"),
        ({"steps": 20, "args": ARGS, "patch": ["a"]}, "probe.patch=.*map keys to values"),
        ({"steps": 20, "args": ARGS, "patch": {"a": None}}, "probe.patch.a=None"),
        ({"steps": 20, "args": [*ARGS, "{config}"]}, r"name the file that \{config\} copies"),
    ],
)
def test_a_mistake_is_refused_with_its_key_and_fix(probe, said):
    with pytest.raises(ValueError, match=said):
        options(probe)


def test_an_empty_option_is_no_probe():
    assert ProbeOptions.parse(options({}).probe, config="") is None


@pytest.mark.parametrize(
    ("probe", "said"),
    [
        (
            {"steps": 2, "args": [*ARGS, "{bath_size}"]},
            r"probe.args: \{bath_size\}.*did you mean \{batch_size\}",
        ),
        (
            {"steps": 2, "args": ARGS, "patch": {"a": "num_step"}},
            "probe.patch: num_step .*did you mean num_steps",
        ),
    ],
)
def test_a_word_that_there_is_not_is_refused(tmp_path, probe, said):
    (tmp_path / "c.yaml").write_text("a: 1\n")
    parsed = options(probe, config=str(tmp_path / "c.yaml"), command=["{python}", "{config}", "{batch_size}"])
    with pytest.raises(ValueError, match=said):
        check_parameters(parsed, ["batch_size"], [])


def test_num_steps_is_a_word_of_the_probe_alone():
    with pytest.raises(ValueError, match=r"command: \{num_steps\}"):
        check_parameters(options({}, command=["x", "{batch_size}", "{num_steps}"]), ["batch_size"], [])
    check_parameters(options({}, command=["x", "{num_steps}"]), ["num_steps"], [])
    with pytest.raises(ValueError, match="the parameter 'num_steps' has the name of a word"):
        check_parameters(options({"steps": 2, "args": ARGS}), ["num_steps"], [])


def test_a_parameter_that_only_the_probe_gets_does_not_reach_the_training():
    parsed = options({"steps": 2, "args": [*ARGS, "{num_taus}"]})
    with pytest.raises(ValueError, match="varies the parameter 'num_taus', but it does not reach"):
        check_parameters(parsed, ["batch_size", "num_taus"], [])


def test_a_key_that_the_configuration_lacks_is_refused_before_the_study(tmp_path):
    (tmp_path / "c.yaml").write_text("train:\n  max_steps: -1\n")
    study = {
        "command": ["{python}", "-c", "", "{config}", "{batch_size}"],
        "config": str(tmp_path / "c.yaml"),
        "probe": {"steps": 2, "patch": {"train.max_step": "num_steps"}},
    }
    with pytest.raises(ValueError, match=r"option probe.patch: .*train.max_step"):
        check_study(study, ["batch_size"], [])


@pytest.mark.parametrize(
    ("unit", "num_samples", "steps"),
    [
        ("batch", 2000, 333),  # the guide's count
        ("update", 2000, 166.5),
        ("sample", 2000, 2000),
        ("batch", 0, 1 / 6),  # unknown: only in proportion
        ("update", 0, 1 / 12),
        ("sample", 0, 1),
    ],
)
def test_the_steps_of_an_epoch_follow_from_what_a_step_is(unit, num_samples, steps):
    probe = ProbeOptions(steps=20, unit=unit, args=ARGS)
    assert probe.steps_per_epoch({"batch_size": 6, "accum_steps": 2}, num_samples) == pytest.approx(steps)
