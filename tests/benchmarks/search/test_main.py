"""The command of the search benchmark: what it runs, prints and saves."""

import json
import subprocess
import sys

from benchmarks.search.__main__ import without
from benchmarks.search.play import Task
from benchmarks.search.results import load
from tests.benchmarks.search.outcomes import outcome
from tests.processes import ROOT


def test_a_resumed_comparison_leaves_out_what_was_saved():
    tasks = [
        Task(arm=arm, set_name="dev", instance="i", seed=seed, num_workers=workers)
        for arm, workers in (("ours", 1), ("ours", 4), ("heuristic", 1), ("heuristic-random", 1))
        for seed in (0, 1)
    ]
    saved = [outcome(arm="ours x4"), outcome(arm="heuristic -0.5%", seed=1)]
    left = [(task.label, task.seed) for task in without(tasks, saved)]
    assert ("ours x4", 0) not in left
    assert ("heuristic", 1) not in left
    assert len(left) == 6


def test_the_command_prints_a_table_and_ends_with_a_line_of_json(tmp_path):
    saved = tmp_path / "o.jsonl"
    command = [sys.executable, "-m", "benchmarks.search", "--processes", "1", "--sets", "held_out"]
    options = ["--instances", "unseen-cliff-a100-padded", "--seeds", "1", "--budget", "6"]
    done = subprocess.run(
        [*command, *options, "--arms", "ours", "random", "--save", str(saved)],
        capture_output=True, text=True, check=True, cwd=ROOT,
    )  # fmt: skip
    assert "Simulated, set held_out, 1 seeds, 1 worker(s), budget 6" in done.stdout
    line = json.loads(done.stdout.splitlines()[-1])
    assert line["held_out"]["lies_pct"] is not None
    assert line["alien"]["lies_pct"] is None
    assert line["suggest_p95_ms"] is None
    assert {o.arm for o in load(saved)} == {"ours", "ours x4", "random -0%", "random -0.5%", "random -1%"}
    again = subprocess.run(
        [*command, "--arms", "--load", str(saved)], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert json.loads(again.stdout.splitlines()[-1]) == line
