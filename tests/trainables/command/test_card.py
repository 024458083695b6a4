"""A script on a card is measured on that card: real scripts, recorded answers of NVML."""

import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.processes import wait_until
from tests.trainables.test_command import reports, trial
from trainables.command import CommandStage
from trainables.telemetry.gpu import ReplayedNvml
from trainables.telemetry.memory import GIB

RECORDED = Path(__file__).parents[1] / "nvml"
REFUSED = {"error": "Insufficient Permissions"}

WAITS = """
import json, os, pathlib, sys, time
here = pathlib.Path(sys.argv[1])
(here / "pid.new").write_text(str(os.getpid()))
(here / "pid.new").rename(here / "pid")
while not (here / "go").exists(): time.sleep(0.01)
time.sleep(0.5)  # longer than the period of NVML's utilisation
print(json.dumps({"nrmse": 0.5, **json.loads(sys.argv[2])}))
print(os.environ["CUDA_VISIBLE_DEVICES"], os.environ["CUDA_DEVICE_ORDER"])
"""


def answers(name, **changes):
    return json.loads((RECORDED / f"{name}.json").read_text()) | changes


@pytest.fixture
def driver(monkeypatch):
    """Puts recorded answers in the place of pynvml; they may be changed while scripts run."""

    def put(told, visible=None):
        nvml = ReplayedNvml(told)
        monkeypatch.setitem(sys.modules, "pynvml", nvml)
        if visible is not None:
            monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
        return nvml

    return put


def started(folder, printed=None, **options):
    """A stage whose script waits for a file `go`, and the script's process number."""
    folder.mkdir(exist_ok=True)
    words = (str(folder), json.dumps(printed or {}))
    stage = CommandStage(config=trial(folder, WAITS, *words, num_epochs=1, **options))
    wait_until((folder / "pid").exists)
    return stage, int((folder / "pid").read_text())


def finished(stage, folder):
    """The report of a script that may go on, and what it printed."""
    (folder / "go").touch()
    report = stage.train()
    stage.stop()
    (log,) = folder.glob("logs/trial-*/output.log")
    return report, log.read_text()


def running(pid, gib):
    return {"pid": pid, "usedGpuMemory": gib * GIB}


def test_two_scripts_on_two_cards_at_once_have_each_its_own_figures(tmp_path, driver):
    told = answers(
        "two_cards",
        nvmlDeviceGetTotalEnergyConsumption={
            "a": {"series": [7000, 57000]},
            "b": {"series": [1000000, 1600000]},
        },
    )
    folders, stages = [tmp_path / "first", tmp_path / "second"], []
    for visible, folder, card, gib in (("0", folders[0], "a", 5), ("1", folders[1], "b", 31)):
        nvml = driver(told, visible)
        stage, pid = started(folder)
        stages.append(stage)
        told["nvmlDeviceGetComputeRunningProcesses"][card] = [running(pid, gib)]
    with ThreadPoolExecutor(2) as pool:
        found = list(pool.map(finished, stages, folders))
    keys = ("gpu_util_pct", "power_w", "energy_j", "peak_memory_gib", "gpu_memory_gib", "sm_clock_mhz")
    assert [[report[key] for key in keys] for report, _ in found] == [
        [10.0, 50.0, 50.0, 5.0, 1.0, 210.0],
        [90.0, 300.0, 600.0, 31.0, 2.0, 1410.0],
    ]
    for (report, printed), visible in zip(found, "01", strict=True):
        assert report["device"] == "NVIDIA A100-SXM4-40GB"
        assert "on the card" not in report["contended_reason"]
        assert printed.splitlines()[-1] == f"{visible} PCI_BUS_ID"
    assert nvml.num_open == 0


def test_a_script_on_two_cards_has_the_fullest_ones_memory_and_the_energy_of_both(tmp_path, driver):
    told = answers("two_cards")
    nvml = driver(told, "GPU-bbbb-2,0")
    stage, pid = started(tmp_path / "both")
    told["nvmlDeviceGetComputeRunningProcesses"] = {"a": [running(pid, 12)], "b": [running(pid, 9)]}
    report, printed = finished(stage, tmp_path / "both")
    assert (report["peak_memory_gib"], report["gpu_memory_gib"], report["gpu_util_pct"]) == (12.0, 2.0, 50.0)
    assert (report["energy_j"], report["power_w"]) == (600.0, 350.0)
    assert "on the card" not in report["contended_reason"]
    assert printed.splitlines()[-1] == "GPU-bbbb-2,0 PCI_BUS_ID"
    assert CommandStage.describe_device({})["memory_gib"] == 40.0
    assert nvml.num_open == 0


def test_a_foreign_process_on_its_card_disturbs_a_script_and_holds_none_of_its_memory(tmp_path, driver):
    told = answers("two_cards")
    driver(told, "0")
    stage, pid = started(tmp_path / "shared")
    told["nvmlDeviceGetComputeRunningProcesses"]["a"] = [running(pid, 5), running(999999901, 20)]
    report, _ = finished(stage, tmp_path / "shared")
    assert report["peak_memory_gib"] == 5.0
    assert "1 other process(es) on the card" in report["contended_reason"]


def test_in_a_mig_instance_memory_is_its_own_and_power_is_nobodys(tmp_path, driver):
    driver(answers("mig"), "MIG-1234")
    told = CommandStage.describe_device({})
    assert (told["kind"], told["name"], told["memory_gib"]) == (
        "cuda",
        "NVIDIA H100 80GB HBM3 MIG 1g.10gb",
        10.0,
    )
    stage, _ = started(tmp_path / "mig")
    report, _ = finished(stage, tmp_path / "mig")
    assert (report["gpu_memory_gib"], report["power_w"], report["energy_j"]) == (3.0, None, None)
    assert "hardware thermal slowdown" in report["contended_reason"]


@pytest.mark.parametrize(
    ("before", "while_it_runs", "printed", "peak_gib"),
    [
        # No permission to see processes: what the card gained since before the script, else nothing at all.
        ({"a": {"used": GIB, "total": 40 * GIB}}, {"a": {"used": 9 * GIB}}, {}, 8.0),
        (REFUSED, REFUSED, {}, 0.0),
        (REFUSED, REFUSED, {"peak_memory_gib": 3.5}, 3.5),
        ({"a": {"used": GIB, "total": 40 * GIB}}, {"a": {"used": 9 * GIB}}, {"peak_memory_gib": 3.5}, 3.5),
    ],
)
def test_without_permission_to_see_processes_the_card_or_the_script_tells_memory(
    tmp_path, driver, before, while_it_runs, printed, peak_gib
):
    """Never the memory of a process on the CPU."""
    told = answers("two_cards", nvmlDeviceGetComputeRunningProcesses=REFUSED, nvmlDeviceGetMemoryInfo=before)
    driver(told, "0")
    stage, _ = started(tmp_path / "refused", printed)
    told["nvmlDeviceGetMemoryInfo"] = while_it_runs
    report, _ = finished(stage, tmp_path / "refused")
    assert report["peak_memory_gib"] == peak_gib
    assert report["peak_reserved_gib"] is None
    assert report["power_w"] == 50.0


@pytest.mark.parametrize(
    ("device", "visible", "kind"),
    [
        ("auto", "0", "cuda"),
        ("auto", "", "cpu"),
        ("auto", "9", "cpu"),
        ("cpu", "0", "cpu"),
        ("cuda", "1", "cuda"),
    ],
)
def test_the_device_is_the_card_where_one_is_visible(driver, device, visible, kind):
    nvml = driver(answers("two_cards"), visible)
    told = CommandStage.describe_device({"device": device})
    assert (CommandStage.device_kind({"device": device}), told["kind"]) == (kind, kind)
    assert told["memory_gib"] == (40.0 if kind == "cuda" else None)
    assert nvml.num_open == 0


def test_a_script_on_the_cpu_sees_no_card_and_nobody_watches_one(tmp_path, driver):
    nvml = driver(answers("two_cards"), "0")
    stage, _ = started(tmp_path / "cpu", device="cpu")
    assert nvml.num_open == 0
    report, printed = finished(stage, tmp_path / "cpu")
    assert printed.splitlines()[-1] == " PCI_BUS_ID"
    assert (report["peak_memory_gib"], report["energy_j"], report["gpu_util_pct"]) == (0.0, None, None)


@pytest.mark.parametrize("visible", ["", "9"])
def test_a_card_that_is_asked_for_and_not_there_is_a_mistake_with_its_fix(driver, visible):
    driver(answers("two_cards"), visible)
    with pytest.raises(ValueError, match=rf"device='cuda'.* Fix: .*CUDA_VISIBLE_DEVICES='{visible}'"):
        CommandStage.describe_device({"device": "cuda"})


def test_cards_of_two_kinds_are_a_mistake(driver):
    driver(answers("two_cards", nvmlDeviceGetName={"a": "NVIDIA A100", "b": "NVIDIA T4"}), "0,1")
    with pytest.raises(ValueError, match="Fix: leave cards of one kind visible: NVIDIA A100 and NVIDIA T4"):
        CommandStage.describe_device({})


def test_the_smallest_card_is_the_capacity_and_one_that_does_not_tell_makes_it_unknown(driver):
    sizes = {"a": {"used": 0, "total": 40 * GIB}, "b": {"used": 0, "total": 39 * GIB}}
    driver(answers("two_cards", nvmlDeviceGetMemoryInfo=sizes), "0,1")
    assert CommandStage.describe_device({})["memory_gib"] == 39.0
    del sizes["b"]
    assert CommandStage.describe_device({})["memory_gib"] is None


def test_a_process_that_measures_several_trials_begins_a_new_peak_for_each(tmp_path, driver):
    told = answers("two_cards")
    nvml = driver(told, "0")
    stage, pid = started(tmp_path / "trials")
    told["nvmlDeviceGetComputeRunningProcesses"]["a"] = [running(pid, 20)]
    (tmp_path / "trials/go").touch()
    first = stage.train()
    told["nvmlDeviceGetComputeRunningProcesses"]["a"] = []
    assert stage.reset_config(stage.config | {"params": {"batch_size": 12}})
    second = stage.train()
    stage.stop()
    assert (first["peak_memory_gib"], second["peak_memory_gib"]) == (20.0, 0.0)
    assert nvml.num_open == 0


def test_a_script_on_a_card_needs_no_torch_in_the_worker(tmp_path):
    code = (
        "import json, sys, tests.trainables.command.test_card as t\n"
        "from pathlib import Path\n"
        "sys.modules['pynvml'] = t.ReplayedNvml(t.answers('two_cards'))\n"
        "t.reports(t.trial(Path(sys.argv[1]), 'print(\\'{\"nrmse\": 1}\\')', num_epochs=1))\n"
        "assert 'torch' not in sys.modules\n"
    )
    env = os.environ | {"CUDA_VISIBLE_DEVICES": "0"}
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=True, env=env)


PRINTS_ENV = "import json, os\nprint(json.dumps(dict(os.environ)))\nprint('{\"nrmse\": 1}')"


def env_of(tmp_path, **options):
    reports(trial(tmp_path, PRINTS_ENV, num_epochs=1, **options) | {"num_threads": 3})
    (log,) = tmp_path.glob("logs/trial-*/output.log")
    return json.loads(log.read_text().splitlines()[0])


def test_a_script_inherits_the_users_variables_and_none_of_rays(tmp_path, monkeypatch):
    monkeypatch.setenv("RAY_AUTH_TOKEN", "secret")
    monkeypatch.setenv("RAY_ADDRESS", "10.0.0.1:6379")
    monkeypatch.setenv("TUNE_DISABLE_SIGINT_HANDLER", "1")
    monkeypatch.setenv("WANDB_API_KEY", "the user's own")
    found = env_of(tmp_path)
    assert not [name for name in found if name.startswith(("RAY_", "TUNE_"))]
    assert "secret" not in found.values()
    assert found["WANDB_API_KEY"] == "the user's own"
    assert found["PYTHONUNBUFFERED"] == "1"


SETS_THREADS = """
import os, sys
from trainables.command.environment import script_environment
from trainables.command.options import CommandOptions
os.environ["OMP_NUM_THREADS"] = os.environ.get("OMP_NUM_THREADS", "1")  # what Ray does in a worker
print(script_environment(CommandOptions(command=["x"]), {}).get("OMP_NUM_THREADS"))
"""


@pytest.mark.parametrize("users_own", [None, "4"])
def test_the_threads_that_ray_sets_in_its_workers_are_not_the_scripts(users_own):
    env = {name: value for name, value in os.environ.items() if name != "OMP_NUM_THREADS"}
    env |= {"OMP_NUM_THREADS": users_own} if users_own else {}
    done = subprocess.run(
        [sys.executable, "-c", SETS_THREADS], check=True, env=env, capture_output=True, text=True
    )
    assert done.stdout.strip() == str(users_own)


def test_the_user_sets_variables_with_words_in_them(tmp_path):
    asked = {"OMP_NUM_THREADS": "{num_threads}", "SIZE": "b{batch_size}", "LEVEL": 2, "RAY_X": "mine"}
    found = env_of(tmp_path, env=asked)
    assert [found[name] for name in asked] == ["3", "b6", "2", "mine"]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"device": "gpu"}, "device='gpu' makes no sense. Fix: use one of auto, cpu, cuda"),
        ({"device": True}, "device=True makes no sense. Fix: use one of"),
        ({"env": ["A=1"]}, "env=['A=1'] makes no sense. Fix: map names to text"),
        ({"env": {"A B": "1"}}, "env='A B' makes no sense. Fix: use a name of letters"),
        ({"env": {"A": True}}, "env.A=True makes no sense. Fix: write text, in quotes"),
        (
            {"env": {"CUDA_VISIBLE_DEVICES": "0"}},
            "env='CUDA_VISIBLE_DEVICES' makes no sense. Fix: leave it out",
        ),
        ({"env": {"A": "{config}"}}, "config='' makes no sense. Fix: name the file that {config} copies"),
        ({"env": {"A": "{batchsize}"}}, "env: {batchsize} in '{batchsize}' is neither"),
    ],
)
def test_options_that_make_no_sense_are_named_with_their_fix(options, words):
    with pytest.raises(ValueError, match="Fix") as raised:
        CommandStage.check_parameters(
            {"command": ["{python}", "{batch_size}"], **options}, ["batch_size"], []
        )
    assert words in str(raised.value)


def test_a_parameter_may_reach_the_script_through_its_environment():
    options = {"command": ["{python}", "train.py"], "env": {"BATCH": "{batch_size}"}}
    CommandStage.check_parameters(options, ["batch_size"], [])


def test_nrmse_does_not_depend_on_the_device():
    options = {"command": ["x"], "env": {"A": "1"}}
    assert CommandStage.quality_options(options | {"device": "cuda"}) == options
