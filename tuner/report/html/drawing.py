"""Draws a figure: as Plotly's JSON for the page, as SVG and PNG by matplotlib for files."""

from __future__ import annotations

import io
import math
from typing import Any

from tuner.report.html.figure import COLORS, Figure, Series


def plotly_dict(figure: Figure) -> dict[str, Any]:
    """The figure's traces and layout as plain JSON values."""
    x_axis, y_axis = (
        {"title": {"text": label, "standoff": 12}, "automargin": True}
        for label in (figure.x_label, figure.y_label)
    )
    layout: dict[str, Any] = {"xaxis": x_axis, "yaxis": y_axis, "barmode": "stack"}
    if figure.num_rows is not None:
        y_axis |= {"dtick": 1, "range": [-0.5, figure.num_rows - 0.5], "zeroline": False}
    if figure.target is not None:
        line = {"type": "line", "xref": "paper", "x0": 0, "x1": 1, "y0": figure.target, "y1": figure.target}
        layout["shapes"] = [line | {"line": {"dash": "dash", "color": COLORS[1]}}]
    return {"key": figure.key, "data": [_trace(one) for one in figure.series], "layout": layout}


def _trace(series: Series) -> dict[str, Any]:
    color = COLORS[series.color]
    x, y = [_plain(v) for v in series.x], [_plain(v) for v in series.y]
    trace: dict[str, Any] = {"name": series.name, "x": x, "y": y}
    trace["hovertext"] = [_escaped(label) for label in series.labels]
    if series.kind == "bars":
        return trace | {"type": "bar", "marker": {"color": color}}
    if series.kind == "line":
        return trace | {"type": "scatter", "mode": "lines+markers", "line": {"color": color}}
    marker: dict[str, Any] = {"color": color, "symbol": "circle-open" if series.is_hollow else "circle"}
    if series.is_named:
        marker |= {"symbol": "diamond", "size": 14}
    return trace | {"type": "scatter", "mode": "markers", "marker": marker}


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;")


def _plain(value: float | str | None) -> float | str | None:
    return None if isinstance(value, float) and not math.isfinite(value) else value


def image(figure: Figure, kind: str, study: str) -> bytes:
    """The figure of a study as a file of `kind`, `svg` or `png`; the name of a simulated one says so."""
    from matplotlib import rc_context
    from matplotlib.figure import Figure as Canvas

    canvas = Canvas(figsize=(8, 5), layout="constrained")
    axes = canvas.subplots()
    for one in figure.series:
        color = COLORS[one.color]
        y = [math.nan if v is None else v for v in one.y]
        if one.kind == "bars":
            axes.bar([str(v) for v in one.x], y, color=color, label=one.name)
            continue
        x = [math.nan if v is None else float(v) for v in one.x]
        face, style = ("none" if one.is_hollow else color), ("-" if one.kind == "line" else "")
        mark, size = ("D", 9) if one.is_named else ("o", 5)
        axes.plot(x, y, style, marker=mark, ms=size, color=color, markerfacecolor=face, label=one.name)
    if figure.target is not None:
        axes.axhline(figure.target, ls="--", color=COLORS[1], label="target")
    if figure.num_rows is not None:
        axes.set(ylim=(-0.5, figure.num_rows - 0.5), yticks=range(figure.num_rows))
    axes.set(xlabel=figure.x_label, ylabel=figure.y_label, title=f"{figure.title} ({study})")
    if figure.series:
        axes.legend(fontsize="small")
    out = io.BytesIO()
    with rc_context({"svg.fonttype": "none"}):
        canvas.savefig(out, format=kind, dpi=120)
    return out.getvalue()
