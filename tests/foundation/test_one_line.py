"""Text from outside on one clean line."""

import pytest

from foundation.one_line import one_line, without_escapes


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("\x1b[36mray::T()\x1b[39m failed", "ray::T() failed"),
        ("\x1b]0;title\x07bell", "bell"),
        ("two\n lines\r\n\tand a tab", "two lines and a tab"),
        ("\x00nul \x85 next", "nul next"),
        ("", ""),
    ],
)
def test_escape_codes_and_control_characters_go(text, line):
    assert one_line(text) == line


def test_what_is_too_long_ends_in_an_ellipsis():
    assert one_line("x" * 10**7, 10) == "x" * 9 + "\N{HORIZONTAL ELLIPSIS}"


def test_line_breaks_stay_where_only_escapes_are_to_go():
    assert without_escapes("a\n\x1b[1mb\x1b[0m\n") == "a\nb\n"
