"""Draws figures as image files with matplotlib, which needs no browser."""

from __future__ import annotations

import io
import math
from collections.abc import Iterable
from typing import Any

from tuner.report.html.figure import COLORS, MARKS, SCALE, Figure, Panel, Series

WIDTH_IN = 9.0


def images(figure: Figure, kinds: Iterable[str], study: str) -> dict[str, bytes]:
    """Draws a figure in several file formats.

    Args:
        figure: The figure.
        kinds: File formats, `svg` or `png`.
        study: Name of the study, for the heading; that of a simulated run says that it is simulated.

    Returns:
        The content of the image file, by format.
    """
    from matplotlib import rc_context
    from matplotlib.figure import Figure as Canvas
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    columns = min(figure.num_columns, len(figure.panels)) or 1
    rows = max(1, math.ceil(len(figure.panels) / columns))
    height = 1.3 + rows * figure.height_px / 100
    with rc_context({"svg.fonttype": "none", "font.size": 8, "axes.titlesize": 8}):
        canvas = Canvas(figsize=(WIDTH_IN, height))
        canvas.suptitle(f"{figure.title} ({study})", fontsize=10)
        if figure.panels:
            axes = canvas.subplots(rows, columns, squeeze=False).ravel()
            for panel, place in zip(figure.panels, axes, strict=False):
                _draw(panel, place)
                if figure.has_cells:
                    place.label_outer()
            for place in axes[len(figure.panels) :]:
                place.set_axis_off()
            _legend(canvas, axes)
            ConstrainedLayoutEngine().execute(canvas)  # once: what it finds holds for every kind
        else:
            canvas.text(0.5, 0.4, figure.why_none, ha="center", wrap=True)
        return {kind: _saved(canvas, kind) for kind in kinds}


def _saved(canvas: Any, kind: str) -> bytes:
    out = io.BytesIO()
    canvas.savefig(out, format=kind, dpi=110)
    return out.getvalue()


def _legend(canvas: Any, axes: Any) -> None:
    entries: dict[str, Any] = {}
    for place in axes:
        for handle, label in zip(*place.get_legend_handles_labels(), strict=True):
            entries.setdefault(label, handle)
    if entries:
        canvas.legend(
            entries.values(), entries.keys(), loc="outside lower center", ncols=4, fontsize=8, frameon=False
        )


def _draw(panel: Panel, axes: Any) -> None:
    left: dict[float, float] = {}
    for series in panel.series:
        _draw_series(series, axes, left)
    for at, text in panel.lines:
        axes.axhline(at, ls="--", lw=1, color=COLORS[1], label=text)
    axes.set(xlabel=panel.x_label, ylabel=panel.y_label, title=panel.title)
    axes.margins(x=0.02)
    if panel.x_ticks:
        axes.set_xticks([at for at, _ in panel.x_ticks], [text for _, text in panel.x_ticks], fontsize=7)
    if panel.y_ticks:
        axes.set_yticks([at for at, _ in panel.y_ticks], [text for _, text in panel.y_ticks], fontsize=7)
        axes.set_ylim(len(panel.y_ticks) - 0.5, -0.5)


def _draw_series(series: Series, axes: Any, left: dict[float, float]) -> None:
    color, (_, mark, size) = COLORS[series.color], MARKS[series.mark]
    x, y = _numbers(series.x), _numbers(series.y)
    if series.kind == "cells":
        _draw_cells(series, axes)
    elif series.kind == "bars":
        starts = [left.get(at, 0.0) for at in y]
        axes.barh(y, x, 0.7, left=starts, color=color, label=series.name)
        left |= {at: start + length for at, start, length in zip(y, starts, x, strict=True)}
    elif series.kind == "band":
        axes.fill_between(x, _numbers(series.low), y, color=color, alpha=0.2, lw=0, label=series.name)
    else:
        line = "-" if series.kind == "line" else ""
        line = ":" if series.is_dashed else line
        face = "none" if series.mark in ("hollow", "square") else color
        points = 0.6 * (min(size, 5) if series.kind == "line" else size)
        width = 6 if series.is_wide else 1
        axes.plot(
            x,
            y,
            line,
            marker=mark,
            ms=points,
            mfc=face,
            color=color,
            lw=width,
            label=series.name,
            solid_capstyle="butt",
        )


def _draw_cells(series: Series, axes: Any) -> None:
    from matplotlib.colors import LinearSegmentedColormap

    shades = LinearSegmentedColormap.from_list("probability", SCALE)
    axes.scatter(
        series.x, series.y, c=_numbers(series.z), cmap=shades, vmin=0, vmax=1, marker="s", s=60, linewidths=0
    )


def _numbers(values: Iterable[float | None]) -> list[float]:
    return [math.nan if v is None else v for v in values]
