"""Benchmarks run with one command and end with the JSON they promise.

Of the others, whose runs are long, the parts are tested in the files beside this one.
"""

import json
import os
import runpy
import subprocess
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from benchmarks.report.browser import has_browser
from benchmarks.sinks import Timed, summary
from tests.studies import make_study
from tuner.core.objectives import Target
from tuner.spec import load_study, study_as_yaml

ROOT = Path(__file__).parents[2]


def last_line(*arguments: str) -> tuple[str, dict[str, Any]]:
    """All that a script printed, and its last line."""
    done = subprocess.run(
        [sys.executable, "-m", *arguments],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=480,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout, json.loads(done.stdout.splitlines()[-1])


Call = Callable[..., tuple[str, dict[str, Any]]]


@pytest.fixture
def last_line_here(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Call:
    """The same of a script that is run in this process, where torch and Ray Tune are loaded once for all."""

    def call(name: str, *arguments: str) -> tuple[str, dict[str, Any]]:
        with monkeypatch.context() as patch:
            patch.setattr(sys, "argv", [name, *arguments])
            patch.delitem(sys.modules, f"{name}.__main__", raising=False)
            runpy.run_module(name, run_name="__main__", alter_sys=True)
        printed = capsys.readouterr().out
        return printed, json.loads(printed.splitlines()[-1])

    return call


def test_stage_quick_prints_every_rung_of_the_ladder_at_equal_loss(last_line_here: Call) -> None:
    printed, summary = last_line_here("benchmarks.stage", "--quick")
    assert set(summary) == {
        *("fast_over_naive_same_config", "tuned_fast_over_baseline_naive", "tuned_nrmse_mean"),
        "roofline_fraction",
    }
    assert summary["tuned_fast_over_baseline_naive"] > summary["fast_over_naive_same_config"] > 1.0
    assert 0.05 < summary["tuned_nrmse_mean"] < 0.2
    assert 0.0 < summary["roofline_fraction"] < 1.0
    rungs = [line.split(" | ") for line in printed.splitlines() if line.startswith("| ")][1:]
    assert len(rungs) == 14
    followed = [cells for cells in rungs if cells[0].startswith("| + ")]
    assert len(followed) == 9
    assert all(" to " in cells[5] for cells in followed)
    assert "in fp32, are at most" in printed
    assert "arithmetic binds" in printed or "memory binds" in printed


def test_telemetry_quick_says_what_watching_costs(last_line_here: Call) -> None:
    printed, summary = last_line_here("benchmarks.telemetry", "--quick")
    assert set(summary) == {
        *("mark_us", "epoch_without_card_us", "epoch_with_card_us", "sampler_overhead_pct"),
        *("load_average", "card"),
    }
    assert 0.0 < summary["mark_us"] < summary["epoch_without_card_us"]
    assert "sampler_overhead_pct" in printed


def test_probe_quick_predicts_real_epochs(tmp_path: Path, last_line_here: Call) -> None:
    printed, summary = last_line_here("benchmarks.probe", "--quick", "--space", str(small_study(tmp_path)))
    assert set(summary) == {"median_error_pct", "max_error_pct", "seconds_per_config"}
    assert 0.0 <= summary["median_error_pct"] <= summary["max_error_pct"]
    assert printed.count("Cost law, fitted to") == 2
    assert "Peak memory: predicted" in printed


@pytest.mark.timeout(600)
def test_calibration_quick_writes_table_and_plots_and_continues(tmp_path: Path, last_line_here: Call) -> None:
    pytest.importorskip("matplotlib")
    log = tmp_path / "trials.jsonl"
    command = ("benchmarks.calibration", "--quick", "--log", str(log), "--output", str(tmp_path))
    printed, summary = last_line_here(*command)
    assert set(summary) == {
        *("baseline_nrmse_mean", "baseline_nrmse_sd", "paired_sd_pct", "feasible_share_pct", "num_seeds")
    }
    assert summary["num_seeds"] == 2
    assert (tmp_path / "calibration.md").read_text() in printed
    assert all((tmp_path / f"calibration-{name}.svg").stat().st_size for name in ("quality", "cost"))
    trained = log.read_text()
    trials = [json.loads(line) for line in trained.splitlines()]
    assert len(trials) == 6
    finals = [trial["nrmse"][-1] for trial in trials if trial["config"] == [6, 3, 5, 1]]
    assert summary["baseline_nrmse_mean"] == pytest.approx(sum(finals) / 2, abs=1e-5)
    assert 0.0 < summary["baseline_nrmse_sd"] < summary["baseline_nrmse_mean"]
    assert "Final split" not in printed
    _, summary_again = last_line_here(*command)
    assert (summary_again, log.read_text()) == (summary, trained), "a rerun trained again"


@pytest.mark.parametrize("less", [("--quick", "--output", "docs/figures"), ("--seeds", "4")])
def test_calibration_never_replaces_the_documented_figures_with_fewer_seeds(
    monkeypatch: pytest.MonkeyPatch, less: tuple[str, ...]
) -> None:
    calibration = pytest.importorskip("benchmarks.calibration.__main__", reason="needs matplotlib")
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(sys, "argv", ["calibration", *less])
    monkeypatch.setattr(calibration, "_measure", lambda _: pytest.fail("measured"))
    with pytest.raises(SystemExit, match=r"measures less than docs/stage\.md shows.*Fix: give --output"):
        calibration.main()


@pytest.mark.usefixtures("ray_resources")
def test_stopped_trials_counts_what_is_on_the_front(
    monkeypatch: pytest.MonkeyPatch, last_line_here: Call
) -> None:
    monkeypatch.setenv("RAY_AIR_NEW_OUTPUT", "0")  # as the script does: undone after the test
    _, summary = last_line_here("benchmarks.stopped_trials", "--trials", "2")
    assert 0 <= summary["stopped"] <= summary["on_the_front"] <= 2
    assert summary["on_the_front"] >= 1


def test_faults_alone_tells_what_it_saw_of_a_program_that_cannot_import_a_module(
    last_line_here: Call,
) -> None:
    """One that needs no Ray."""
    printed, summary = last_line_here("benchmarks.faults_alone", "module_raises")
    assert summary.pop("ray").startswith("2.60.")
    assert summary.pop("optuna").startswith("5.")
    none = dict.fromkeys(("waiting", "silent", "exit_0", "lost_results", "steps_again"), 0)
    assert summary == none | {"faults": 1}
    assert "exit 1 after" in printed
    assert "raise RuntimeError('at import')" in printed


def test_faults_alone_names_a_fault_that_it_does_not_know(
    last_line_here: Call, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="2"):
        last_line_here("benchmarks.faults_alone", "no_such_fault")
    assert "no such fault: no_such_fault. Fix: --list shows their names" in capsys.readouterr().err


def test_sinks_quick_times_runs_with_and_without_them() -> None:
    printed, summary = last_line("benchmarks.sinks", "--quick", "--arms", "all")
    assert set(summary) == {
        *("all_overhead_pct", "all_overhead_pct_interval"),
        *("driver_cpu_s", "seconds_without", "trials", "repeats"),
    }
    assert set(summary["driver_cpu_s"]) == {"none", "all"}
    assert summary["seconds_without"] > 0.0
    assert printed.count("repeat ") == 1


def test_every_sinks_overhead_is_that_of_the_medians_over_its_repeats() -> None:
    without, slower = Timed([1.0, 3.0], 5.0), Timed([1.2, 3.2], 6.0)
    disturbed = Timed([9.0, 9.0], 7.0)
    runs = [{"none": without, "wandb": slower, "all": without}] * 2 + [
        {"none": without, "wandb": disturbed, "all": without}
    ]
    found = summary(runs, ["wandb", "all"])
    assert (found["wandb_overhead_pct"], found["all_overhead_pct"]) == (10.0, 0.0)
    assert found["driver_cpu_s"] == {"none": 5.0, "wandb": 6.0, "all": 5.0}
    assert found["seconds_without"] == 4.0


def test_report_quick_times_a_report_of_the_size_it_says(last_line_here: Call) -> None:
    printed, summary = last_line_here("benchmarks.report", "--quick")
    opened = {"open_s", "drawn_s"} if has_browser() else set()
    assert set(summary) == {"build_s", "size_mb", "num_trials"} | opened
    assert summary["num_trials"] == 200
    assert summary["build_s"] > 0.0
    assert 4.6 < summary["size_mb"] < 15, "Plotly alone is 4.6"
    assert printed.startswith("load average ")


@pytest.mark.timeout(600)
def test_a_real_study_is_judged_by_what_it_tried_and_continues(
    tmp_path: Path, last_line_here: Call, on_shared_ray: Callable[[], AbstractContextManager[None]]
) -> None:
    kept = {name: tmp_path / name for name in ("runs-dir", "log", "times", "save")}
    options = ["--space", str(small_study(tmp_path))]
    options += [text for name, path in kept.items() for text in (f"--{name}", str(path))]
    with on_shared_ray():
        printed, summary = last_line_here("benchmarks.search_real", "--quick", *options)
    [journal] = kept["runs-dir"].glob("seed-0/last/journal.jsonl")
    ran = journal.read_bytes()
    assert set(summary) == {
        *(
            "real_stage_cost_in_baseline_trainings",
            "truly_feasible_pct",
            "within_10pct_pct",
            "num_master_seeds",
        )
    }
    assert summary["num_master_seeds"] == 1
    assert summary["real_stage_cost_in_baseline_trainings"][0] > 1.0
    assert "Best feasible: (" in printed
    trained, timed = (kept[name].read_text() for name in ("log", "times"))
    _, summary_again = last_line_here("benchmarks.search_real", "--quick", *options)
    assert (
        summary_again["real_stage_cost_in_baseline_trainings"]
        == (summary["real_stage_cost_in_baseline_trainings"])
    ), "the study ran again"
    assert journal.read_bytes() == ran
    assert (kept["log"].read_text(), kept["times"].read_text()) == (trained, timed), "a rerun trained again"
    assert len(kept["save"].read_text().splitlines()) == 2


def small_study(folder: Path) -> Path:
    """The CPU study on a small problem, without sinks, with a target that all its configurations meet."""
    study = load_study("cpu.yaml")
    sizes = {"num_samples": 120, "num_eval_trajectories": 20, "teacher_steps": 20, "operator_steps": 20}
    options = study.stage.options | sizes | {"cache_dir": str(folder / "cache")}
    stage = replace(study.stage, options=options, num_samples=sizes["num_samples"])
    path = folder / "small.yaml"
    target, outputs = Target.parse("nrmse < 9"), make_study().outputs
    path.write_text(study_as_yaml(replace(study, stage=stage, target=target, outputs=outputs)))
    return path
