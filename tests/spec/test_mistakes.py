"""Every mistake in a study is one message: file, line, what, fix."""

import pytest

from tuner.errors import SpecError
from tuner.spec import study_from_text

STUDY = """\
name: mine
description: A study
hardware: cpu
stage:
  class: package.module:Stage
  options: {}
  num_epochs: 3
  num_samples: 400
parameters:
  batch_size: {values: [12, 14, 16]}
  micro_batch:
    values: [4, 2]
  num_taus: {low: 2, high: 6}
  accum_steps: {values: [1, 2]}
constraints:
  - micro_batch divides batch_size
  - batch_size * accum_steps <= 48
target: nrmse < 0.095
baseline: {batch_size: 12, micro_batch: 4, num_taus: 4}
guide: {batch_size: 16, micro_batch: 2, num_taus: 4, accum_steps: 2}
budget: {trials: 7, hours: 0.5}
search: {sampler: tpe, options: {}}
scheduler: {rule: none, options: {}}
resources: {cpus: 1, retries: 2}
seed: 0
"""
START = "start from a shipped study, such as search_spaces/cpu.yaml."
CHECK = "check the indentation (spaces, no tabs), colons, quotes and brackets there."
TAUS = "{low: 2, high: 6}"
WIDEN = "change it, or widen the parameters and constraints so that it is in."
NAMES = "batch_size, micro_batch, num_taus, accum_steps"


def message(text: str | bytes) -> str:
    data = text.encode() if isinstance(text, str) else text
    with pytest.raises(SpecError) as raised:
        study_from_text(data, label="a.yaml")
    assert raised.value.exit_code == 2
    return str(raised.value)


def test_the_study_these_tests_spoil_is_right():
    assert len(study_from_text(STUDY.encode(), label="a.yaml").lattice) == 50


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        # unknown keys, at every level
        ("seed: 0", "sead: 0", "25: unknown key 'sead'. Fix: did you mean 'seed'?"),
        (
            "num_epochs: 3",
            "num_epoch: 3",
            "7: unknown key 'num_epoch' in stage. Fix: did you mean 'num_epochs'?",
        ),
        (
            TAUS,
            "{low: 2, hihg: 6}",
            "13: unknown key 'hihg' in parameters.num_taus. Fix: did you mean 'high'?",
        ),
        (
            "retries: 2",
            "xyz: 2",
            "24: unknown key 'xyz' in resources. Fix: the keys are cpus, threads, gpus, retries.",
        ),
        (
            "num_taus: 4}",
            "num_tau: 4}",
            "19: baseline: num_tau is not a parameter of the study. Fix: did you mean 'num_taus'?",
        ),
        (
            "hardware: cpu",
            "hardware: {name: x, description: y, kind: cuda, memory: 3}",
            "3: unknown key 'memory' in hardware. Fix: did you mean 'memory_gib'?",
        ),
        ("seed: 0", "<<: 0", None),
        # missing keys
        ("target: nrmse < 0.095\n", "", "1: the key 'target' is missing. Fix: add target: ..."),
        (
            "  num_epochs: 3\n",
            "",
            "4: the key 'num_epochs' is missing in stage. Fix: add num_epochs: ...",
        ),
        (
            f"  num_taus: {TAUS}\n",
            "",
            "9: the parameter num_taus is missing. Fix: add num_taus: {values: [...]}.",
        ),
        (
            f"num_taus: {TAUS}",
            f"num_tau: {TAUS}",
            "13: the parameter num_taus is missing. Fix: did you mean it by 'num_tau'?",
        ),
        # wrong types
        (
            "trials: 7",
            "trials: '7'",
            "21: budget.trials is '7', not a whole number. Fix: write a whole number, without quotes.",
        ),
        (
            "trials: 7",
            "trials: 7.0",
            "21: budget.trials is 7.0, not a whole number. Fix: write a whole number, without quotes.",
        ),
        (
            "hours: 0.5",
            "hours: true",
            "21: budget.hours is True, not a number. Fix: write a number, without quotes.",
        ),
        (
            "hours: 0.5",
            "hours: .nan",
            "21: budget.hours is nan, not a finite number. Fix: write a finite number.",
        ),
        (
            "seed: 0",
            "seed:",
            "25: seed is empty, not a whole number. Fix: write a whole number, without quotes.",
        ),
        (
            "description: A study",
            "description: [a]",
            "2: description is a list, not text. "
            "Fix: write text, in quotes where it looks like something else.",
        ),
        (
            TAUS,
            "[2, 3]",
            "13: parameters.num_taus is a list, not a mapping (key: value). Fix: write it as {key: value}.",
        ),
        (
            "values: [1, 2]",
            "values: 1",
            "14: parameters.accum_steps.values is 1, not a list. Fix: write it as [a, b].",
        ),
        (
            TAUS,
            "{low: '2', high: 6}",
            "13: parameters.num_taus.low: '2' is not a number. Fix: write a number, without quotes.",
        ),
        (
            TAUS,
            "{low: 2, high: 6.5}",
            "13: parameters.num_taus: 6.5 is not a whole number. "
            "Fix: use a whole number, or say type: float.",
        ),
        (
            "values: [4, 2]",
            "values:\n      - 4\n      - two",
            "14: parameters.micro_batch: 'two' is not a whole number. "
            "Fix: use a whole number, or say type: categorical.",
        ),
        (
            "num_taus: 4}",
            "num_taus: [4]}",
            "19: baseline.num_taus: [4] is not a number, a word, true or false. Fix: write a plain value.",
        ),
        (
            "- batch_size * accum_steps <= 48",
            "- 48",
            "17: constraints[1] is 48, not text. "
            "Fix: write text, in quotes where it looks like something else.",
        ),
        # values that make no sense
        ("trials: 7", "trials: 0", "21: budget.trials=0 is too small. Fix: use 1 or more."),
        ("hours: 0.5", "hours: 0", "21: budget.hours=0 is too small. Fix: use a number above 0."),
        (
            "seed: 0",
            "decision: {max_error: 0}",
            "25: decision.max_error=0 is too small. Fix: use a number above 0.",
        ),
        (
            "seed: 0",
            "decision: {max_error: 0.5}",
            "25: decision.max_error=0.5 is too large. Fix: use a number below 0.5.",
        ),
        (
            "seed: 0",
            "decision: {margin_pct: 50}",
            "25: decision.margin_pct=50 is too large. Fix: use a number below 50.",
        ),
        (
            "seed: 0",
            "decision: {margin: 1}",
            "25: unknown key 'margin' in decision. Fix: did you mean 'margin_pct'?",
        ),
        ("seed: 0", "seed: -1", "25: seed=-1 is too small. Fix: use 0 or more."),
        (
            "name: mine",
            "name: my study",
            "1: name is 'my study'. Fix: use letters, digits, '-', '_' and '.' only.",
        ),
        (
            "package.module:Stage",
            "package.module",
            "5: stage.class: 'package.module' is not of the form module:Class. "
            "Fix: write it as package.module:Class.",
        ),
        (
            "options: {}\n  num_epochs",
            "options:\n    num_samples: 9\n  num_epochs",
            "7: num_samples is given twice, in stage and in its options. Fix: drop it from the options.",
        ),
        (
            "sampler: tpe",
            "sampler: tpee",
            "22: search.sampler: 'tpee' is none of the samplers. "
            "Fix: did you mean 'tpe'? Your own one is module:Class.",
        ),
        (
            "rule: none",
            "rule: median",
            "23: scheduler.rule: 'median' is none of the stopping rules. Fix: the stopping rules are "
            "feasible_and_faster, moasha, asha, none. Your own one is module:Class.",
        ),
        (
            "seed: 0",
            "objective: energy",
            "25: objective is 'energy'. Fix: use 'time_s', 'time_to_target_s' or 'energy_j'.",
        ),
        (
            "seed: 0",
            "limits:\n  - peak_memory_gib <= 38\n  - energi_j <= 0.8 * baseline",
            "27: limits[1]: the limit 'energi_j <= 0.8 * baseline' is on 'energi_j', which no stage reports "
            "of a trial. Fix: did you mean 'energy_j'?",
        ),
        (
            "seed: 0",
            "limits: [nrmse <= 1.01 * baseline]",
            "25: limits[0]: the limit 'nrmse <= 1.01 * baseline' is on nrmse, which has the study's target. "
            "Fix: write target: nrmse <= 1.01 * baseline.",
        ),
        (
            "seed: 0",
            "limits: [energy_j 0.8]",
            "25: limits[0]: cannot read the limit 'energy_j 0.8'. "
            "Fix: write `peak_memory_gib <= 38` or `energy_j <= 0.8 * baseline`.",
        ),
        (
            "seed: 0",
            "limits: [energy_j <= 0 * baseline]",
            "25: limits[0]: the bound of the limit 'energy_j <= 0 * baseline' is not positive. "
            "Fix: write `peak_memory_gib <= 38` or `energy_j <= 0.8 * baseline`.",
        ),
        (
            "seed: 0",
            "limits: [38]",
            "25: limits[0] is 38, not text. Fix: write text, in quotes where it looks like something else.",
        ),
        (
            "hardware: cpu",
            "hardware: a100",
            "3: there is no hardware profile 'a100'. "
            "Fix: did you mean 'a100_40gb'? Or describe the device here.",
        ),
        (
            "nrmse < 0.095",
            "nrmse > 0.095",
            "18: cannot read the target 'nrmse > 0.095'. "
            "Fix: write `nrmse < 0.095` or `nrmse <= 1.04 * baseline`.",
        ),
        ("nrmse < 0.095", "0.095", "18: target is 0.095, not a bound. Fix: write `nrmse < 0.095`."),
        # parameters
        (TAUS, "{low: 6, high: 2}", "13: parameters.num_taus: low=6 is above high=2. Fix: swap them."),
        (
            TAUS,
            "{low: 2, high: 6, step: 3}",
            "13: parameters.num_taus: step=3 from low=2 never reaches high=6. Fix: set high to 5 or 8.",
        ),
        (
            TAUS,
            "{low: 2, high: 6, step: 9}",
            "13: parameters.num_taus: step=9 from low=2 never reaches high=6. Fix: set high to 11.",
        ),
        (
            TAUS,
            "{low: 2, high: 6, step: 0}",
            "13: parameters.num_taus.step=0 is too small. Fix: use 1 or more.",
        ),
        (
            TAUS,
            "{low: 2}",
            "13: parameters.num_taus: neither values nor high is given. Fix: give values, or low and high.",
        ),
        (
            TAUS,
            "{values: [2], low: 2}",
            "13: parameters.num_taus: both values and low are given. Fix: drop values or low.",
        ),
        (
            TAUS,
            "{low: 2, high: 6, log: true}",
            "13: parameters.num_taus: log is for type: float. Fix: drop it.",
        ),
        (
            TAUS,
            "{low: 2, high: 9000000000}",
            "13: parameters.num_taus: the range holds over 2,000,000 values. Fix: use a larger step.",
        ),
        (
            TAUS,
            '{type: categorical, values: [a, "b\\nprovenance: 1"]}',
            "13: parameters.num_taus: 'b\\nprovenance: 1' has a line break or another character that cannot "
            "be shown. Fix: write it on one line, without control characters.",
        ),
        (
            TAUS,
            '{type: categorical, values: ["\\e[31m", a]}',
            "13: parameters.num_taus: '\\x1b[31m' has a line break or another character that cannot be shown."
            " Fix: write it on one line, without control characters.",
        ),
        (
            TAUS,
            "{values: []}",
            "13: parameters.num_taus.values has too few items. Fix: give at least 1.",
        ),
        (
            "values: [4, 2]",
            "values:\n      - 4\n      - 2\n      - 4",
            "15: parameters.micro_batch: the value 4 is listed twice. Fix: remove one.",
        ),
        (
            TAUS,
            "{type: flot, low: 2, high: 6}",
            "13: parameters.num_taus.type is 'flot'. Fix: use 'int', 'float' or 'categorical'.",
        ),
        (
            TAUS,
            "{type: float, low: 2, high: 6}",
            "13: num_taus counts something, so it cannot be of type float. Fix: use type: int.",
        ),
        (TAUS, "{low: 0, high: 6}", "13: num_taus=0 is too small. Fix: use 1 or more."),
        (
            "  accum_steps:",
            "  lr: {type: float, low: 0, high: 1, log: true}\n  accum_steps:",
            "14: parameters.lr: log needs a low above 0, not 0. Fix: raise low.",
        ),
        (
            "  accum_steps:",
            "  lr: {type: float, low: 1, high: 1}\n  accum_steps:",
            "14: parameters.lr: low and high are both 1. Fix: write values: [...] for one.",
        ),
        (
            "  accum_steps:",
            "  lr: {type: float, low: 0, high: 1, step: 1}\n  accum_steps:",
            "14: parameters.lr: step is for type: int. Fix: drop it, or list the values.",
        ),
        (
            "  accum_steps:",
            "  p: {type: categorical, values: [16, fp32]}\n  accum_steps:",
            "14: parameters.p: the values of the parameter must be all numbers, all words, or all "
            "true or false, but are: 16, 'fp32'. Fix: write them alike, words in quotes.",
        ),
        (
            "  accum_steps:",
            "  p: {type: categorical, low: 1, high: 2}\n  accum_steps:",
            "14: parameters.p: a categorical parameter needs values. Fix: write values: [a, b, ...].",
        ),
        (
            "  accum_steps:",
            "  max: {low: 1, high: 2}\n  accum_steps:",
            "14: a parameter cannot be called 'max'. Fix: use letters, digits and _, and none of "
            "the words that constraints are written with.",
        ),
        (
            "num_samples: 400",
            "num_samples: 12",
            "10: batch_size=16 is more than num_samples=12. Fix: use smaller batches or more samples.",
        ),
        (
            "values: [4, 2]",
            "values:\n      - 4\n      - 5",
            "14: micro_batch=5 divides no batch_size in {12, 14, 16}. "
            "Fix: remove it or add a batch_size it divides.",
        ),
        (
            "  accum_steps: {values: [1, 2]}",
            "  accum_steps: {values: [1, 2]}\n  big: {low: 1, high: 1000000}",
            "9: the space has 60,000,000 raw points, 3 (batch_size) x 2 (micro_batch) x 5 (num_taus) "
            "x 2 (accum_steps) x 1000000 (big); at most 2,000,000 can be enumerated. Fix: list fewer "
            "values, use a step, or make one continuous (type: float, low, high).",
        ),
        # constraints
        (
            "batch_size * accum_steps <= 48",
            "batch_size * acum_steps <= 48",
            "17: the constraint 'batch_size * acum_steps <= 48' names 'acum_steps', which is not a "
            f"parameter. Fix: did you mean 'accum_steps'? The parameters are {NAMES}.",
        ),
        (
            "batch_size * accum_steps <= 48",
            "batch_size / (num_taus - 2) < 3",
            "17: the constraint 'batch_size / (num_taus - 2) < 3' divides by zero at batch_size=12, "
            "num_taus=2. Fix: exclude such values first, as in "
            "`batch_size > 6 and 12 / (batch_size - 6) <= 4`.",
        ),
        (
            "batch_size * accum_steps <= 48",
            "batch_size > 16",
            "9: the space is empty: of its 60 raw points `micro_batch divides batch_size` excludes "
            "10, `batch_size > 16` excludes 60. Fix: widen a parameter or loosen a constraint.",
        ),
        (
            "  accum_steps: {values: [1, 2]}",
            "  accum_steps: {values: [1, 2]}\n  lr: {type: float, low: 0, high: 1}",
            None,
        ),
        # points
        (
            "{batch_size: 12, micro_batch: 4,",
            "{batch_size: 14, micro_batch: 4,",
            "19: baseline is not in the space: micro_batch divides batch_size does not hold: "
            f"4 does not divide 14. Fix: {WIDEN}",
        ),
        (
            "micro_batch: 4, num_taus: 4}",
            "micro_batch: 4, num_taus: 9}",
            f"19: baseline is not in the space: num_taus=9 is not among 2..6; the nearest is 6. Fix: {WIDEN}",
        ),
        (
            "num_taus: 4, accum_steps: 2}",
            "num_taus: 4, accum_steps: 4}",
            "20: guide is not in the space: accum_steps=4 is not among {1, 2}; the nearest is 2. "
            f"Fix: {WIDEN}",
        ),
        (
            "<= 48",
            "< 32",
            "20: guide is not in the space: batch_size * accum_steps < 32 does not hold: 32 < 32. "
            f"Fix: {WIDEN}",
        ),
        (
            "{batch_size: 12, micro_batch: 4, num_taus: 4}",
            "{batch_size: 12, num_taus: 4}",
            "19: baseline: micro_batch is missing. Fix: add micro_batch: ... to baseline.",
        ),
        (
            "{batch_size: 12, micro_batch: 4, num_taus: 4}",
            "{batch_size: 12}",
            "19: baseline: micro_batch, num_taus are missing. "
            "Fix: add micro_batch: ..., num_taus: ... to baseline.",
        ),
        (
            "{batch_size: 12, micro_batch: 4, num_taus: 4}",
            "{batch_size: 12.0, micro_batch: 4, num_taus: 4}",
            "19: baseline: batch_size=12.0 is not a positive integer. Fix: use a whole number of 1 or more.",
        ),
        (
            "num_taus: 4}",
            "num_taus: .inf}",
            "19: baseline.num_taus: inf is not a finite number. Fix: write a finite one.",
        ),
        (
            "hardware: cpu",
            "hardware: {name: x, description: y, kind: cpu, memory_range_gib: [1, 2, 3]}",
            "3: hardware.memory_range_gib has too many items. Fix: give at most 2.",
        ),
        # YAML
        (
            "seed: 0",
            "seed: 0\nname: other",
            "26: the key 'name' is given twice, first on line 1. Fix: remove one.",
        ),
        (
            "seed: 0",
            "seed: 0: 1",
            f"25: cannot read the YAML: mapping values are not allowed here (column 8). Fix: {CHECK}",
        ),
        (
            "seed: 0",
            "\tseed: 0",
            "25: cannot read the YAML: found character '\\t' that cannot start any token (column 1). "
            f"Fix: {CHECK}",
        ),
        (
            "seed: 0",
            "seed: [0",
            f"26: cannot read the YAML: expected ',' or ']', but got '<stream end>' (column 1). Fix: {CHECK}",
        ),
        (
            "A study",
            "A\x01study",
            "2: cannot read the YAML: special characters are not allowed. Fix: remove the control character.",
        ),
        (
            "seed: 0",
            "seed: !!python/name:os.system 0",
            "25: the YAML tag '!!python/name:os.system' is not allowed. Fix: drop it.",
        ),
        ("seed: 0", "seed: !!int x", "25: cannot read 'x'. Fix: write it differently."),
        ("seed: 0", "x: &x [*x]", "25: an alias contains itself. Fix: write the value out."),
    ],
)
def test_a_mistake_is_told_with_its_line_and_its_fix(old, new, told):
    assert old in STUDY
    found = message(STUDY.replace(old, new, 1))
    assert "\n" not in found
    if told is not None:
        assert found == f"a.yaml:{told}"


def test_a_constraint_on_a_continuous_parameter_is_told_at_its_line():
    text = STUDY.replace(
        "  accum_steps: {values: [1, 2]}",
        "  accum_steps: {values: [1, 2]}\n  lr: {type: float, low: 0, high: 1}",
    ).replace("batch_size * accum_steps <= 48", "lr * batch_size <= 48")
    assert message(text) == (
        "a.yaml:18: the constraint 'lr * batch_size <= 48' names lr, which is continuous. "
        "Fix: list the values of lr, or put the bound in its low and high."
    )


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (b"", f"1: the file is empty. Fix: {START}"),
        (b"[" * 5000, "1: the YAML is nested too deeply. Fix: make it flatter."),
        (
            b"name: x\nstage:\n  options:\n    a: " + b"[" * 330 + b"]" * 330,
            "4: the YAML is nested too deeply. Fix: make it flatter.",
        ),
        (
            b"name: [" + b"1, " * 1_750_000 + b"]",
            "1: the file has 5.0 MiB; a study has 1 MiB at most. Fix: check that it is the right file.",
        ),
        (b"# only a comment\n", f"1: the file is empty. Fix: {START}"),
        (b"- a\n- b\n", f"1: the study is a list, not keys and values. Fix: {START}"),
        (b"hello\n", f"1: the study is a single value, not keys and values. Fix: {START}"),
        (b"name: x\nb: \xff\n", "2: the file is not UTF-8 text (byte 0xff). Fix: save it as UTF-8."),
        (
            b"a: 1\n---\nb: 2\n",
            f"2: cannot read the YAML: but found another document (column 1). Fix: {CHECK}",
        ),
    ],
)
def test_a_file_that_is_no_study_is_told(data, told):
    assert message(data) == f"a.yaml:{told}"


def test_the_first_mistake_in_the_file_is_told_with_how_many_more():
    text = STUDY.replace("seed: 0", "sead: 0").replace("trials: 7", "trials: x")
    text = text.replace("num_epochs: 3", "num_epochs: -3")
    assert message(text) == ("a.yaml:7: stage.num_epochs=-3 is too small. Fix: use 1 or more. (and 2 more)")


def test_mistakes_that_need_several_parts_are_counted_together():
    text = STUDY.replace("<= 48", "<= x").replace("values: [4, 2]", "values: [5, 2]")
    found = message(text)
    assert found.startswith("a.yaml:12: micro_batch=5 divides no batch_size")
    assert found.endswith("(and 1 more)")


def test_a_misspelt_required_key_is_one_mistake_not_two():
    assert message(STUDY.replace("target:", "traget:")) == (
        "a.yaml:18: unknown key 'traget'. Fix: did you mean 'target'?"
    )
