"""The checks that need a card: order, budget, and what is left when one fails, hangs or is killed."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from benchmarks.on_a_card import facts, gpu_tests
from benchmarks.on_a_card.__main__ import main
from benchmarks.on_a_card.checks import GRACE_S, LEAST_S, LIMIT, Check, all_checks, time_for
from benchmarks.on_a_card.command_stage import figures
from benchmarks.on_a_card.full_size import FULL, counted_gib
from benchmarks.on_a_card.running import last_json
from benchmarks.on_a_card.session import Session
from benchmarks.on_a_card.small_study import headline, small_study
from tests.processes import ROOT, is_alive, wait_until
from trainables.consistency.options import StageOptions
from trainables.consistency.row_cost import RowCost
from trainables.telemetry.gpu import GpuReading, NullMonitor, ReplayedNvml
from tuner.core.config import TrialConfig
from tuner.spec import study_as_yaml

CARD = 'print(\'{"card": "a card", "driver": "1", "cuda": "13", "torch": "2", "nvml_name": "a card"}\')'
NO_CARD = 'print(\'{"card": null, "driver": null, "cuda": null, "torch": "2", "nvml_name": null}\')'
HANGS = """\
import subprocess, sys, time
child = subprocess.Popen([sys.executable, "-S", "-c", "import time; time.sleep(600)"], start_new_session=True)
print('{"child": %d}' % child.pid, flush=True)
time.sleep(600)
"""


def check(name: str, program: str, limit_s: float = 60.0, **more: Any) -> Check:
    return Check(name=name, command=(sys.executable, "-S", "-c", program), limit_s=limit_s, **more)


def outcomes(folder: Path, *checks: Check, minutes: float = 8.0, on_cpu: bool = False) -> dict[str, Any]:
    """The summary of a call with these checks."""
    session = Session(checks, folder, minutes=minutes, on_cpu=on_cpu, is_asked_to_stop=lambda: False)
    session.run()
    return session.summary()


def test_the_order_is_that_of_value_and_the_first_five_leave_time_for_the_rest_even_at_their_limits() -> None:
    checks = all_checks(Path("kept"), quick=False)
    names = [one.name for one in checks]
    assert names == ["facts", "gpu_tests", "stage", "probe", "command_stage", "full_size", "study"]
    assert sum(one.limit_s for one in checks[:5]) + 60 < 8 * 60
    assert [one.name for one in checks if one.needs_card] == ["gpu_tests"]


def test_a_check_gets_its_limit_or_what_is_left_and_is_not_started_with_too_little() -> None:
    one = check("one", "", limit_s=60.0)
    assert time_for(one, 480.0) == 60.0
    assert time_for(one, 30.0) == 30.0 - GRACE_S
    assert time_for(one, LEAST_S + GRACE_S) == LEAST_S
    assert time_for(one, LEAST_S + GRACE_S - 0.01) is None
    told = Check(name="study", command=("study", "--limit-s", LIMIT), limit_s=60.0)
    assert told.words(27.4) == ["study", "--limit-s", "27"]


def test_one_that_fails_prints_garbage_or_cannot_start_does_not_stop_the_others(tmp_path: Path) -> None:
    found = outcomes(
        tmp_path,
        check("facts", CARD),
        check("fails", 'print(\'{"known": 1}\'); raise SystemExit("out of luck")'),
        check("garbage", "print('{not json'); print('[1]')"),
        Check(name="missing", command=("/no/such/program",), limit_s=60.0),
        check("last", "print('{\"first\": 1}'); print('{\"second\": 2}'); print('{half')"),
    )
    assert [found[name] for name in ("card", "driver", "cuda", "torch")] == ["a card", "1", "13", "2"]
    checks = found["checks"]
    assert {name: one["outcome"] for name, one in checks.items()} == {
        "facts": "ok",
        "fails": "failed",
        "garbage": "ok",
        "missing": "failed",
        "last": "ok",
    }
    assert checks["fails"]["figures"] == {"known": 1}
    assert checks["fails"]["why"] == "exit code 1: out of luck"
    assert checks["garbage"]["figures"] is None
    assert checks["missing"]["why"] == "cannot be started: No such file or directory"
    assert checks["last"]["figures"] == {"second": 2}
    kept = json.loads((tmp_path / "summary.json").read_text())
    assert kept["checks"] == checks
    assert (tmp_path / "last.log").read_text().endswith("{half\n")


def test_one_that_hangs_is_ended_with_its_children_and_what_it_had_said_is_kept(tmp_path: Path) -> None:
    found = outcomes(tmp_path, check("facts", CARD), check("hangs", HANGS, limit_s=1.0), check("rest", "1"))
    assert found["checks"]["hangs"]["outcome"] == "skipped", "a second is too little to start with"
    hangs = check("hangs", HANGS, limit_s=LEAST_S)
    found = outcomes(tmp_path, check("facts", CARD), hangs, check("rest", "print('{\"went\": 1}')"))
    ended = found["checks"]["hangs"]
    assert ended["outcome"] == "out of time"
    assert not is_alive(ended["figures"]["child"])
    assert found["checks"]["rest"]["figures"] == {"went": 1}


def test_nothing_is_started_when_the_minutes_are_over(tmp_path: Path) -> None:
    slow = check("slow", "import time; time.sleep(3)")
    found = outcomes(tmp_path, slow, check("more", "1"), minutes=(LEAST_S + GRACE_S + 2.5) / 60)
    assert found["checks"]["slow"]["outcome"] != "skipped"
    assert found["checks"]["more"] == {
        "outcome": "skipped", "seconds": 0.0, "why": "no time left", "figures": None,
    }  # fmt: skip


def test_on_a_cpu_what_needs_a_card_is_skipped(tmp_path: Path) -> None:
    needy = check("tests", "raise SystemExit(9)", needs_card=True)
    found = outcomes(tmp_path, check("facts", NO_CARD), needy, check("rest", "1"), on_cpu=True)
    assert (found["on_cpu"], found["card"]) == (True, None)
    assert (found["checks"]["tests"]["outcome"], found["checks"]["tests"]["why"]) == (
        "skipped",
        "needs a card",
    )
    assert found["checks"]["rest"]["outcome"] == "ok"


def started(folder: Path, *checks: Check) -> subprocess.Popen[str]:
    """The script's own process, with these checks."""
    program = (
        "import sys; from pathlib import Path; from benchmarks.on_a_card.__main__ import run\n"
        "from benchmarks.on_a_card.checks import Check\n"
        f"sys.exit(run({list(checks)!r}, Path({str(folder)!r}), minutes=8.0, on_cpu=False))"
    )
    return subprocess.Popen(
        [sys.executable, "-c", program],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.parametrize(("signum", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_ends_the_check_under_way_and_prints_what_is_there(
    tmp_path: Path, signum: signal.Signals, code: int
) -> None:
    process = started(tmp_path, check("facts", CARD), check("hangs", HANGS), check("rest", "1"))
    log = tmp_path / "hangs.log"
    wait_until(lambda: log.exists() and last_json(log) is not None)
    process.send_signal(signum)
    printed, _ = process.communicate(timeout=60)
    found = json.loads(printed.splitlines()[-1])
    assert process.returncode == code
    assert {name: one["outcome"] for name, one in found["checks"].items()} == {
        "facts": "ok",
        "hangs": "interrupted",
        "rest": "skipped",
    }
    assert not is_alive(found["checks"]["hangs"]["figures"]["child"])
    assert found["card"] == "a card"


@pytest.mark.parametrize(
    ("says", "told"),
    [
        (NO_CARD, "no card: torch sees no CUDA device here. Fix: "),
        (
            NO_CARD.replace('"nvml_name": null', '"nvml_name": "H100"'),
            "torch cannot use this machine's H100. Fix: ",
        ),
    ],
)
def test_without_a_card_one_line_says_so_and_nothing_else_runs(tmp_path: Path, says: str, told: str) -> None:
    process = started(tmp_path, check("facts", says), check("rest", "1"))
    printed, errors = process.communicate(timeout=60)
    assert process.returncode == 2
    assert errors.startswith(told)
    assert errors.count("\n") == 1
    assert not (tmp_path / "rest.log").exists()
    assert "checks" not in printed


def test_the_command_runs_what_is_asked_for_after_the_facts(tmp_path: Path) -> None:
    words = ["--on-cpu", "--only", "gpu_tests,command_stage", "--output", str(tmp_path)]
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.on_a_card", *words],
        cwd=ROOT, env=os.environ | {"PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    found = json.loads(done.stdout.splitlines()[-1])
    assert list(found["checks"]) == ["facts", "gpu_tests", "command_stage"]
    assert found["card"] is None
    assert found["torch"]
    assert found["checks"]["gpu_tests"]["outcome"] == "skipped"
    script = found["checks"]["command_stage"]["figures"]
    assert script["status"] == "ok"
    assert 0.5 < script["time_s"] < 60.0
    assert {"gpu_util_pct", "energy_j"} <= set(script["missing"])


def test_an_unknown_check_is_refused_with_the_known_ones(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["on_a_card", "--only", "facts,prob"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    told = capsys.readouterr().err.splitlines()[-1]
    known = "facts, gpu_tests, stage, probe, command_stage, full_size, study"
    assert told.endswith(f"--only: 'prob' is no check. Fix: use {known}.")


def test_the_driver_is_asked_and_what_it_refuses_is_null() -> None:
    nvml = ReplayedNvml(
        {
            "nvmlSystemGetDriverVersion": "580.1",
            "nvmlDeviceGetHandleByIndex": {"0": "a"},
            "nvmlDeviceGetName": {"a": "NVIDIA H100"},
            "nvmlDeviceGetMaxClockInfo": {"a/1": 1980},
            "nvmlDeviceGetEnforcedPowerLimit": {"a": 700000},
            "nvmlDeviceGetMigMode": {"error": "Not Supported"},
        }
    )
    assert facts.of_nvml(nvml) == {
        "driver": "580.1",
        "nvml_name": "NVIDIA H100",
        "sm_clock_max_mhz": 1980,
        "power_limit_w": 700.0,
        "is_mig": None,
    }
    assert nvml.num_open == 0
    nothing = facts.of_nvml(ReplayedNvml({"nvmlInit": {"error": "Driver Not Loaded"}}))
    assert set(nothing.values()) == {None}


def test_a_reading_is_that_of_the_monitor_that_watches_trainings() -> None:
    class Idle(NullMonitor):
        def read(self) -> GpuReading:
            return GpuReading(power_w=71.0, num_others=0)

    found = facts.of_reading(lambda _: Idle())
    assert (found["power_w"], found["num_others"], found["energy_j"]) == (71.0, 0, None)


def test_figures_that_nvml_did_not_give_are_named() -> None:
    result = {"status": "ok", "device": "H100", "time_s": 9.0, "contended_reason": "", "peak_memory_gib": 0.0}
    result |= {"gpu_memory_gib": 4.6, "gpu_util_pct": 97.0, "power_w": None, "energy_j": 5000.0}
    found = figures(result, 4.0)
    assert found["missing"] == ["peak_memory_gib", "power_w", "sm_clock_mhz", "temperature_c"]
    assert found["peak_memory_gib"] is None
    assert figures(result | {"peak_memory_gib": 4.5}, 4.0)["peak_memory_gib"] == 4.5


def test_the_gpu_tests_are_found_by_their_mark_and_counted_one_by_one(tmp_path: Path) -> None:
    (tmp_path / "test_without.py").write_text("def test_it(): pass\n")
    marked = tmp_path / "test_with.py"
    marked.write_text(
        "import pytest\npytestmark = pytest.mark.gpu\n"
        "def test_good(): print('captured')\n"
        "def test_bad(): assert False\n"
        "def test_left_out(): pytest.skip('no')\n"
    )
    assert gpu_tests.marked_files(tmp_path) == [str(marked)]
    assert len(gpu_tests.marked_files(ROOT / "tests" / "trainables")) >= 7
    with (tmp_path / "out").open("w") as out:
        counts = gpu_tests.Counts(out)
        for name, when, outcome in (
            ("good", "call", "passed"), ("bad", "call", "failed"), ("left_out", "setup", "skipped"),
        ):  # fmt: skip
            for phase, result in ((when, outcome), ("teardown", "passed")):
                counts.pytest_runtest_logreport(
                    pytest.TestReport(name, ("", 0, ""), {}, result, None, phase)  # type: ignore[arg-type]
                )
    lines = [json.loads(line) for line in (tmp_path / "out").read_text().splitlines() if line]
    assert lines[0] == {"passed": 1, "failed": [], "skipped": 0}
    assert lines[-1] == {"passed": 1, "failed": ["bad"], "skipped": 1}


def test_full_size_means_the_rows_of_the_shipped_studies() -> None:
    ours, theirs = StageOptions.parse(FULL), StageOptions.parse({"problem": "turbulence2d"})
    sizes = ("grid_points", "teacher_width", "teacher_depth")
    assert [getattr(ours, name) for name in sizes] == [getattr(theirs, name) for name in sizes]
    config = TrialConfig(batch_size=6, micro_batch=3, num_taus=5, accum_steps=1)
    free = RowCost(saved_bytes=0, flops=0, moved_bytes=0, num_launches=0)
    gib = RowCost(saved_bytes=2**30, flops=0, moved_bytes=0, num_launches=0)
    assert counted_gib(FULL, config, gib) - counted_gib(FULL, config, free) == pytest.approx(15.0)
    assert counted_gib(FULL, config, free) > 0.0


def test_the_small_study_is_one_and_its_headline_needs_no_winner() -> None:
    study = small_study(quick=False)
    assert (study.stage.options["problem"], study.target.text) == ("burgers", "nrmse < 0.095")
    assert "burgers" in study_as_yaml(study)
    assert small_study(quick=True).stage.options["teacher_steps"] == 20
    empty = dict.fromkeys(("certificate", "recommended", "speedup", "speedup_interval"))
    found = headline(empty | {"status": "none", "device": "H100", "num_trials": 3, "sentence": "Nothing."})
    assert (found["status"], found["verdict"], found["recommended"]) == ("none", None, None)
