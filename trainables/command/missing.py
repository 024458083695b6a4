"""Says why a script's metric has not come, and which option to correct.

Knows options and what was seen instead. Reads nothing.
"""

from __future__ import annotations

from collections.abc import Sequence

from trainables.command.options import CommandOptions
from trainables.command.sources import Source

WITHOUT_CLOCK = "leave it out to use the wall clock"


def why_missing(
    ours: str, name: str, options: CommandOptions, source: Source | None, seen: Sequence[str]
) -> str:
    """Returns why there was no report with a metric, and the fix.

    Args:
        ours: Our name of the metric.
        name: The script's name of it, as the options have it.
        options: The stage's options.
        source: The file or folder that was followed; None if the output was read.
        seen: Names in the last report.
    """
    fix = (
        mapping_of(seen, options.quality_metric)
        if ours == "nrmse"
        else f"correct keys.{ours}, or {WITHOUT_CLOCK}"
    )
    if source is not None:
        there = ", ".join(seen) or "nothing from after the line of option start"
        return (
            source.why_nothing() or f"{options.file} (option file) has no {name!r}, but {there}. Fix: {fix}."
        )
    if options.source == "regex":
        return f"no line matched option pattern={options.pattern!r}. Fix: correct it."
    last = f"; the last object had {', '.join(seen)}" if seen else ""
    return f"no line of output had an object with the key {name!r}{last}. Fix: {fix}."


def mapping_of(seen: Sequence[str], quality: str) -> str:
    """Returns advice on how to map the quality figure, with a name that was seen if one looks like it."""
    likely = [name for name in seen if quality.lower() in name.lower()]
    return f"write keys: {{{quality}: {likely[0] if likely else 'NAME'}}} in the stage's options"
