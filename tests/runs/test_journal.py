"""The journal: whole lines on disk, whatever kills the process or fills the disk."""

import os
import resource
import signal
import subprocess
import sys
import textwrap

import pytest

from tuner.errors import RecordsError
from tuner.runs.journal import Journal, Tail, is_held, read_journal


def test_events_come_back_in_order_and_unchanged(tmp_path):
    journal = Journal(tmp_path / "journal.jsonl")
    journal.append("ask", elapsed_s=0.125, answer={"kind": "run", "x": [1, 2.5, None, "ü\n"]})
    journal.append("tell", elapsed_s=1.5, trial_id="0001")
    journal.close()
    assert list(read_journal(tmp_path / "journal.jsonl")) == [
        {"event": "ask", "elapsed_s": 0.125, "answer": {"kind": "run", "x": [1, 2.5, None, "ü\n"]}},
        {"event": "tell", "elapsed_s": 1.5, "trial_id": "0001"},
    ]


def test_an_existing_journal_is_never_written_over(tmp_path):
    (tmp_path / "journal.jsonl").write_text("precious")
    with pytest.raises(RecordsError, match="cannot create the journal: File exists"):
        Journal(tmp_path / "journal.jsonl")
    assert (tmp_path / "journal.jsonl").read_text() == "precious"


def test_a_torn_last_line_is_passed_over_and_a_broken_one_before_it_is_not(tmp_path):
    path = tmp_path / "journal.jsonl"
    path.write_text('{"event":"a","elapsed_s":0}\n{"event":"b","elap')
    assert [event["event"] for event in read_journal(path)] == ["a"]
    path.write_text('{"event":"a","elapsed_s":0}\n{"ev\n{"event":"c","elapsed_s":0}\n')
    with pytest.raises(RecordsError, match=r"journal\.jsonl:2: not a journal line"):
        list(read_journal(path))
    path.write_text("[1]\n")
    with pytest.raises(RecordsError, match=r":1: not a journal line: it names no event"):
        list(read_journal(path))


def test_who_reads_a_journal_as_it_grows_gets_each_whole_line_once(tmp_path):
    path = tmp_path / "journal.jsonl"
    path.write_text('{"event":"a","elapsed_s":0}\n{"event":"b","elap')
    tail = Tail(path)
    assert [event["event"] for event in tail.read()] == ["a"]
    assert tail.read() == []
    journal = Journal(path, reopen=True)  # cuts the torn line off
    journal.append("c", elapsed_s=1.0)
    journal.append("d", elapsed_s=2.0)
    assert [event["event"] for event in tail.read()] == ["c", "d"]
    assert tail.read() == []
    journal.close()
    with path.open("a") as file:
        file.write("[1]\n")
    with pytest.raises(RecordsError, match=r":4: not a journal line: it names no event"):
        tail.read()


def test_a_reopened_journal_cuts_a_torn_line_off_and_goes_on(tmp_path):
    path = tmp_path / "journal.jsonl"
    path.write_text('{"event":"a","elapsed_s":0}\n{"event":"b","elap')
    journal = Journal(path, reopen=True)
    journal.append("c", elapsed_s=1.0)
    journal.close()
    assert [event["event"] for event in read_journal(path)] == ["a", "c"]
    with pytest.raises(RecordsError, match="cannot continue the journal: No such file"):
        Journal(tmp_path / "nowhere.jsonl", reopen=True)


def test_only_one_process_writes_a_journal(tmp_path):
    path = tmp_path / "journal.jsonl"
    journal = Journal(path)
    journal.append("a", elapsed_s=0.0)
    with pytest.raises(RecordsError, match="a process still writes to it"):
        Journal(path, reopen=True)
    journal.close()
    Journal(path, reopen=True).close()
    assert [event["event"] for event in read_journal(path)] == ["a"]


def test_a_missing_journal_is_one_message(tmp_path):
    with pytest.raises(RecordsError, match="cannot read the journal: No such file"):
        list(read_journal(tmp_path / "nowhere.jsonl"))


def test_a_process_killed_while_writing_loses_at_most_its_last_line(tmp_path):
    """SIGKILL while another process appends as fast as it can."""
    path = tmp_path / "journal.jsonl"
    code = f"""
        import pathlib
        from tuner.runs.journal import Journal
        journal = Journal(pathlib.Path({str(path)!r}))
        for number in range(10**9):
            journal.append("tick", elapsed_s=0.0, number=number, padding="x" * 500)
            print(number, flush=True)
    """
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    for line in process.stdout:
        if int(line) >= 50:
            break
    process.send_signal(signal.SIGKILL)
    seen = [int(line) for line in process.stdout]
    process.wait()
    process.stdout.close()
    numbers = [event["number"] for event in read_journal(path)]
    assert numbers == list(range(len(numbers)))
    assert len(numbers) >= max([50, *seen]) + 1


def test_a_full_disk_takes_back_the_line_that_did_not_fit(tmp_path):
    """A real limit on file size stands in for a full disk: the write comes back short, then fails."""
    journal = Journal(tmp_path / "journal.jsonl")
    journal.append("small", elapsed_s=0.0)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (100, before[1]))
        with pytest.raises(RecordsError, match="everything up to this event is safe"):
            journal.append("large", elapsed_s=0.0, padding="x" * 500)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)
    assert [event["event"] for event in read_journal(tmp_path / "journal.jsonl")] == ["small"]
    journal.append("after", elapsed_s=0.0)
    events = [event["event"] for event in read_journal(tmp_path / "journal.jsonl")]
    assert events == ["small", "after"]
    assert os.path.getsize(tmp_path / "journal.jsonl") < 120


def test_a_journal_that_is_gone_is_one_message_to_whoever_follows_it(tmp_path):
    path = tmp_path / "journal.jsonl"
    with pytest.raises(RecordsError, match=r"journal\.jsonl: cannot read the journal: No such file"):
        Tail(path).read()
    with pytest.raises(RecordsError, match=r"journal\.jsonl: cannot read the journal: No such file"):
        is_held(path)
    Journal(path).append("small", elapsed_s=0.0)
    assert [event["event"] for event in Tail(path).read()] == ["small"]
