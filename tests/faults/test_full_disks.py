"""Disks that are full: what was finished is kept, one message has the file and the fix, and it goes on."""

import json
import os
import subprocess
import threading
from contextlib import redirect_stdout
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from tests.faults.disks import fill, small_disk
from tests.processes import ROOT, TUNER, call_tuner, wait_until, write_study
from tests.replay import records_of
from tests.runs.test_ending import Run
from tests.studies import study_dict
from trainables.consistency.cache import load_or_make
from tuner.core.trial import TrialState
from tuner.report.files import write_outputs
from tuner.run import main
from tuner.runs.journal import read_journal
from tuner.runs.past_run import read_past_run

STAGE = study_dict()["stage"] | {"options": {"epoch_time_s": 0.1}}
FINISHED = Path(__file__).parent.parent / "runs/format_2/killed"
SHORT = {"stage": STAGE, "target": "nrmse < 0.01", "search": {"sampler": "random"}}


def test_a_disk_that_fills_up_under_a_run_ends_it_with_one_message_and_space_lets_it_go_on(
    tmp_path, call_on_ray
):
    study = write_study(tmp_path, **SHORT, budget={"trials": 3, "hours": 1})
    with small_disk(tmp_path / "disk", "1m") as disk:
        journal = disk / "runs/last/journal.jsonl"

        def fill_it() -> None:
            wait_until(lambda: journal.exists() and journal.read_text().count('"observe"') >= 8)
            fill(disk)

        filling = threading.Thread(target=fill_it)
        filling.start()
        done = call_on_ray("--space", study, "--runs-dir", disk / "runs")
        filling.join()
        assert done.returncode == 2
        assert done.stderr.count("\n") == 1, done.stderr
        assert "journal.jsonl: cannot write the journal: No space left on device" in done.stderr
        assert "Fix: free some space" in done.stderr
        assert "No space left" not in done.stdout, "summary.txt and report.html fail for the same reason"
        before = list(read_journal(journal))
        kept = [r for r in records_of(before) if r.state is TrialState.COMPLETE]
        assert len(kept) >= 1

        (disk / "filler").unlink()
        resumed = call_on_ray("--resume", disk / "runs/last")
        assert resumed.returncode == 1, resumed.stderr  # no configuration meets the target
        after = list(read_journal(journal))
        assert after[: len(before)] == before
        complete = {(r.config, r.seed) for r in records_of(after) if r.state is TrialState.COMPLETE}
        assert {(r.config, r.seed) for r in kept} < complete


def test_a_report_that_does_not_fit_costs_nothing_else_and_is_made_later(tmp_path, call_on_ray):
    study = write_study(tmp_path, **SHORT, budget={"trials": 1, "hours": 1})
    with small_disk(tmp_path / "disk", "128k") as disk:
        done = call_on_ray("--space", study, "--runs-dir", disk / "runs")
        assert done.returncode == 1, done.stderr  # no configuration meets the target
        assert "report.html: cannot write it: No space left on device; the journal" in done.stdout
        assert json.loads((disk / "runs/last/result.json").read_text())["num_trials"] == 1
        subprocess.run(["mount", "-o", "remount,size=16m", disk], check=True)
        assert call_tuner("report", disk / "runs/last").returncode == 0
        assert (disk / "runs/last/report.html").is_file()


def test_outputs_without_space_are_told_once_and_made_from_the_journal_later(tmp_path):
    with small_disk(tmp_path / "disk", "4m") as disk:
        (disk / "run").mkdir()
        run = Run(disk / "run")
        filler = fill(disk)
        ended = run.end()
        path = disk / "run/summary.txt"
        assert str(ended.failure).startswith(f"{path}: cannot write it: No space left on device; the journal")
        assert ended.troubles == ()
        assert "end" not in run.events
        filler.unlink()
        write_outputs(disk / "run", replace(read_past_run(disk / "run"), failure="full").result)
        assert run.json["num_trials"] == len(run.advisor.records)


def test_a_cache_without_space_is_told_with_its_fix_and_leaves_nothing_half(tmp_path):
    content = {"x": torch.zeros(50_000)}
    with small_disk(tmp_path / "disk", "256k") as disk:
        filler = fill(disk)
        with pytest.raises(
            ValueError, match=r"cannot write to the cache .*disk: No space left .* Fix: .*XDG_CACHE"
        ):
            load_or_make(disk, "key", lambda: content)
        assert not list(disk.glob("*.pt*"))
        assert not list(disk.glob("*.partial"))
        filler.unlink()
        assert load_or_make(disk, "key", lambda: content)["x"].shape == (50_000,)


def test_a_full_disk_below_its_standard_output_does_not_end_a_run(tmp_path):
    study = write_study(tmp_path, budget={"trials": 2, "hours": 1})
    command = [*TUNER, "--space", str(study), "--simulate", "--runs-dir", str(tmp_path / "runs")]
    with open("/dev/full", "w") as full:
        done = subprocess.run(command, cwd=ROOT, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (line,) = done.stderr.splitlines()
    assert line.startswith("standard output: No space left on device; its further lines are lost")
    assert json.loads((tmp_path / "runs/last/result.json").read_text())["num_trials"] >= 2


@pytest.mark.parametrize(
    "words",
    [
        ("status", FINISHED),
        ("compare", FINISHED, FINISHED),
        ("list-spaces",),
        ("schema",),
        ("--list-spaces",),
    ],
)
def test_a_command_whose_output_cannot_be_written_has_failed_and_says_so(words, capsys):
    with open("/dev/full", "w") as full, redirect_stdout(full):
        code = main([str(word) for word in words])
    assert code == 2
    line = capsys.readouterr().err.splitlines()[-1]
    assert line.startswith(
        "standard output: No space left on device; what the command has to say is lost. Fix: "
    )


@pytest.mark.parametrize("option", ["--help", "--version"])
def test_help_that_cannot_be_written_is_told_so_too(option):
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [*TUNER, option], cwd=ROOT, stdout=full, stderr=subprocess.PIPE, text=True, check=False
        )
    assert done.returncode == 2
    assert done.stderr.startswith("standard output: No space left on device; ")
    assert done.stderr.count("\n") == 1


def test_a_reader_that_has_read_enough_is_no_failure():
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w") as pipe, redirect_stdout(pipe):
        assert main(["list-spaces"]) == 0
