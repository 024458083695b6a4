"""Numbers that a user's regex reads: what ``float`` reads, whole."""

import math

import pytest

from trainables.command.options import CommandOptions
from trainables.command.patterns import compile_pattern, read_number


def read(pattern, line):
    match = compile_pattern(pattern, ["nrmse"]).search(line)
    return match and read_number(match, "nrmse")


def advised():
    """The pattern that the message for a missing group advises."""
    with pytest.raises(ValueError, match="give the regex a group named nrmse") as raised:
        CommandOptions(command=["x"], source="regex", pattern="nrmse")
    return str(raised.value).split("such as ")[1].removesuffix(".")


@pytest.mark.parametrize(
    "text", ["0.0913", "9.13E-02", "9.1300e-02", "+1e-3", "-inf", "inf", ".5", "5.", "12"]
)
def test_every_pattern_of_number_characters_and_the_advised_one_read_what_float_reads(text):
    for pattern in (advised(), r"nrmse=(?P<nrmse>[0-9.e+-]+)", r"nrmse=(?P<nrmse>[\d.]{1,9})"):
        assert read(pattern, f"epoch 1 nrmse={text}, loss=3") == float(text)
        assert math.isnan(read(pattern, "epoch 1 nrmse=nan"))


@pytest.mark.parametrize(
    ("pattern", "line", "number"),
    [
        (r"nrmse=(?P<nrmse>\d+\.\d+)", "nrmse=9.13E-02 s", 0.0913),
        (r"nrmse=(?P<nrmse>0\.\d{2})", "nrmse=0.0913", 0.0913),
        (r"nrmse-(?P<nrmse>\d.\d+)", "nrmse-0.0913", 0.0913),
        (r"nrmse=(?P<nrmse>\S+)", "nrmse=9.13E-02 s", 0.0913),
        (r"nrmse=(?P<nrmse>[0-9.]+)%", "nrmse=9.13%", 9.13),
        (r"(?P<nrmse>[0-9.]+)?nrmse", "nrmse=1", None),
        (r"nrmse=(?P<nrmse>[0-9.e+-]+)", "nrmse=nanosecond", None),
    ],
)
def test_a_number_is_read_to_its_end_where_the_group_stops_short(pattern, line, number):
    assert read(pattern, line) == number


@pytest.mark.parametrize(
    ("pattern", "line", "words"),
    [
        (r"nrmse=.*(?P<nrmse>[0-9.]+)", "nrmse=9.13E-02", "begins within the number 9.13E-02"),
        (r"nrmse=(?P<nrmse>\S+)", "nrmse=0.0913,", "matched '0.0913,', which is not a number"),
        (r"nrmse=(?P<nrmse>\S+)", "nrmse=low", "matched 'low', which is not a number"),
        (r"nrmse=(?P<nrmse>[\d,.]+)", "nrmse=1,234.5", "matched '1,234.5', which is not a number"),
    ],
)
def test_text_that_is_no_number_or_half_of_one_is_a_mistake_of_the_pattern(pattern, line, words):
    with pytest.raises(ValueError, match="Fix") as raised:
        read(pattern, line)
    assert words in str(raised.value)
