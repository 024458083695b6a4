"""Makes the legend of a figure: one legend serves all panels of the figure."""

from __future__ import annotations

from dataclasses import dataclass

from tuner.report.html.figure import Figure, Series


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A line of a legend.

    Attributes:
        name: The text.
        shape: The shape that `legend.html.j2` draws before it: `scale`, `bar`, `band`, `line`, `limit`, or
            a key of `tuner.report.html.figure.MARKS`.
        color: Index of the colour in `tuner.report.html.figure.COLORS`.
        is_dashed: Whether the line is dashed.
    """

    name: str
    shape: str
    color: int = 0
    is_dashed: bool = False


def legend(figure: Figure) -> tuple[Entry, ...]:
    """Returns an entry for each name, and a scale where colours stand for numbers.

    A legend of one entry would say nothing: it has none then.
    """
    entries = [
        Entry(name=one.name, shape=_shape(one), color=one.color, is_dashed=one.is_dashed)
        for one in figure.legend
    ]
    limits = dict.fromkeys(text for panel in figure.panels for _, text in panel.lines)
    entries += [Entry(name=text, shape="limit") for text in limits]
    if figure.has_cells:
        name = next(one.name for one in figure.series if one.kind == "cells")
        entries.insert(0, Entry(name=name, shape="scale"))
    return tuple(entries) if len(entries) > 1 else ()


def _shape(series: Series) -> str:
    """Returns the shape that looks like the series."""
    if series.kind == "bars" or series.is_wide:
        return "bar"
    return series.kind if series.kind in ("band", "line") else series.mark
