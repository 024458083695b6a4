"""`doctor` says of each thing whether it is well, and what to do where it is not."""

from pathlib import Path

import pytest

from tests.commands.calls import call
from tests.processes import write_study
from tuner.commands import doctor, machine
from tuner.ray_adapter import home

CARD = {"name": "NVIDIA A100-SXM4-40GB", "memory_gib": 39.4, "capability": "8.0"}
WITH_CARD = {"version": "2.13.0", "cuda": "12.6", "cards": [CARD]}
WITHOUT = {"version": "2.13.0+cpu", "cuda": None, "cards": []}
NVML = {"driver": "560.1", "cards": ["NVIDIA A100-SXM4-40GB"]}
NO_NVML = {"error": "NVMLError_LibraryNotFound: NVML Shared Library Not Found"}


@pytest.fixture
def a_cpu(monkeypatch):
    monkeypatch.setattr(machine, "ask_torch", lambda: WITHOUT)
    monkeypatch.setattr(machine, "ask_nvml", lambda: NO_NVML)
    monkeypatch.setattr(machine, "ask_ray", lambda: {"version": "2.60.0"})


def levels(said):
    return {diagnosis["name"]: diagnosis["level"] for diagnosis in said.json["checks"]}


@pytest.mark.usefixtures("a_cpu")
def test_a_sound_machine_without_a_card_fails_nothing(tmp_path):
    said = call("doctor", "--runs-dir", tmp_path / "runs", "--space", "cpu", "--json")
    found = levels(said)
    names = "home python packages torch device nvml ray dashboard runs cache shm wandb"
    assert list(found) == [*names.split(), "study", "hardware", "stage", "search"]
    assert found | {"shm": "ok", "wandb": "ok", "runs": "ok", "cache": "ok"} == dict.fromkeys(found, "ok")
    assert said.code == 0
    assert not (tmp_path / "runs").exists()


@pytest.mark.usefixtures("a_cpu")
def test_each_line_begins_with_its_level_and_what_is_not_ok_has_a_fix(tmp_path):
    said = call("doctor", "--runs-dir", tmp_path, "--space", "a100")
    *lines, total = said.lines
    assert all(line.split()[0] in ("ok", "warn", "fail") for line in lines)
    assert all(("Fix: " in line) == (not line.startswith("ok")) for line in lines)
    assert any(line.startswith("warn  hardware") and "a CPU" in line for line in lines)
    assert total == f"{sum(x.startswith('ok') for x in lines)} ok, {len(lines) - said_ok(lines)} warn, 0 fail"


def said_ok(lines):
    return sum(line.startswith("ok") for line in lines)


@pytest.mark.usefixtures("a_cpu")
def test_a_study_with_a_mistake_fails_with_its_message_and_exit_code_2(tmp_path):
    said = call("doctor", "--space", write_study(tmp_path, target="nrmse > 1"), "--runs-dir", tmp_path)
    assert said.code == 2
    assert any(line.startswith("fail  study") and "cannot read the target" in line for line in said.lines)


@pytest.mark.usefixtures("a_cpu")
def test_a_broken_ray_fails(tmp_path, monkeypatch):
    monkeypatch.setattr(machine, "ask_ray", lambda: {"error": "ModuleNotFoundError: No module named 'ray'"})
    said = call("doctor", "--runs-dir", tmp_path)
    assert said.code == 1
    assert any(line.startswith("fail  ray") and "No module named" in line for line in said.lines)


@pytest.mark.usefixtures("a_cpu")
def test_an_address_that_a_run_cannot_join_fails_with_its_fix(tmp_path, monkeypatch):
    monkeypatch.setenv("RAY_ADDRESS", "http://head:8265")
    said = call("doctor", "--runs-dir", tmp_path)
    assert said.code == 1
    assert any(line.startswith("fail  ray") and "Fix: use head:6379 " in line for line in said.lines)


@pytest.mark.usefixtures("a_cpu")
def test_runs_are_looked_for_where_a_run_would_put_them(tmp_path, monkeypatch):
    monkeypatch.setenv("DISTILL_TUNER_RUNS_DIR", str(tmp_path / "kept"))
    said = call("doctor")
    assert any(line.startswith(f"ok    runs       {tmp_path}/kept: ") for line in said.lines)


def test_no_home_folder_warns_with_what_is_used_and_the_fix(monkeypatch):
    monkeypatch.setattr(home, "ensure_home", lambda: "there is none; /tmp/x is used. Fix: set HOME.")
    assert str(doctor.home_diagnosis()) == "warn  home       there is none; /tmp/x is used. Fix: set HOME."


def test_a_card_that_torch_cannot_use_fails_and_one_it_can_is_shown():
    assert doctor.device_diagnosis(WITHOUT, NVML).level == "fail"
    assert "A100" in doctor.device_diagnosis(WITHOUT, NVML).seen
    good = doctor.device_diagnosis(WITH_CARD, NVML)
    assert (good.level, "39.4 GiB" in good.seen, "sm 8.0" in good.seen) == ("ok", True, True)


def test_nvml_is_missed_only_where_there_is_a_card():
    assert doctor.nvml_diagnosis(WITHOUT, NO_NVML).level == "ok"
    assert doctor.nvml_diagnosis(WITH_CARD, NO_NVML).level == "warn"
    assert "560.1" in doctor.nvml_diagnosis(WITH_CARD, NVML).seen


@pytest.mark.parametrize(("free_gib", "level"), [(100, "ok"), (2, "warn"), (0.1, "fail")])
def test_disks_are_judged_by_what_is_free_in_the_nearest_folder(tmp_path, monkeypatch, free_gib, level):
    asked = []

    class Usage:
        free = free_gib * machine.GIB

    monkeypatch.setattr(doctor.shutil, "disk_usage", lambda folder: asked.append(folder) or Usage)
    assert doctor.disk_diagnosis("runs", tmp_path / "not" / "there", "free some").level == level
    assert asked == [tmp_path]


def test_a_folder_below_a_file_cannot_hold_runs(tmp_path):
    (tmp_path / "file").write_text("")
    assert doctor.disk_diagnosis("runs", tmp_path / "file" / "runs", "choose another").level == "fail"


def test_little_shared_memory_warns(tmp_path, monkeypatch):
    class Usage:
        total = 64 * 2**20

    monkeypatch.setattr(doctor.shutil, "disk_usage", lambda _: Usage)
    assert doctor.shm_diagnosis(tmp_path).level == "warn"
    assert doctor.shm_diagnosis(Path("/nowhere")).level == "warn"


@pytest.mark.parametrize(
    ("environment", "is_installed", "seen"),
    [
        ({}, False, "not installed"),
        ({}, True, "installed, offline"),
        ({"WANDB_MODE": "disabled"}, True, "installed, off "),
        ({"WANDB_API_KEY": "secret-word"}, True, "installed, offline"),
        ({"WANDB_API_KEY": "secret-word", "WANDB_MODE": "online"}, True, "installed, online "),
    ],
)
def test_wandb_is_said_as_a_run_would_take_it_and_no_key_is_shown(
    environment, is_installed, seen, monkeypatch, tmp_path
):
    monkeypatch.delenv("WANDB_MODE", raising=False)
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    diagnosis = doctor.wandb_diagnosis(is_installed=is_installed)
    assert diagnosis.level == "ok"
    assert diagnosis.seen.startswith(seen)
    assert "secret" not in str(diagnosis)


def test_old_python_fails():
    assert doctor.python_diagnosis((3, 10, 1)).level == "fail"


def test_what_is_asked_of_torch_is_answered_and_what_breaks_is_an_answer():
    answer = machine.ask_torch()
    assert answer["version"].startswith("2.")
    assert isinstance(answer["cards"], list)
    broken = machine._ask("import no_such_module_of_ours")
    assert broken == {"error": "ModuleNotFoundError: No module named 'no_such_module_of_ours'"}
