"""What a figure shows, as values: neither how it is drawn nor where its values come from."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """Points, a line or bars under one name.

    Attributes:
        name: In the legend.
        x: Numbers, or categories of bars; None breaks a line.
        y: Numbers; None breaks a line.
        labels: Of each point, plain text; empty for none.
        kind: `points`, `line` or `bars` (stacked).
        is_hollow: Projected rather than measured.
        is_named: One that the eye should find: a large mark.
        color: Which of the colours, from 0.
    """

    name: str
    x: tuple[float | str | None, ...]
    y: tuple[float | None, ...]
    labels: tuple[str, ...] = ()
    kind: str = "points"
    is_hollow: bool = False
    is_named: bool = False
    color: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One figure.

    Attributes:
        key: Of its files and its element, such as `pareto`.
        title: What it answers.
        text: A sentence on how to read it.
        x_label: With its unit.
        y_label: With its unit.
        series: In the order of drawing; without any, `text` says why.
        target: A horizontal line; None for none.
        num_rows: Where y counts rows from 0: how many there are; None elsewhere.
    """

    key: str
    title: str
    text: str
    x_label: str
    y_label: str
    series: tuple[Series, ...]
    target: float | None = None
    num_rows: int | None = None


COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#8A8A8A")
"""Okabe and Ito's, which the colour-blind tell apart, and a grey."""
