"""What a figure shows, as values: neither how it is drawn nor where its values come from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

Ticks = tuple[tuple[float, str], ...]
"""Where words stand on an axis instead of numbers, and which."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """Points, a line, a band, bars or coloured cells under one name.

    Attributes:
        name: In the legend; series of one name have one entry.
        x: Numbers; None breaks a line.
        y: Numbers; None breaks a line.
        labels: Of each point, plain text; empty for none.
        kind: `points`, `line`, `band` (between `low` and `y`), `bars` (as long as `x` at the heights `y`,
            stacked
            on those before) or `cells` (coloured by `z`, from 0 to 1).
        low: Of a band.
        z: Of cells; None for a cell of no colour.
        mark: A key of `MARKS`; of a line what stands on its points.
        color: Which of the colours, from 0.
        is_dashed: Of a line.
        is_wide: Of a line.
    """

    name: str
    x: tuple[float | None, ...]
    y: tuple[float | None, ...]
    labels: tuple[str, ...] = ()
    kind: str = "points"
    low: tuple[float | None, ...] = ()
    z: tuple[float | None, ...] = ()
    mark: str = "dot"
    color: int = 0
    is_dashed: bool = False
    is_wide: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """One pair of axes.

    Attributes:
        series: In the order of drawing.
        x_label: With its unit; empty for none.
        y_label: With its unit; empty for none.
        title: Above it; empty for none.
        lines: Horizontal lines: where, and what they are.
        x_ticks: Words on the horizontal axis; empty for numbers.
        y_ticks: Words on the vertical axis, which then counts rows from the top; empty for numbers.
    """

    series: tuple[Series, ...]
    x_label: str = ""
    y_label: str = ""
    title: str = ""
    lines: tuple[tuple[float, str], ...] = ()
    x_ticks: Ticks = ()
    y_ticks: Ticks = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One figure of one or more panels.

    Attributes:
        key: Of its files and its element, such as `pareto`.
        title: What it answers.
        text: How to read it.
        panels: In the order of reading; without any, `why_none` says why.
        num_columns: Panels side by side where there is room.
        height_px: Of a panel.
        notes: Sentences below it.
        why_none: Why there is nothing to show.
    """

    key: str
    title: str
    text: str
    panels: tuple[Panel, ...]
    num_columns: int = 1
    height_px: int = 400
    notes: tuple[str, ...] = ()
    why_none: str = "Nothing to show yet."

    @property
    def series(self) -> tuple[Series, ...]:
        """Of all panels."""
        return tuple(series for panel in self.panels for series in panel.series)

    @property
    def legend(self) -> tuple[Series, ...]:
        """The first series of every name; coloured cells have a scale instead."""
        first: dict[str, Series] = {}
        for series in self.series:
            if series.kind != "cells":
                first.setdefault(series.name, series)
        return tuple(first.values())

    @property
    def has_cells(self) -> bool:
        """Whether colours stand for numbers."""
        return any(series.kind == "cells" for series in self.series)


COLORS = (
    "#0072B2",
    "#D55E00",
    "#009E73",
    "#CC79A7",
    "#E69F00",
    "#56B4E9",
    "#8A8A8A",
    "#C9B400",
    "#7B5FB0",
    "#222222",
)
"""Okabe and Ito's, which the colour-blind tell apart, a grey, a darker yellow, a violet and near black."""

SCALE = ("#D55E00", "#EDEDED", "#0072B2")
"""Of cells, at 0, one half and 1."""

MARKS = {
    "dot": ("circle", "o", 7),
    "hollow": ("circle-open", "o", 7),
    "cross": ("x-thin-open", "x", 8),
    "named": ("diamond", "D", 13),
    "star": ("star", "*", 15),
    "square": ("square-open", "s", 13),
    "triangle": ("triangle-up", "^", 9),
    "speck": ("circle", ".", 3),
    "none": ("circle", "", 0),
}
"""Symbols of Plotly and of matplotlib, and their size in pixels."""

_Item = TypeVar("_Item")


def thinned(items: Sequence[_Item], most: int) -> list[_Item]:
    """At most so many of the items, evenly spaced, the first and the last among them."""
    if len(items) <= most:
        return list(items)
    return [items[round(k * (len(items) - 1) / (most - 1))] for k in range(most)]
