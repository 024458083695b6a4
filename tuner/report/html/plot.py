"""Translates the panels of a figure into Plotly's JSON values."""

from __future__ import annotations

import math
from typing import Any

from tuner.report.html.figure import COLORS, MARKS, SCALE, Figure, Panel, Series, Ticks


def plots(figure: Figure) -> list[dict[str, Any]]:
    """Returns a dict per panel: the `id` of its element, its traces (`data`) and its `layout`."""
    return [_plot(panel, f"plot-{figure.key}-{k}") for k, panel in enumerate(figure.panels)]


def _plot(panel: Panel, element: str) -> dict[str, Any]:
    layout: dict[str, Any] = {
        "xaxis": _axis(panel.x_label),
        "yaxis": _axis(panel.y_label),
        "barmode": "stack",
    }
    if any(one.kind == "cells" for one in panel.series):
        layout["xaxis"] |= {"showgrid": False}
        layout["yaxis"] |= {"showgrid": False}
    if panel.x_ticks:
        layout["xaxis"] |= _words(panel.x_ticks)
    if panel.y_ticks:
        num = len(panel.y_ticks)
        layout["yaxis"] |= _words(panel.y_ticks) | {"range": [num - 0.5, -0.5]}
    if panel.lines:
        layout["shapes"] = [_line(at) for at, _ in panel.lines]
    data = [trace for one in panel.series for trace in _traces(one)]
    return {"id": element, "data": data, "layout": layout}


def _axis(label: str) -> dict[str, Any]:
    return {"title": {"text": _escaped(label), "standoff": 8}, "automargin": True}


def _words(ticks: Ticks) -> dict[str, Any]:
    return {
        "tickmode": "array",
        "tickvals": [at for at, _ in ticks],
        "ticktext": [_escaped(text) for _, text in ticks],
        "zeroline": False,
    }


def _line(at: float) -> dict[str, Any]:
    place = {"type": "line", "xref": "paper", "x0": 0, "x1": 1, "y0": at, "y1": at}
    return place | {"line": {"dash": "dash", "color": COLORS[1], "width": 1.5}}


def _traces(series: Series) -> list[dict[str, Any]]:
    color, (symbol, _, size) = COLORS[series.color], MARKS[series.mark]
    x, y = [_plain(v) for v in series.x], [_plain(v) for v in series.y]
    trace: dict[str, Any] = {"name": _escaped(series.name), "x": x, "y": y}
    if series.labels:
        trace |= {"hovertext": [_escaped(label) for label in series.labels], "hoverinfo": "text"}
    if series.kind == "cells":
        return [_cells(series, trace)]
    if series.kind == "bars":
        return [trace | {"type": "bar", "orientation": "h", "marker": {"color": color}, "width": 0.7}]
    trace["type"] = "scatter"
    if series.kind == "band":
        low = {"x": x, "y": [_plain(v) for v in series.low], "type": "scatter", "mode": "lines"}
        edge = {"line": {"width": 0, "color": color}, "hoverinfo": "skip", "mode": "lines"}
        return [low | edge, trace | edge | {"fill": "tonexty", "fillcolor": color + "33"}]
    marker = {"color": color, "symbol": symbol, "size": size}
    if series.mark in ("star", "named"):
        marker["line"] = {"color": "#fff", "width": 1}
    elif series.mark in ("square", "cross", "hollow"):
        marker["line"] = {"color": color, "width": 1.5}
    if series.kind == "line":
        line = {"color": color, "width": 14 if series.is_wide else 1.5, "dash": _dash(series)}
        mode = "lines" if series.mark == "none" else "lines+markers"
        return [trace | {"mode": mode, "line": line, "marker": marker | {"size": min(size, 5)}}]
    return [trace | {"mode": "markers", "marker": marker}]


def _dash(series: Series) -> str:
    return "dot" if series.is_dashed else "solid"


def _cells(series: Series, trace: dict[str, Any]) -> dict[str, Any]:
    """Lays cells out as a matrix of rows and columns; places without a cell stay empty."""
    columns, rows = sorted({*trace["x"]}), sorted({*trace["y"]})
    at = {place: k for k, place in enumerate(zip(trace["x"], trace["y"], strict=True))}
    places = [[at.get((x, y)) for x in columns] for y in rows]
    return {
        "type": "heatmap",
        "x": columns,
        "y": rows,
        "z": [[None if k is None else _rounded(series.z[k]) for k in row] for row in places],
        "hovertext": [["" if k is None else trace["hovertext"][k] for k in row] for row in places],
        "hoverinfo": "text",
        "zmin": 0,
        "zmax": 1,
        "colorscale": [[k / 2, color] for k, color in enumerate(SCALE)],
        "showscale": False,
        "xgap": 1,
        "ygap": 1,
    }


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace("\n", "<br>")


def _plain(value: float | None) -> float | None:
    """Rounds to six significant digits: more than a screen shows, and it halves the size of the page."""
    if value is None or not math.isfinite(value):
        return None
    return float(f"{value:.6g}")
