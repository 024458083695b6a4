"""Metrics under our names, from what a script says under its own; every one of them is checked.

Knows figures and their ranges. Does not know lines or files.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from foundation import quality_name
from trainables.command.epochs import COUNT_LINES
from trainables.command.keys import CLOCKS, METRICS, find, name_of
from trainables.command.objects import MISSING, number_of, short

Metrics = dict[str, float]


def to_metrics(
    values: Mapping[Any, Any], keys: Mapping[str, str], quality: str = quality_name.DEFAULT
) -> Metrics | None:
    """Returns the metrics that ``values`` give; None if there is no NRMSE, or none at all where none is read.

    An NRMSE of ``null`` is NaN; any other metric of ``null`` is not there. The study's own quality figure,
    where it has one, stands for the NRMSE; the study knows its range.

    Args:
        values: A report.
        keys: Our names to the script's.
        quality: The study's name for the quality figure.

    Raises:
        ValueError: A value is not a number, or not one that its metric can have.
    """
    given = {ours: find(values, name) for ours in METRICS if (name := name_of(ours, keys))}
    if given.get("nrmse", MISSING) is MISSING and name_of("nrmse", keys):
        return None
    found = {"nrmse": math.nan} if "nrmse" in given else {}
    for ours, value in given.items():
        if value is not None and value is not MISSING:
            found[ours] = _checked(ours, name_of(ours, keys), value, quality)
    return found or None


def epoch_of(values: Mapping[Any, Any], name: str) -> float | None:
    """Returns the epoch to which a report belongs; None if it does not say."""
    value = find(values, name) if name else None
    if value is None or value is MISSING:
        return None
    number = number_of(value)
    if number is None or not math.isfinite(number):
        raise ValueError(
            f"{name}={short(value)} is not a number. Fix: name the epoch in keys.epoch; {COUNT_LINES}."
        )
    return number


def _checked(ours: str, name: str, value: object, quality: str) -> float:
    number = number_of(value)
    seen = f"metric {name}={short(value)}"
    if number is None:
        word = quality if ours == "nrmse" else ours
        raise ValueError(
            f"{seen} is not a number. Fix: print a number, or correct keys.{word} or the source of metrics."
        )
    if ours == quality and -math.inf < number <= 0:
        raise ValueError(
            f"{seen} is not above 0, as an error relative to the target's size must be. "
            "Fix: name the right key in keys.nrmse, or have the script report NaN where it has no answer."
        )
    is_time = math.isfinite(number) and (ours == "time_s" or number >= 0)
    if ours in CLOCKS and not is_time:
        raise ValueError(f"{seen} is not a time. Fix: leave keys.{ours} out to use the wall clock.")
    if ours == "peak_memory_gib" and not 0 <= number < math.inf:
        raise ValueError(f"{seen} is not an amount of memory. Fix: print GiB, 0 or more, or nothing.")
    return number
