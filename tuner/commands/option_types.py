"""The types of options that are numbers."""

from __future__ import annotations

import argparse


def at_least_one(text: str) -> int:
    """A whole number from 1, as an option's type.

    Raises:
        argparse.ArgumentTypeError: It is less.
    """
    if (number := int(text)) < 1:
        raise argparse.ArgumentTypeError(f"{text} is less than 1")
    return number


def positive(text: str) -> float:
    """A number above 0, as an option's type.

    Raises:
        argparse.ArgumentTypeError: It is not.
    """
    if not (number := float(text)) > 0:
        raise argparse.ArgumentTypeError(f"{text} is not positive")
    return number
