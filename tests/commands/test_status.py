"""`status` says of a run what its folder proves, and no more.

Of a run that goes on, and of one that was killed: tests/ray_adapter/test_interrupts.py.
"""

import json
import os
import re
import time

import pytest

from tests.commands.calls import call, cut
from tests.journals import write_journal
from tuner.errors import RecordsError
from tuner.runs.journal import read_journal


def test_of_an_ended_run_it_says_what_its_result_says(ended_run):
    result = json.loads((ended_run / "result.json").read_text())
    status = call("status", ended_run, "--json").json
    assert status["state"] == "ended"
    assert status["best"]["config"] == result["recommended"]["config"]
    assert status["best"]["time_s"] == result["recommended"]["time_s"]
    assert sum(status["counts"].values()) == result["num_trials"]
    assert status["is_final"]
    assert (status["running"], status["budget_trials"]) == ([], 12)
    text = call("status", ended_run).text
    assert "ended: recommended, because" in text
    assert f"{result['speedup']:.2f}x the baseline" in text


def test_a_run_without_an_end_that_nobody_holds_was_killed_and_its_silence_is_told(own_run):
    half = len((own_run / "journal.jsonl").read_text().splitlines()) // 2
    cut(own_run, lambda k, event: k < half)
    (own_run / "result.json").unlink()
    long_ago = time.time() - 5000
    os.utime(own_run / "journal.jsonl", (long_ago, long_ago))
    said = call("status", own_run)
    assert said.code == 0
    assert re.search(
        r"^killed: no end in the journal, and no process .* last event 5,00\d s ago", said.text, re.M
    )
    assert "--resume" in said.text
    assert "measured so far: " in said.text


def test_a_run_that_failed_says_its_message(own_run):
    cut(own_run, lambda k, event: event["event"] != "end")
    (own_run / "result.json").write_text(
        json.dumps({"status": "failed", "sentence": "The run failed (disk)."})
    )
    assert "failed: The run failed (disk)." in call("status", own_run).text


def test_a_run_that_was_interrupted_says_by_what(own_run):
    path = own_run / "journal.jsonl"
    *before, end = read_journal(path)
    write_journal(path, [*before, end | {"interrupted_by": "SIGINT"}])
    assert "interrupted: by SIGINT; --resume" in call("status", own_run).text


def test_the_last_stops_are_told_with_their_reasons(own_run):
    path = own_run / "journal.jsonl"
    events = list(read_journal(path))
    told = [event for event in events if event["event"] == "tell"]
    for number, event in enumerate(told[-4:]):
        event |= {"state": "stopped", "reason": f"reason {number}"}
    write_journal(path, [event for event in events if event["event"] != "end"])
    stops = call("status", own_run, "--json").json["last_stops"]
    assert [stop["reason"] for stop in stops] == ["reason 1", "reason 2", "reason 3"]
    assert "reason 3" in call("status", own_run).text


def test_what_is_no_run_is_one_message(tmp_path):
    with pytest.raises(RecordsError, match=r"no journal\.jsonl"):
        call("status", tmp_path)
