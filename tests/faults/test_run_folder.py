"""What can happen to the folder of a run, and to the disk below it, while the run works."""

import json
import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.faults.disks import fill, small_disk
from tests.processes import ROOT, call_tuner
from tests.studies import make_study
from tuner.errors import RecordsError
from tuner.runs.journal import Journal, read_journal
from tuner.runs.past_run import read_past_run
from tuner.simulate.session import run_simulated, simulated

KILLED = ROOT / "tests/runs/format_2/killed"
MAY_MOUNT = os.geteuid() == 0 and shutil.which("mount") and shutil.which("mkfs.ext4")
needs_mount = pytest.mark.skipif(not MAY_MOUNT, reason="only root may mount a file system")


def mounted(*words):
    done = subprocess.run(["mount", *words], capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"no file system can be mounted here: {done.stderr.strip()}")


@pytest.fixture
def disk(tmp_path):
    with small_disk(tmp_path / "disk", "400k") as folder:
        yield folder


@pytest.fixture
def failing_disk(tmp_path):
    """A small ext4 that becomes read-only by itself when it is told that it has an error."""
    folder, image = tmp_path / "failing", tmp_path / "image"
    folder.mkdir()
    image.write_bytes(bytes(4 * 2**20))
    subprocess.run(["mkfs.ext4", "-q", image], check=True, capture_output=True)
    mounted("-o", "loop,errors=remount-ro", image, folder)
    yield folder
    subprocess.run(["umount", "--lazy", folder], check=True)


def run_until(happens, runs_dir, after=5):
    """Runs a study in virtual time, while which something happens to its folder; the error it ends with."""
    runs_dir.mkdir(exist_ok=True)
    calls = []

    def show(*_):
        calls.append(1)
        if len(calls) == after:
            happens((runs_dir / "last").resolve())

    with pytest.raises(RecordsError) as error:
        run_simulated(simulated(make_study()), runs_dir, show)
    assert error.value.exit_code == 2
    return str(error.value)


@needs_mount
def test_a_full_disk_is_told_of_the_journal_and_no_event_is_lost(disk):
    said = run_until(lambda _: fill(disk), disk / "runs")
    folder = (disk / "runs/last").resolve()
    assert f"{folder}/journal.jsonl: cannot write the journal: No space left on device" in said
    assert said.endswith(f"Fix: free some space, then --resume {folder} continues the run.")
    assert read_past_run(folder).end is None
    assert len(read_past_run(folder).records) >= 1


@needs_mount
def test_a_disk_that_becomes_read_only_is_one_message_about_the_journal(failing_disk):
    def abort(_):
        subprocess.run(["mount", "-o", "remount,abort", failing_disk], check=True)

    said = run_until(abort, failing_disk / "runs")
    folder = (failing_disk / "runs/last").resolve()
    assert f"{folder}/journal.jsonl: cannot write the journal: Read-only file system" in said
    assert said.endswith(f"Fix: mount the disk writable again, then --resume {folder} continues the run.")
    assert len(read_past_run(folder).records) >= 1


@needs_mount
def test_a_run_on_a_read_only_disk_is_not_resumed_and_the_fix_is_said(disk):
    run = Path(shutil.copytree(KILLED, disk / "run"))
    mounted("-o", "remount,ro", disk)
    before = {path: path.read_bytes() for path in run.iterdir()}
    assert call_tuner("status", run).returncode == 0
    with pytest.raises(RecordsError, match="cannot continue the journal: Read-only file system") as error:
        Journal(run / "journal.jsonl", reopen=True)
    assert "copy the run's folder to another disk and resume the copy" in error.value.hint
    assert {path: path.read_bytes() for path in run.iterdir()} == before


def test_what_cannot_be_taken_back_is_cut_off_before_the_next_event(tmp_path):
    """Its descriptor is one that can be neither written nor cut, until it is the right one again."""
    path = tmp_path / "journal.jsonl"
    journal = Journal(path)
    journal.append("retry", elapsed_s=0.0)
    whole = path.read_bytes()
    right, read_only = os.dup(journal._fd), os.open(path, os.O_RDONLY)
    os.dup2(read_only, journal._fd)
    with pytest.raises(RecordsError, match="cannot write the journal"):
        journal.append("retry", elapsed_s=1.0)
    path.write_bytes(whole + b'{"n":2,"event"')  # what such a disk may have kept of the line
    os.dup2(right, journal._fd)
    journal.append("retry", elapsed_s=2.0)
    journal.close()
    os.close(right), os.close(read_only)
    assert [event["elapsed_s"] for event in read_journal(path)] == [0.0, 2.0]


def test_a_folder_that_is_moved_ends_the_run_with_one_message_and_everything_is_in_it(tmp_path):
    said = run_until(lambda folder: folder.rename(tmp_path / "moved"), tmp_path / "runs")
    assert ": the folder of this run was moved while it ran, so the run has stopped. " in said
    assert said.endswith("Fix: continue it where it is now: --resume FOLDER.")
    assert [path.name for path in (tmp_path / "runs").iterdir()] == ["last"]
    past = read_past_run(tmp_path / "moved")
    assert past.end is None
    assert len(past.records) >= 1


def test_a_folder_that_is_deleted_ends_the_run_with_one_message(tmp_path):
    said = run_until(shutil.rmtree, tmp_path / "runs")
    assert ": the folder of this run was deleted while it ran, so the run has stopped. " in said
    assert [path.name for path in (tmp_path / "runs").iterdir()] == ["last"]


def test_a_lost_study_is_taken_from_the_journal(tmp_path):
    run = Path(shutil.copytree(KILLED, tmp_path / "run"))
    study = read_past_run(run).study
    (run / "study.yaml").unlink()
    assert read_past_run(run).study == study
    assert call_tuner("report", run).returncode == 0


WITHOUT_LOCKS = """
import ctypes, struct, sys

FLOCK = 73
ALLOW, ENOLCK = 0x7FFF0000, 0x00050000 | 37
rules = [(0x20, 0, 0, 0), (0x15, 0, 1, FLOCK), (0x06, 0, 0, ENOLCK), (0x06, 0, 0, ALLOW)]
code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *rule) for rule in rules))

class Program(ctypes.Structure):
    _fields_ = [("len", ctypes.c_ushort), ("filter", ctypes.c_void_p)]

libc = ctypes.CDLL(None)
program = Program(len(rules), ctypes.addressof(code))
assert libc.prctl(38, 1, 0, 0, 0) == 0 and libc.prctl(22, 2, ctypes.byref(program)) == 0

from tuner.run import main

killed, ended = sys.argv[1:]
follow = ["follow", killed, "--to", "parquet"]
for words in (["status", killed, "--json"], ["status", ended, "--json"], follow):
    assert main(words) == 0

import json, os, signal, time
from pathlib import Path
from tuner.errors import RecordsError
from tuner.runs.journal import Journal, is_held

journal = Path(killed) / "journal.jsonl"

def writers():
    return list(journal.parent.glob(".writer-*"))

def refused():
    try:
        Journal(journal, reopen=True)
    except RecordsError as error:
        return str(error)

writer = os.fork()
if not writer:
    Journal(journal, reopen=True)
    time.sleep(600)
while not writers():
    time.sleep(0.01)
told = {"second": refused(), "while it writes": is_held(journal)}
os.kill(writer, signal.SIGKILL)
os.waitid(os.P_PID, writer, os.WEXITED | os.WNOWAIT)  # dead, though its parent has not heard of it
(left,) = writers()
told["left"] = json.loads(left.read_text())
told["once it was killed"] = is_held(journal)
Journal(journal, reopen=True).close()
told["at the end"] = [file.name for file in writers()]
left.write_text(json.dumps(told["left"] | {"boot": "another", "host": "node-7"}))
told["elsewhere"], told["while nobody knows"] = refused(), is_held(journal)
left.write_text("torn")
told["torn"] = refused()
told["file"], told["before the end"] = str(left), [file.name for file in writers()]
print(json.dumps(told))
"""
"""Calls commands where the kernel answers flock as a file system without locks does (seccomp, x86-64)."""


@pytest.fixture(scope="module")
def without_locks(tmp_path_factory):
    """What the commands print there, and what is told of a journal that two processes want to write to."""
    if platform.machine() != "x86_64":
        pytest.skip("the filter has the numbers of x86-64")
    folder = tmp_path_factory.mktemp("without-locks")
    killed, ended = (Path(shutil.copytree(KILLED.parent / n, folder / n)) for n in ("killed", "ended"))
    command = [sys.executable, "-c", WITHOUT_LOCKS, killed, ended]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    printed, _, told = done.stdout.rstrip().rpartition("\n")
    return printed, json.loads(told)


def test_without_locks_status_does_not_say_running_for_ever_and_follow_ends(without_locks):
    first, second, written = _three(without_locks[0])
    assert first["state"] == "unknown"
    assert "this file system knows no locks, so that nobody can tell" in first["why"]
    assert second["state"] == "ended"
    assert written.endswith("written to parquet")


def test_without_locks_a_second_process_does_not_write_to_a_journal_while_the_first_may_live(without_locks):
    told = without_locks[1]
    writer = f"process {told['left']['pid']} on {told['left']['host']}"
    assert f"{writer} still writes to it: the run has not ended. Fix: wait for its end" in told["second"]
    assert told["while it writes"] is True
    assert told["once it was killed"] is False
    assert told["at the end"] == []
    elsewhere = f"process {told['left']['pid']} on node-7 still writes to it, as far as can be told here"
    assert elsewhere in told["elsewhere"]
    assert told["elsewhere"].endswith(f"Fix: see that it has ended, then remove {told['file']}.")
    assert told["while nobody knows"] is None
    assert "the process that .writer-" in told["torn"]
    assert told["before the end"] == [Path(told["file"]).name]


def _three(text):
    decoder = json.JSONDecoder()
    first, at = decoder.raw_decode(text)
    second, end = decoder.raw_decode(text[at:].lstrip())
    return first, second, text[at:].lstrip()[end:]


def test_a_clock_that_was_set_back_is_said(tmp_path):
    run = Path(shutil.copytree(KILLED, tmp_path / "run"))
    later = (run / "journal.jsonl").stat().st_mtime + 10**9
    os.utime(run / "journal.jsonl", (later, later))
    status = json.loads(call_tuner("status", run, "--json").stdout)
    assert "ahead of this machine's clock, which was set back since" in status["why"]
    assert status["silent_s"] == 0
