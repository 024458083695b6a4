"""The legend of a figure as HTML, so that it wraps, and is one for all of its panels."""

from __future__ import annotations

from html import escape

from tuner.report.html.figure import SCALE, Figure, Series


def legend(figure: Figure) -> str:
    """One entry for each name, a scale where colours stand for numbers; empty where there is one name."""
    entries = [f"<li>{_swatch(series)}{escape(series.name)}</li>" for series in figure.legend]
    lines = dict.fromkeys(text for panel in figure.panels for _, text in panel.lines)
    dashed = '<path d="M1 8H17" stroke="var(--c1)" stroke-width="2" stroke-dasharray="5 3"/>'
    entries += [f"<li>{_drawn(dashed)}{escape(text)}</li>" for text in lines]
    if figure.has_cells:
        shades = ",".join(SCALE)
        name = next(one.name for one in figure.series if one.kind == "cells")
        scale = f'<span class="scale" style="background:linear-gradient(90deg,{shades})"></span>'
        entries.insert(0, f"<li>0 {scale} 1 {escape(name)}</li>")
    kind = "legend map" if figure.has_cells else "legend"
    return f'<ul class="{kind}">{"".join(entries)}</ul>' if len(entries) > 1 else ""


def _swatch(series: Series) -> str:
    """A small drawing of how the series looks."""
    color = f"var(--c{series.color})"
    if series.kind == "bars" or series.is_wide:
        shape = f'<rect x="3" y="3" width="12" height="10" fill="{color}"/>'
    elif series.kind == "band":
        shape = f'<rect x="1" y="3" width="16" height="10" fill="{color}" opacity=".25"/>'
    elif series.kind == "line":
        dash = ' stroke-dasharray="2 2"' if series.is_dashed else ""
        shape = f'<path d="M1 8H17" stroke="{color}" stroke-width="2"{dash}/>'
    else:
        shape = _SHAPES[series.mark].format(c=color)
    return _drawn(shape)


def _drawn(shape: str) -> str:
    return f'<svg width="18" height="16" aria-hidden="true">{shape}</svg>'


_SHAPES = {
    "dot": '<circle cx="9" cy="8" r="4" fill="{c}"/>',
    "hollow": '<circle cx="9" cy="8" r="3.5" fill="none" stroke="{c}" stroke-width="1.5"/>',
    "cross": '<path d="M5 4l8 8M13 4l-8 8" stroke="{c}" stroke-width="1.8"/>',
    "named": '<path d="M9 1l6 7-6 7-6-7z" fill="{c}"/>',
    "star": '<path d="M9 0l2.2 5.4 5.8.4-4.5 3.7 1.5 5.7L9 12l-5 3.2 1.5-5.7L1 5.8l5.8-.4z" fill="{c}"/>',
    "square": '<rect x="4" y="3" width="10" height="10" fill="none" stroke="{c}" stroke-width="1.8"/>',
    "triangle": '<path d="M9 3l5 9H4z" fill="{c}"/>',
    "speck": '<circle cx="9" cy="8" r="1.6" fill="{c}"/>',
    "none": "",
}
