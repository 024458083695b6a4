"""`init` writes a study that loads, for the device at hand or the nearest profile."""

import re

import jsonschema
import pytest

from tests.commands.calls import call
from tuner.commands import machine
from tuner.commands.init import nearest, study_text
from tuner.errors import SpecError, TunerError
from tuner.spec import list_hardware, load_study, study_from_text
from tuner.spec.document import read_document
from tuner.spec.json_schema import study_schema

CARDS = {
    "NVIDIA A100-SXM4-40GB": (39.4, "a100_40gb", True),
    "NVIDIA H100 80GB HBM3": (79.2, "h100_80gb", True),
    "NVIDIA GeForce RTX 4090": (23.6, "rtx4090", True),
    "NVIDIA A100-SXM4-80GB": (79.3, "h100_80gb", False),
    "NVIDIA L4": (22.2, "rtx4090", False),
}


@pytest.mark.parametrize("name", list_hardware())
def test_a_study_for_each_profile_loads_with_the_shipped_ones_space(tmp_path, name):
    said = call("init", "--out", tmp_path / "my study.yaml", "--hardware", name)
    study = load_study(str(tmp_path / "my study.yaml"))
    assert (study.name, study.hardware.name) == ("my-study", name)
    shipped = load_study({"a100_40gb": "a100", "h100_80gb": "h100"}.get(name, name))
    assert study.lattice.parameters == shipped.lattice.parameters
    assert (study.target, study.budget, study.baseline) == (shipped.target, shipped.budget, shipped.baseline)
    assert f"{len(study.lattice)} legal configurations" in said.text


@pytest.mark.parametrize("name", CARDS)
def test_a_detected_card_gets_a_study_that_fits_it(name):
    memory_gib, profile, is_shipped = CARDS[name]
    device = {"kind": "cuda", "name": name, "memory_gib": memory_gib}
    found = nearest(device)
    assert found.name == profile
    study = study_from_text(study_text("mine", found, device).encode(), label="mine.yaml")
    assert study.hardware.why_not(device) is None
    assert study.is_shipped_hardware is is_shipped


def test_without_a_card_it_is_for_the_cpu(tmp_path, monkeypatch):
    monkeypatch.setattr(machine, "ask_torch", lambda: {"version": "2", "cuda": None, "cards": []})
    call("init", "--out", tmp_path / "a.yaml")
    assert load_study(str(tmp_path / "a.yaml")).hardware.kind == "cpu"


def test_every_key_has_a_comment_above_it_and_the_schema_agrees(tmp_path):
    call("init", "--out", tmp_path / "a.yaml", "--hardware", "a100_40gb")
    text = (tmp_path / "a.yaml").read_text()
    lines = text.splitlines()
    for key in (
        "hardware",
        "stage",
        "parameters",
        "constraints",
        "objective",
        "target",
        "baseline",
        "budget",
    ):
        at = next(k for k, line in enumerate(lines) if line.startswith(f"{key}:"))
        assert lines[at - 1].startswith("#"), key
    values = read_document(text.encode(), "a.yaml").value
    assert list(jsonschema.Draft202012Validator(study_schema()).iter_errors(values)) == []
    assert re.match(r"# yaml-language-server: \$schema=\S+study\.schema\.json\n", text)


def test_a_file_that_is_there_is_kept_without_force(tmp_path):
    path = tmp_path / "a.yaml"
    path.write_text("mine")
    with pytest.raises(TunerError, match="it is there already"):
        call("init", "--out", path, "--hardware", "cpu")
    assert path.read_text() == "mine"
    call("init", "--out", path, "--hardware", "cpu", "--force")
    assert load_study(str(path)).name == "a"


def test_an_unknown_profile_is_one_message(tmp_path):
    with pytest.raises(SpecError, match="no hardware profile 'a100'"):
        call("init", "--out", tmp_path / "a.yaml", "--hardware", "a100")
    assert not (tmp_path / "a.yaml").exists()
