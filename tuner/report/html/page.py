"""The page, put together from sections. Every text from a run is escaped."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from tuner.report.files import basis, why_ended
from tuner.report.html.certificate import badge, certificate_html
from tuner.report.html.figure import Figure
from tuner.report.html.legend import legend
from tuner.report.html.plot import plots
from tuner.report.html.style import COLOR_CSS, CSS, SCRIPT
from tuner.report.html.tables import cards, facts, result_tables, trials_table
from tuner.report.past import PastRun


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """A part of the page.

    Attributes:
        key: Of its element.
        title: Of its heading, and in the list of contents.
        html: What it holds, escaped where it comes from a run.
    """

    key: str
    title: str
    html: str


def page(past: PastRun, shown: Sequence[Figure]) -> str:
    """The whole page as one text."""
    from plotly.offline import get_plotlyjs

    result = past.result
    parts = sections(past, shown)
    data = json.dumps([plot for one in shown for plot in plots(one)], allow_nan=False, separators=(",", ":"))
    head = f"<title>{escape(past.study.name)}: {escape(result.status)}</title><style>{CSS}{COLOR_CSS}</style>"
    links = "".join(f'<a href="#{part.key}">{escape(part.title)}</a>' for part in parts)
    page_parts = [
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        f'<meta name="viewport" content="width=device-width,initial-scale=1">{head}</head><body>',
        _verdict(past),
        f"<nav>{links}</nav>",
        *(f'<section id="{part.key}"><h2>{escape(part.title)}</h2>{part.html}</section>' for part in parts),
        f'<script type="application/json" id="plots">{data.replace("<", chr(92) + "u003c")}</script>',
        f"<script>{get_plotlyjs()}</script><script>{SCRIPT}</script></body></html>",
    ]
    return "\n".join(page_parts) + "\n"


def sections(past: PastRun, shown: Sequence[Figure]) -> tuple[Section, ...]:
    """All sections below the verdict, in the order of the page."""
    drawn = [Section(key=one.key, title=one.title, html=_figure(one)) for one in shown]
    return (
        *drawn[:1],
        *certificate_section(past),
        Section(key="results", title="Side by side", html=result_tables(past)),
        *drawn[1:],
        Section(key="environment", title="Environment and provenance", html=facts(past)),
        Section(key="all-trials", title="All trials", html=trials_table(past)),
    )


def certificate_section(past: PastRun) -> tuple[Section, ...]:
    """The certificate; none without a recommendation, or when none was asked for."""
    certificate = past.result.conclusion.certificate
    if certificate is None:
        return ()
    return (Section(key="certificate", title="Certificate", html=certificate_html(certificate)),)


def _verdict(past: PastRun) -> str:
    result = past.result
    banner = '<p class="warn">simulated: nothing below was measured</p>' if past.is_simulated else ""
    said = "".join(f'<p class="soft">{escape(text)}</p>' for text in (*basis(result), *why_ended(result)))
    return (
        f"<header><h1>{escape(past.study.name)}</h1>{banner}"
        f'<p id="verdict">{escape(result.finding)}</p>{badge(past)}{cards(past)}{said}</header>'
    )


def _figure(figure: Figure) -> str:
    if not figure.panels:
        return f"<p>{escape(figure.text)}</p><p><em>{escape(figure.why_none)}</em></p>"
    num = figure.num_columns
    least = f"max({150 if num > 2 else 340}px,calc((100% - {num - 1}rem)/{num}))"
    height = f"height:{figure.height_px}px"
    panels = "".join(
        '<div class="panel">'
        + (f"<h3>{escape(panel.title)}</h3>" if panel.title else "")
        + f'<div class="plot" id="plot-{figure.key}-{k}" style="{height}"></div></div>'
        for k, panel in enumerate(figure.panels)
    )
    notes = "".join(f"<li>{escape(note)}</li>" for note in figure.notes)
    return (
        f"<figure><figcaption>{escape(figure.text)}</figcaption>{legend(figure)}"
        f'<div class="panels" style="--least:{least}">{panels}</div></figure>'
        + (f'<ul class="notes">{notes}</ul>' if notes else "")
    )
