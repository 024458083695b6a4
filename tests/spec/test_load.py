"""Loading a study from a file: its content, where it is found, and what is asked of nobody twice."""

import subprocess
import sys
from pathlib import Path

import pytest

from tuner.core.config import TrialConfig
from tuner.core.parameters import Continuous, Discrete
from tuner.errors import SpecError
from tuner.spec import load_study, study_as_yaml, study_from_text

STUDY = """\
name: mine
description: A study
hardware: cpu
stage:
  class: package.module:Stage
  options: {width: 8}
  num_epochs: 3
  num_samples: 400
parameters:
  batch_size: {values: [12, 6]}
  micro_batch: {low: 3, high: 12, step: 3}
  num_taus: {low: 2, high: 4}
  lr: {type: float, low: 1e-4, high: 1e-2, log: true}
  decay: {type: float, values: [1, 0.5]}
  precision: {type: categorical, values: [fp32, bf16]}
constraints: [batch_size * num_taus <= 40]
target: nrmse <= 1.04 * baseline
baseline: {batch_size: 6, micro_batch: 3, num_taus: 4, lr: 1e-3, decay: 1.0, precision: fp32}
budget: {trials: 7, hours: 0.5}
"""


def study(text: str = STUDY):
    return study_from_text(text.encode(), label="a.yaml")


@pytest.mark.parametrize(
    ("stage", "top", "rule", "legal"),
    [
        ("", "", "micro_batch divides batch_size", 5),
        ("  rows_per_sample: 3\n", "", "micro_batch divides batch_size * 3", 7),
        ("", "divisibility: none\n", "micro_batch <= batch_size", 6),
        ("  rows_per_sample: 2\n", "divisibility: none\n", "micro_batch <= batch_size * 2", 8),
        ("", "divisibility: batch_size - micro_batch >= 3\n", "batch_size - micro_batch >= 3", 4),
    ],
)
def test_a_study_says_what_micro_batches_are_cut_from_and_how(stage, top, rule, legal):
    """Batches of 6 and 12; micro-batches of 3, 6, 9 and 12."""
    text = STUDY.replace("  num_samples: 400\n", f"  num_samples: 400\n{stage}") + top
    spec = study(text.replace("constraints: [batch_size * num_taus <= 40]\n", ""))
    assert [rule.text for rule in spec.rules] == [rule]
    points = [spec.lattice.point(row) for row in range(len(spec.lattice))]
    assert len({(point["batch_size"], point["micro_batch"]) for point in points}) == legal
    again = study(study_as_yaml(spec))
    assert again == spec
    assert again.as_dict() == spec.as_dict()
    assert ("divisibility" in spec.as_dict()) is bool(top)


def test_constraints_hold_beside_a_rule_in_the_place_of_divisibility():
    """Of batches of 6 and 12, `batch_size * num_taus <= 40` leaves 12 only with 2 and 3 noise levels."""
    spec = study(STUDY + "divisibility: none\n")
    assert [rule.text for rule in spec.rules] == ["micro_batch <= batch_size", "batch_size * num_taus <= 40"]
    points = [spec.lattice.point(row) for row in range(len(spec.lattice))]
    assert max(point["batch_size"] * point["num_taus"] for point in points) == 36
    assert study(STUDY + "divisibility: auto\n") == study()
    with pytest.raises(
        SpecError, match=r"a\.yaml:2\d: the constraint 'lr <= batch_size' names lr, which is cont"
    ):
        study(STUDY + "divisibility: lr <= batch_size\n")


def test_a_rule_in_the_place_of_divisibility_is_checked_as_any_other():
    with pytest.raises(SpecError, match=r"a\.yaml:20: the constraint 'micro_bach .* mean 'micro_batch'"):
        study(STUDY + "divisibility: micro_bach divides batch_size\n")
    few = STUDY.replace("{low: 3, high: 12, step: 3}", "{values: [3, 18]}")
    assert len(study(few.replace("400\n", "400\n  rows_per_sample: 3\n")).lattice) > 0
    with pytest.raises(SpecError, match=r"micro_batch=18 divides no batch_size in \{6, 12\}\."):
        study(few)
    with pytest.raises(SpecError, match=r"micro_batch=18 divides no .* times rows_per_sample=2"):
        study(few.replace("400\n", "400\n  rows_per_sample: 2\n"))


def test_every_part_of_a_study_is_where_its_users_look_for_it():
    spec = study()
    assert (spec.name, spec.description, spec.seed, spec.objective) == ("mine", "A study", 0, "time_s")
    assert spec.hardware.name == "cpu"
    assert spec.stage.class_path == "package.module:Stage"
    assert spec.stage.options == {"width": 8, "num_samples": 400}
    assert (spec.stage.num_epochs, spec.stage.num_samples) == (3, 400)
    assert (spec.budget.trials, spec.budget.hours, spec.budget.budget_s) == (7, 0.5, 1800)
    assert (spec.target.bound, spec.target.is_relative) == (1.04, True)
    assert (spec.search.sampler, spec.scheduler.rule) == ("surrogate", "feasible_and_faster")
    assert (spec.decision.max_error, spec.decision.margin_pct) == (0.05, 0.0)
    assert (spec.resources.cpus, spec.resources.threads, spec.resources.retries) == (1, 1, 2)
    assert spec.guide is None
    assert spec.baseline in spec.lattice
    assert [rule.text for rule in spec.rules] == [
        "micro_batch divides batch_size",
        "batch_size * num_taus <= 40",
    ]


def test_parameters_are_read_in_every_spelling():
    by_name = {parameter.name: parameter for parameter in study().parameters}
    assert by_name == {
        "batch_size": Discrete(name="batch_size", values=(6, 12)),
        "micro_batch": Discrete(name="micro_batch", values=(3, 6, 9, 12)),
        "num_taus": Discrete(name="num_taus", values=(2, 3, 4)),
        "lr": Continuous(name="lr", low=1e-4, high=1e-2, log=True),
        "decay": Discrete(name="decay", values=(0.5, 1.0)),
        "precision": Discrete(name="precision", values=("fp32", "bf16"), is_ordered=False),
    }


def test_options_given_are_options_kept():
    text = STUDY + (
        "guide: {batch_size: 12, micro_batch: 6, num_taus: 3, lr: 1e-3, decay: 1.0, precision: bf16}\n"
        "search: {sampler: my.module:Sampler, options: {a: 1}}\n"
        "scheduler: {rule: none, options: {b: 2}}\n"
        "resources: {cpus: 4, threads: 2, gpus: 3, retries: 0}\n"
        "seed: 5\n"
    )
    spec = study(text)
    assert spec.guide == TrialConfig.from_dict(
        {
            "batch_size": 12,
            "micro_batch": 6,
            "num_taus": 3,
            "lr": 1e-3,
            "decay": 1.0,
            "precision": "bf16",
        }
    )
    assert (spec.search.sampler, spec.search.options) == ("my.module:Sampler", {"a": 1})
    assert (spec.scheduler.rule, spec.scheduler.options) == ("none", {"b": 2})
    assert (spec.resources.cpus, spec.resources.threads, spec.resources.retries) == (4, 2, 0)
    assert spec.resources.gpus == 3
    assert spec.seed == 5


def test_threads_follow_cpus_unless_given():
    assert study(STUDY + "resources: {cpus: 3}\n").resources.threads == 3


def test_a_dead_micro_batch_inside_a_range_is_fine():
    assert study().lattice.dead_values() == {"micro_batch": [9]}


INLINE = """\
hardware:
  name: l40s
  description: NVIDIA L40S
  kind: cuda
  device_names: [L40S]
  memory_range_gib: [44, 48]
  memory_gib: {value: 48, source: data sheet}
  guide: {batch_size: [8, 12], micro_batch: [4, 4], num_taus: [3, 4], speedup: [1.5, 2]}
"""


@pytest.mark.parametrize("text", [STUDY, STUDY.replace("hardware: cpu\n", INLINE)])
def test_a_resolved_study_loads_back_as_an_equal_one(text):
    spec = study(text)
    again = study(study_as_yaml(spec))
    assert again == spec
    assert again.as_dict() == spec.as_dict()
    assert again.study_hash() == spec.study_hash()


def test_a_described_device_is_a_profile():
    profile = study(STUDY.replace("hardware: cpu\n", INLINE)).hardware
    assert profile.memory_gib.value == 48
    assert profile.guide.speedup == (1.5, 2)
    assert profile.why_not({"kind": "cuda", "name": "NVIDIA L40S", "memory_gib": 44.4}) is None


def test_the_hash_ignores_description_place_and_spelling_but_nothing_else():
    base = study().study_hash()
    same = [
        STUDY.replace("A study", "Another text"),
        STUDY.replace("{low: 2, high: 4}", "{values: [4, 3, 2]}"),
        STUDY.replace("seed", "seed") + "seed: 0\n",
    ]
    other = [
        STUDY + "seed: 1\n",
        STUDY.replace("trials: 7", "trials: 8"),
        STUDY.replace("width: 8", "width: 9"),
        STUDY.replace("1.04", "1.05"),
        STUDY.replace("<= 40", "<= 41"),
        STUDY.replace("high: 1e-2", "high: 2e-2"),
        STUDY.replace("log: true", "log: false"),
        STUDY.replace("num_epochs: 3", "num_epochs: 4"),
        STUDY.replace("lr: 1e-3", "lr: 2e-3"),
    ]
    assert {study(text).study_hash() for text in same} == {base}
    hashes = {study(text).study_hash() for text in other}
    assert len(hashes) == len(other)
    assert base not in hashes
    assert len(base) == 64


def test_overrides_change_what_they_name_and_nothing_else():
    spec = study()
    changed = spec.with_overrides(trials=3, hours=0.25, seed=9)
    assert (changed.budget.trials, changed.budget.hours, changed.seed) == (3, 0.25, 9)
    assert changed.as_dict()["budget"] == {"trials": 3, "hours": 0.25}
    assert spec.with_overrides() == spec
    assert changed.with_overrides(trials=7, hours=0.5, seed=0) == spec


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ({"trials": 0}, "trials=0 is too small. Fix: use 1 or more."),
        ({"seed": -1}, "seed=-1 is too small. Fix: use 0 or more."),
        ({"hours": 0.0}, "hours=0.0 is not a positive number. Fix: use for example 0.5."),
        (
            {"hours": float("nan")},
            "hours=nan is not a positive number. Fix: use for example 0.5.",
        ),
    ],
)
def test_an_override_that_makes_no_sense_is_refused(override, message):
    with pytest.raises(SpecError) as raised:
        study().with_overrides(**override)
    assert str(raised.value) == message


def test_a_path_comes_before_a_shipped_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert load_study("cpu").path.endswith("search_spaces/cpu.yaml")
    assert load_study("cpu.yaml") == load_study("cpu")
    (tmp_path / "cpu").mkdir()
    assert load_study("cpu").name == "cpu"
    (tmp_path / "cpu.yaml").write_text(STUDY)
    assert load_study("cpu").name == "mine"
    assert load_study("cpu.yaml").path == "cpu.yaml"
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "x.yaml").write_text(STUDY)
    assert load_study("deep/x").path == str(Path("deep/x.yaml"))
    assert load_study(str(tmp_path / "deep" / "x.yaml")).name == "mine"


def test_a_missing_study_is_told_with_the_shipped_ones(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SpecError) as raised:
        load_study("rtx490.yaml")
    assert str(raised.value) == (
        "there is no file 'rtx490.yaml', and no shipped study of that name. "
        "Fix: did you mean rtx4090? The shipped ones are a100, cpu, h100, rtx4090."
    )
    with pytest.raises(SpecError) as raised:
        load_study("nope/zzz")
    assert str(raised.value) == (
        "there is no file 'nope/zzz', and no shipped study of that name. "
        "Fix: give a path, or one of the shipped ones: a100, cpu, h100, rtx4090."
    )
    with pytest.raises(SpecError) as raised:
        load_study(".")
    assert str(raised.value) == "'.' is a folder, not a study. Fix: name a file inside it."
    assert raised.value.exit_code == 2


def test_mistakes_in_a_file_are_reported_under_the_name_the_user_gave(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "bad.yaml").write_text(STUDY.replace("name: mine", "nam: mine"))
    with pytest.raises(SpecError) as raised:
        load_study("bad")
    assert str(raised.value) == "bad.yaml:1: unknown key 'nam'. Fix: did you mean 'name'?"


def test_importing_the_spec_imports_neither_ray_nor_torch_nor_optuna():
    script = "import sys, tuner.spec; print([m for m in ('ray', 'torch', 'optuna') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_a_file_that_cannot_be_read_is_told(tmp_path, monkeypatch):
    path = tmp_path / "x.yaml"
    path.write_text(STUDY)

    def refuse(self):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "read_bytes", refuse)
    with pytest.raises(SpecError) as raised:
        load_study(str(path))
    told = f"cannot read {path}: Permission denied. Fix: check its permissions."
    assert str(raised.value) == told
