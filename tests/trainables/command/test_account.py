"""The account of what was read keeps a few lines, whatever a script prints."""

import pytest

from trainables.command.account import MAX_PASSED, MAX_READS, Account
from trainables.command.options import CommandOptions
from trainables.command.output import STARTED, OutputWatch


def account(num_epochs=9, *, is_tried=False, **options):
    parsed = CommandOptions(command=["echo"], **options)
    return Account(parsed, OutputWatch(parsed, num_epochs), num_epochs, is_tried=is_tried)


def read(account, *lines):
    return [metrics for at_s, line in enumerate(lines) for metrics in account.see(line, float(at_s))]


def of(account, name):
    return [text for told, text in account.what_was_read() if told == name]


def test_what_it_hands_on_is_what_the_watch_reads():
    lines = ["hello", '{"epoch": 0, "nrmse": 9}', '{"epoch": 1, "nrmse": 2, "loss": 3}', '{"nrmse": 7}']
    assert read(account(), *lines) == [STARTED, {"nrmse": 2, "loss": 3}]


def test_a_line_of_epoch_0_is_told_as_the_untrained_start_and_not_as_passed_over():
    kept = account()
    read(kept, '{"epoch": 0, "nrmse": 9}', '{"epoch": 1, "nrmse": 2}')
    untrained = of(kept, "start")[-1]
    assert untrained.startswith('line 1: {"epoch": 0, "nrmse": 9} -> the untrained start')
    assert "if the script numbers its epochs from 0, write keys: {epoch: ''}" in untrained
    assert of(kept, "unread") == ["0 of 2 lines were passed over"]


def test_a_script_that_reports_once_is_told_of_no_untrained_start_for_a_later_line():
    kept = account(per_epoch=False)
    read(kept, '{"epoch": 0, "nrmse": 9}', '{"epoch": 1, "nrmse": 2}', '{"epoch": 2, "nrmse": 1}')
    assert of(kept, "start") == []


def test_it_keeps_the_first_lines_that_were_read_and_counts_the_others():
    kept = account()
    read(kept, *[f'{{"nrmse": {k}}}' for k in range(1, 9)])
    texts = of(kept, "read")
    assert len(texts) == MAX_READS + 1
    assert texts[0] == 'line 1: {"nrmse": 1} -> nrmse 1, epoch 1, time from the wall clock'
    assert texts[-1] == f"and {8 - MAX_READS} more lines"


def test_it_keeps_the_last_lines_that_were_passed_over_cut_short_until_one_is_read():
    kept = account()
    read(kept, *[f"{k} " + "x" * 5000 for k in range(50)])
    (text,) = of(kept, "unread")
    assert text.startswith("50 of 50 lines were passed over, the last of them: line 48: 47 xxx")
    assert len(text) < 100 + MAX_PASSED * 150
    read(kept, '{"nrmse": 1}')
    assert of(kept, "unread") == ["50 of 51 lines were passed over"]


def test_a_report_has_its_own_number_whatever_was_evaluated_before_it():
    kept = account(evaluate=["echo", "{epoch}"], evaluate_start=["echo"])
    kept.evaluated(["echo"], 0.9)
    read(kept, '{"epoch": 1, "loss": 3}')
    kept.evaluated(["echo", "1"], 0.5)
    read(kept, '{"epoch": 2, "loss": 2}')
    texts = [text.split(" -> ")[1] for text in of(kept, "read")]
    assert texts == [
        "nrmse 0.9",
        "loss 3, epoch 1, time from the wall clock",
        "nrmse 0.5",
        "loss 2, epoch 2, time from the wall clock",
    ]


def test_a_line_that_ends_the_trial_is_quoted():
    kept = account()
    with pytest.raises(ValueError, match="is not above 0"):
        read(kept, "hello", '{"nrmse": -1}')
    assert of(kept, "read") == ['line 2: {"nrmse": -1} -> ended the trial']


def test_a_start_line_that_has_not_come_is_what_is_missing():
    kept = account(start="^go")
    read(kept, '{"nrmse": 1}')
    assert of(kept, "start") == ["no line has matched '^go' so far"]
    assert kept.what_is_missing().startswith("no line of output matched option start='^go'. Fix: ")


def test_only_one_who_tries_is_tried_at_a_second_epoch_without_a_metric():
    lines = ['{"epoch": 1, "val": 2}', '{"epoch": 2, "val": 2}']
    assert read(account(), *lines) == []
    assert read(account(is_tried=True), lines[0], '{"epoch": 1.5}') == []
    assert read(account(is_tried=True, keys={"epoch": ""}), *lines) == []
    with pytest.raises(ValueError, match="the last object had epoch, val"):
        read(account(is_tried=True), *lines)
