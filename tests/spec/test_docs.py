"""docs/study-yaml.md says what the loader does."""

import re
from pathlib import Path

import pytest

from tuner.core.study_sections import SAMPLERS, STOPPING_RULES
from tuner.errors import SpecError
from tuner.spec import list_hardware, study_as_yaml, study_from_text
from tuner.spec.schema import keys_at

TEXT = (Path(__file__).parents[2] / "docs" / "study-yaml.md").read_text()
STUDY = re.search(r"```yaml\n(.*?)```", TEXT, re.DOTALL)[1]
GOAL, DEVICE = re.findall(r"```yaml-part\n(.*?)```", TEXT, re.DOTALL)


def load(text):
    return study_from_text(text.encode(), label="my.yaml")


def test_the_whole_study_of_the_docs_loads_and_uses_every_key():
    spec = load(STUDY)
    assert spec.guide in spec.lattice
    for name in keys_at(()):
        assert re.search(rf"^{name}:", STUDY, re.MULTILINE), name
    for section in ("stage", "resources", "decision", "outputs"):
        assert keys_at((section,))
        for name in keys_at((section,)):
            assert f"{name}:" in STUDY


def test_every_key_of_a_parameter_and_of_a_profile_is_explained():
    names = [*keys_at(("parameters", "NAME")), *keys_at(("hardware",))]
    assert len(names) == 6 + 12
    for name in names:
        assert name in TEXT
    for name in (*SAMPLERS, *STOPPING_RULES, *list_hardware()):
        assert f"`{name}`" in TEXT


def test_the_objective_and_limits_of_the_docs_load():
    spec = load(re.sub(r"(objective|limits): .*\n", "", STUDY) + GOAL)
    assert (spec.objective, len(spec.limits)) == ("energy_j", 3)
    assert study_from_text(study_as_yaml(spec).encode(), label="again") == spec


def test_the_described_device_of_the_docs_loads():
    spec = load(STUDY.replace(re.search(r"hardware: .*\n", STUDY)[0], DEVICE))
    assert spec.hardware.name == "l40s"


def test_the_parameter_spellings_of_the_docs_load():
    spellings = re.findall(r"^\| `(\{.*?\})` \|", TEXT, re.MULTILINE)
    assert len(spellings) == 6
    for spelling in spellings:
        value = re.search(r"(?:\[|low: )([\w.-]+)", spelling)[1]
        text = STUDY.replace("  batch_size:", f"  extra: {spelling}\n  batch_size:", 1)
        spec = load(text.replace("{batch_size: ", f"{{extra: {value}, batch_size: "))
        assert spec.parameters[0].name == "extra"


def test_the_mistake_of_the_docs_is_told_word_for_word():
    example = next(line.strip() for line in TEXT.splitlines() if line.startswith("    my.yaml:"))
    line = int(example.split(":")[1])
    parameters = [
        "parameters:",
        "  batch_size: {values: [12, 14, 16]}",
        "  micro_batch: {values: [4, 5]}",
        "  num_taus: {low: 2, high: 6}",
    ]
    tail = [
        "name: mine",
        "hardware: cpu",
        "stage: {class: 'a:B', num_epochs: 1, num_samples: 100}",
        "target: nrmse < 1",
        "baseline: {batch_size: 12, micro_batch: 4, num_taus: 4}",
        "budget: {trials: 1, hours: 1}",
    ]
    spoilt = ["#"] * (line - 3) + parameters + tail
    with pytest.raises(SpecError) as raised:
        load("\n".join(spoilt))
    assert str(raised.value) == example
