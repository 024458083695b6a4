"""A journal that was damaged, edited or cut off: one message with the line, or a valid earlier state."""

import json
import shutil
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.journals import write_journal
from tests.processes import call_tuner
from tuner.errors import RecordsError, TunerError
from tuner.report.outputs import ReportOutputs
from tuner.runs.facts import fold
from tuner.runs.journal import read_journal
from tuner.runs.past_run import read_past_run
from tuner.runs.restore import advisor_of
from tuner.runs.resume import hold, resume

FORMAT_2 = Path(__file__).parent.parent / "runs/format_2"


@pytest.fixture(scope="module")
def real(tmp_path_factory):
    """A real run of many kinds of lines, in a journal whose lines are sealed."""
    folder = tmp_path_factory.mktemp("real") / "ended"
    shutil.copytree(FORMAT_2 / "ended", folder)
    start, *rest = read_journal(folder / "journal.jsonl")
    write_journal(folder / "journal.jsonl", [start | {"format": 3}, *rest])
    return folder


@pytest.fixture
def run(real, tmp_path):
    """A copy of it, to be damaged."""
    return Path(shutil.copytree(real, tmp_path / "run"))


def changed_byte(lines):
    lines[11] = lines[11].replace(b'"seed":0', b'"seed":1')


def zeros(lines):
    lines[11] = bytes(len(lines[11]) - 1) + b"\n"


def lost(lines):
    del lines[11]


def doubled(lines):
    lines.insert(11, lines[10])


def swapped(lines):
    lines[11], lines[12] = lines[12], lines[11]


def without_seal(lines):
    entry = json.loads(lines[11])
    del entry["crc"], entry["n"]
    lines[11] = json.dumps(entry, separators=(",", ":")).encode() + b"\n"


def of_another_run(lines):
    lines[11] = b'{"hello":"world"}\n'


COMMANDS = [("status",), ("report",), ("compare", "OTHER"), ("follow", "--to", "parquet"), ("--resume",)]


@pytest.mark.parametrize(
    "damage", [changed_byte, zeros, lost, doubled, swapped, without_seal, of_another_run]
)
def test_a_damaged_line_in_mid_file_is_one_message_and_nothing_is_changed(run, real, damage):
    journal = run / "journal.jsonl"
    lines = journal.read_bytes().splitlines(keepends=True)
    damage(lines)
    journal.write_bytes(b"".join(lines) + b'{"n":')
    before = {path: path.read_bytes() for path in run.iterdir()}
    for name, *more in COMMANDS:
        others = [str(real) if word == "OTHER" else word for word in more]
        done = call_tuner(name, run, *others)
        assert done.returncode == 2, (name, done.stdout)
        assert done.stderr.startswith("error: "), name
        assert "journal.jsonl:12: " in done.stderr, name
        assert "(head -n 11): it is an earlier state of the run" in done.stderr, name
        assert "Traceback" not in done.stderr
    assert {path: path.read_bytes() for path in run.iterdir()} == before
    journal.write_bytes(b"".join(lines[:11]))  # the fix
    assert call_tuner("status", run).returncode == 0


def test_a_line_that_was_changed_and_sealed_anew_is_one_message_all_the_same(run):
    """As a journal of an earlier format, whose lines were not sealed, or one that a program edited."""
    events = list(read_journal(run / "journal.jsonl"))
    for spoil, message in [
        (lambda e: e | {"trial_id": "9999"}, "trial '9999' was never asked for"),
        (lambda e: e | {"trial_id": 7}, "trial_id is 7, which is not text"),
        (lambda e: e | {"event": "hail"}, "'hail' is no kind of line that this version knows"),
        (lambda e: e | {"elapsed_s": "soon"}, "elapsed_s is 'soon', which is not a number"),
        (lambda e: e | {"measurement": []}, r"measurement is \[\], which is not a mapping"),
        (
            lambda e: e | {"measurement": e["measurement"] | {"epoch": "x"}},
            "epoch='x', which is not a number",
        ),
        (lambda _: events[0], "a run starts in the first line only"),
        (lambda _: events[1], "trial '0001' is asked for a second time"),
    ]:
        at = next(k for k in range(10, 20) if events[k]["event"] == "observe")
        write_journal(run / "journal.jsonl", [*events[:at], spoil(events[at]), *events[at + 1 :]])
        with pytest.raises(RecordsError, match=rf"journal\.jsonl: line {at + 1}: .*{message}") as error:
            read_past_run(run)
        assert f"head -n {at}" in error.value.hint


VALUES = st.sampled_from([None, True, -1, 0, 10**400, 1e300, "", "x", [], {}, [[]], {"a": None}, [1, "b"]])


@given(st.data())
@settings(max_examples=30)
def test_whatever_stands_in_a_sealed_line_it_is_read_or_refused(real, tmp_path_factory, data):
    """A value anywhere in any line is exchanged, or a key is lost."""
    events = list(read_journal(real / "journal.jsonl"))
    kind = data.draw(st.sampled_from(sorted({event["event"] for event in events})))
    at = data.draw(st.sampled_from([k for k, event in enumerate(events) if event["event"] == kind]))
    place, key = events[at], data.draw(st.sampled_from(sorted(events[at])))
    while isinstance(place[key], dict) and place[key] and data.draw(st.booleans()):
        place = place[key]
        key = data.draw(st.sampled_from(sorted(place)))
    if data.draw(st.booleans()):
        del place[key]
    else:
        place[key] = data.draw(VALUES)
    folder = Path(shutil.copytree(real, tmp_path_factory.mktemp("spoilt") / "run"))
    write_journal(folder / "journal.jsonl", events)
    for words in (("status", folder), ("compare", folder, real)):
        done = call_tuner(*words)
        assert done.returncode == (2 if done.stderr else 0)
        assert "This is a bug" not in done.stderr, done.stderr
    right = read_past_run(real).provenance
    with suppress(TunerError):
        resume(hold(read_past_run(folder), right["versions"], ReportOutputs()), right).journal.close()


def test_every_prefix_of_a_journal_is_a_valid_earlier_state(run):
    """Cut at any byte, it is what it was after the last whole line."""
    path, study = run / "journal.jsonl", read_past_run(run).study
    whole = path.read_bytes()
    events, all_facts = list(read_journal(path)), read_past_run(run).facts
    ends = [k + 1 for k, byte in enumerate(whole) if byte == ord("\n")]
    for number, end in enumerate(ends, start=1):
        for cut in {end, end + 1, end + 37, ends[min(number, len(ends) - 1)] - 1}:
            if end <= cut <= len(whole) and (cut == end or cut < ends[min(number, len(ends) - 1)]):
                path.write_bytes(whole[:cut])
                assert list(read_journal(path)) == events[:number]
        facts = fold(events[:number])
        assert facts.heard == all_facts.heard[: len(facts.heard)]
        assert list(facts.records) == list(all_facts.records)[: len(facts.records)]
        if number % 10 == 1:
            assert advisor_of(study, facts).records == tuple(facts.records.values())


def test_a_run_cut_off_anywhere_goes_on_from_there(real, tmp_path):
    """Its records are those of the earlier state, and what ran is asked again."""
    lines = (real / "journal.jsonl").read_bytes().splitlines(keepends=True)
    for number in (1, 2, 4, 6, 31, len(lines) - 1):
        folder = tmp_path / str(number)
        folder.mkdir()
        shutil.copy(real / "study.yaml", folder)
        (folder / "journal.jsonl").write_bytes(b"".join(lines[:number]) + lines[number][:50])
        before = read_past_run(folder)
        versions = before.provenance["versions"]
        opened = resume(hold(read_past_run(folder), versions, ReportOutputs()), dict(before.provenance))
        opened.journal.close()
        after = read_past_run(folder)
        assert after.events[:number] == before.events
        assert not opened.advisor.running
        assert after.records == opened.advisor.records


def test_late_and_repeated_results_change_nothing(run):
    """A report or an end of a trial that has ended, and an epoch that was reported already."""
    path = run / "journal.jsonl"
    events = [event for event in read_journal(path) if event["event"] != "end"]
    right = fold(events)
    first = next(event for event in events if event["event"] == "observe")
    told = next(event for event in events if event["event"] == "tell")
    stop = {"event": "stop", "elapsed_s": 9.0, "trial_id": told["trial_id"], "reason": "it has ended already"}
    failed = told | {"state": "failed", "reason": "late", "is_lost": True}
    at = next(k for k, event in enumerate(events) if event["event"] == "observe") + 1
    write_journal(path, [*events[:at], first, *events[at:], first, stop, told, failed])
    past = read_past_run(run)
    assert past.facts.records == right.records
    assert past.facts.spans == right.spans
    assert past.facts.num_lost == right.num_lost
    assert advisor_of(past.study, past.facts).records == advisor_of(past.study, right).records
