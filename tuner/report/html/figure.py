"""A figure as plain values. How these are drawn, and where they come from, is decided in other modules."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

Ticks = tuple[tuple[float, str], ...]
"""Positions on an axis, each with the text that stands there instead of a number."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """Points, a line, a band, bars or coloured cells under one name.

    Attributes:
        name: The name in the legend; series with the same name share one entry.
        x: Horizontal coordinates; None breaks a line.
        y: Vertical coordinates; None breaks a line.
        labels: Plain text shown when the reader points at a point, one per point; empty for no labels.
        kind: `points`, `line`, `band` (between `low` and `y`), `bars` (horizontal, as long as `x`, at the
            heights `y`, stacked on the bars of earlier series) or `cells` (coloured by `z`, from 0 to 1).
        low: The lower edge of a band.
        z: The numbers that colour cells; None leaves a cell without a colour.
        mark: A key of `MARKS`: how points are drawn, also those on a line.
        color: Index into `COLORS`.
        is_dashed: Whether a line is dashed.
        is_wide: Whether a line is as wide as a bar.
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
        series: Series in the order of drawing; later ones cover earlier ones.
        x_label: Label of the horizontal axis, with its unit; empty for no label.
        y_label: Label of the vertical axis, with its unit; empty for no label.
        title: Heading above the panel; empty for no heading.
        lines: Dashed horizontal lines: the height of each, and what it stands for.
        x_ticks: Text on the horizontal axis; empty for numbers.
        y_ticks: Text on the vertical axis, which then counts rows from the top; empty for numbers.
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
    """A figure with one or more panels.

    Attributes:
        key: Name of its files and of its element on the page, such as `pareto`.
        title: Heading: the question that the figure answers.
        text: Explanation of how to read the figure.
        panels: Panels in the order of reading; empty when there is nothing to show.
        num_columns: Number of panels side by side where there is room.
        height_px: Height of a panel in pixels.
        notes: Sentences below the figure.
        why_none: The sentence that stands in place of the figure when it has no panel.
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
        """All series of all panels."""
        return tuple(series for panel in self.panels for series in panel.series)

    @property
    def legend(self) -> tuple[Series, ...]:
        """The first series with each name; coloured cells are left out, since they get a scale instead."""
        first: dict[str, Series] = {}
        for series in self.series:
            if series.kind != "cells":
                first.setdefault(series.name, series)
        return tuple(first.values())

    @property
    def has_cells(self) -> bool:
        """Whether some panel has cells, whose colours stand for numbers."""
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
"""Colours of series: six that colour-blind readers can tell apart (Okabe and Ito 2008), and four more."""

DARK_COLORS = (
    "#4AA8E0",
    "#FF8A3D",
    "#2CC295",
    "#E59CC4",
    "#F2B63C",
    "#8CCBF2",
    "#A3A3A3",
    "#E0D04A",
    "#AB92E6",
    "#F2F2F2",
)
"""The counterpart of each of `COLORS` on a dark page."""

SCALE = ("#D55E00", "#EDEDED", "#0072B2")
"""Colours of a map's cells at 0, one half and 1; values between them are blended."""

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
"""Each mark as Plotly's symbol, matplotlib's symbol, and its size in pixels."""

_Item = TypeVar("_Item")


def thinned(items: Sequence[_Item], most: int) -> list[_Item]:
    """Picks at most `most` items, evenly spaced; the first and the last item are always among them."""
    if len(items) <= most:
        return list(items)
    return [items[round(k * (len(items) - 1) / (most - 1))] for k in range(most)]
