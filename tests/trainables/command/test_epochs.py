"""Reports that are a script's epochs, and clocks that are clocks."""

import pytest

from trainables.command.epochs import EpochCount, check_clock


def number(epoch):
    return None if epoch is None else float(epoch)


def counted(*epochs, num_epochs=3):
    count = EpochCount(num_epochs)
    return [epoch for epoch in epochs if count.is_end_of_epoch(number(epoch))], count


@pytest.mark.parametrize(
    ("epochs", "taken"),
    [
        ([1, 2, 3], [1, 2, 3]),
        ([0, 1, 2, 3], [1, 2, 3]),
        ([-1, 0, 0, 1.0, 2.0, 3.0], [1, 2, 3]),
        ([0.5, 1, 1.5, 2, 3], [1, 2, 3]),
        ([None, None, None], [None, None, None]),
        ([0, None, 1, 2, 3], [1, 2, 3]),
        ([1, None, 2, 3, None], [1, 2, 3]),
    ],
)
def test_epoch_0_and_parts_of_epochs_are_no_epochs(epochs, taken):
    assert counted(*epochs)[0] == taken


@pytest.mark.parametrize(
    ("epochs", "words"),
    [
        ([1, 1], "a line of epoch 1 came twice. Fix: print metrics from rank 0 only"),
        ([1, 2, 3, 3], "a line of epoch 3 came twice"),
        ([1, 2, 1], "epoch 1 came after epoch 2"),
        ([1, 2, 0], "epoch 0 came after epoch 2"),
        ([1, 3], "epoch 3 came where epoch 2 was due. Fix: print the NRMSE after every epoch"),
        ([1, 2, 3, 4], "epoch 4 came, but the study has 3 epochs. Fix: pass {num_epochs}"),
        ([None, 1], "a line without an epoch came before the line of epoch 1. Fix: print the NRMSE of any"),
        ([None] * 4, "more lines with an NRMSE than the 3 epochs. Fix: print one per epoch, from rank 0"),
    ],
)
def test_epochs_that_repeat_jump_or_are_too_many_are_told_with_the_fix(epochs, words):
    *good, bad = epochs
    _, count = counted(*good)
    with pytest.raises(ValueError, match="Fix") as raised:
        count.is_end_of_epoch(number(bad))
    assert words in str(raised.value)


@pytest.mark.parametrize(
    ("epochs", "words"),
    [
        (
            [1, 2],
            "only 2 of 3 epochs and then ended well, as a script with early stopping does. Fix: switch ear",
        ),
        (
            [1, 2],
            "off, so that every trial trains as long as the study says; or print one such line per epoch",
        ),
        (
            [],
            "it printed the NRMSE of only 0 of 3 epochs. Fix: print one such line per epoch, or write per_ep",
        ),
        ([0, 1, 2], "it numbers its epochs from 0"),
        ([0.99, 1.99, 2.99], "a line of epoch 2.99 is from within an epoch"),
    ],
)
def test_too_few_epochs_are_told_with_what_was_left_out(epochs, words):
    assert words in counted(*epochs)[1].why_short()


@pytest.mark.parametrize(
    ("before_s", "now_s", "wall_s", "is_all_training"),
    [
        (0, 10, 11, True),
        (10, 20, 19, True),
        (0, 10, 19, True),
        (0, 10, 300, False),  # data and compilation before the first epoch
        (0, 0.001, 0.09, True),
        (0, 0.09, 0.001, True),
    ],
)
def test_a_clock_that_agrees_within_a_factor_of_2_or_a_tenth_of_a_second_is_taken(
    before_s, now_s, wall_s, is_all_training
):
    check_clock(before_s, now_s, wall_s, is_wall_all_training=is_all_training)


@pytest.mark.parametrize(
    ("before_s", "now_s", "wall_s", "words"),
    [
        (10, 10, 10, "time_s did not rise: it was 10 and then 10"),
        (10, 9.9, 10, "time_s did not rise"),
        (0, 0, 0.05, "time_s did not rise"),
        (10, 10.2, 10, "time_s went from 10 to 10.2 while 10 s passed"),  # seconds per epoch
        (0, 10_000, 10, "time_s went from 0 to 10000 while 10 s passed"),  # milliseconds
        (0, 4.9, 10, "time_s went from 0 to 4.9"),
        (0, 20.2, 10, "time_s went from 0 to 20.2"),
    ],
)
def test_a_clock_that_stands_still_or_runs_apart_is_refused_with_the_fix(before_s, now_s, wall_s, words):
    with pytest.raises(
        ValueError, match=r"Fix: time_s must be cumulative .* leave keys\.time_s out"
    ) as raised:
        check_clock(before_s, now_s, wall_s, is_wall_all_training=True)
    assert words in str(raised.value)


@pytest.mark.parametrize(("seconds", "wall_s"), [(20.2, 10), (4.9, 10), (0, 0.05)])
def test_seconds_of_an_epoch_that_disagree_with_our_clock_are_refused_with_the_fix(seconds, wall_s):
    check_clock(10, 10 + wall_s, wall_s, is_wall_all_training=True, name="time_per_epoch")
    with pytest.raises(
        ValueError, match=f"time_per_epoch was {seconds:g} while .* keys.time_per_epoch, or a cum"
    ):
        check_clock(10, 10 + seconds, wall_s, is_wall_all_training=True, name="time_per_epoch")
