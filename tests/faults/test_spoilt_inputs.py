"""Inputs that fuzzing found: each ended in a traceback, a hang, or a message that nobody could read."""

import shutil
from pathlib import Path, PurePath

import pytest

from config_patch import patch
from tests.fuzz.properties import no_hang
from tests.processes import call_tuner
from tests.studies import study_dict
from trainables.command.objects import names
from trainables.command.sources import follow_file, follow_tensorboard
from tuner.commands.diagnosis import FAIL, Diagnosis
from tuner.errors import SpecError, TunerError
from tuner.runs.unexpected import as_tuner_error
from tuner.spec import study_from_text
from tuner.spec.yaml_format import write_yaml

RIGHT_FILE = "Fix: check that it is the right file."
FULL = (1 << 20) - 20
"""Almost as many bytes as a study may have."""


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (
            b"name: [" + b"1, " * (FULL // 3) + b"]",
            f"1: the file holds more than 20,000 values. {RIGHT_FILE}",
        ),
        (b"name: " + b"[" * FULL, "1: the YAML is nested too deeply. Fix: make it flatter."),
        (b"name:\n  " + b"- " * (FULL // 2), "2: the YAML is nested too deeply. Fix: make it flatter."),
        (b"? " * (FULL // 2), "1: the YAML is nested too deeply. Fix: make it flatter."),
        (b"!" * FULL, "1: cannot read the YAML: found a tag of 1,048,553 characters (column 1). Fix: "),
    ],
    ids=["list", "brackets", "dashes", "question marks", "tag"],
)
def test_a_file_with_as_many_bytes_as_a_study_may_have_is_refused_within_seconds(data, told):
    with no_hang(), pytest.raises(SpecError) as error:
        study_from_text(data, label="study.yaml")
    assert str(error.value).startswith(f"study.yaml:{told}")


def test_a_parameter_of_thousands_of_values_is_checked_within_seconds():
    values = b", ".join(b"%d" % k for k in range(19_000))
    with no_hang(), pytest.raises(SpecError, match="'hardware' is missing"):
        study_from_text(b"name: x\nparameters:\n  another: {values: [%s]}\n" % values, label="study.yaml")


def test_a_message_quotes_no_more_of_a_value_than_people_read_and_keeps_its_fix():
    study = study_dict(guide={"batch_size": 12, "micro_batch": 4, "num_taus": "x" * 50_000})
    with pytest.raises(SpecError) as error:
        study_from_text(write_yaml(study).encode(), label="study.yaml")
    assert "num_taus='xxx" in str(error.value)
    assert str(error.value).partition(" Fix: ")[2]
    assert len(str(error.value)) < 2500


OUTSIDE = "\x1b[31mtwo\x1b[0m\n  lines\x07 and " + "x" * 5_000_000


@pytest.mark.parametrize("told", [TunerError(OUTSIDE, OUTSIDE), as_tuner_error(RuntimeError(OUTSIDE))])
def test_texts_from_outside_are_told_without_escape_codes_and_not_at_any_length(told):
    assert "\x1b" not in str(told)
    assert "\x07" not in str(told)
    assert len(str(told)) < 5000


@pytest.mark.parametrize("words", [["status"], ["report"], ["compare", "{run}"]])
def test_a_run_of_somebody_else_cannot_write_to_the_terminal(words, tmp_path):
    run = shutil.copytree(Path(__file__).parents[1] / "runs/format_1/ended", tmp_path / "run")
    journal = run / "journal.jsonl"
    journal.write_text(journal.read_text().replace('"reason":"', r'"reason":"\u001b]0;owned\u0007\u001b[2J'))
    done = call_tuner(*(word.format(run=run) for word in words), run)
    assert done.returncode == 0, done.stderr
    assert (done.stdout + done.stderr).replace("\n", "").isprintable()


def test_a_line_of_doctor_is_one_line_whatever_it_quotes():
    line = str(Diagnosis(name="trial", level=FAIL, seen=OUTSIDE, fix=OUTSIDE))
    assert line.isprintable()
    assert "two lines and xxx" in line
    assert len(line) < 2500


def test_a_row_that_is_none_is_told_with_a_fix(tmp_path):
    source = follow_file(tmp_path / "m.csv", "csv")
    (tmp_path / "m.csv").write_bytes(b"epoch,nrmse\n1,0.3\r2,0.2\n")
    with pytest.raises(ValueError, match=r"m\.csv .* has a line that is no row of a table .* Fix: have the"):
        list(source.poll(is_end=True))


def test_names_in_a_message_have_no_control_characters():
    assert names({"a\0\x1b[31mb": 1, "c": {"d\n": 2}}) == ["a b", "c.d"]


ENDLESS = b"\x80" * 1_000_000


def test_a_number_without_end_in_an_event_file_is_told_at_once(tmp_path):
    source = follow_tensorboard(tmp_path, ["nrmse"], [])
    record = len(ENDLESS).to_bytes(8, "little") + bytes(4) + ENDLESS + bytes(4)
    (tmp_path / "events.out.tfevents.1.host").write_bytes(record)
    with no_hang(), pytest.raises(ValueError, match=r"is no event file of TensorBoard\. Fix: correct"):
        list(source.poll(is_end=True))


def test_a_key_is_added_to_a_configuration_whose_line_ends_differ():
    text = "data: 1 # of all\r\ndevice:\n"
    patched, _ = patch(text, {"device.lr": 1, "name": "x"}, PurePath("c.yaml"), can_create=True)
    assert patched == 'data: 1 # of all\r\ndevice:\r\n  lr: 1\r\nname: "x"\n'
