"""The page: which sections it has, in which order, and the values that its templates show."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tuner.report.conclusion import finding
from tuner.report.exported import no_effect_lines, seed_lines
from tuner.report.files import basis, why_ended
from tuner.report.html.certificate import CertificateView, badge, certificate_view
from tuner.report.html.figure import COLORS, DARK_COLORS, SCALE, Figure
from tuner.report.html.legend import Entry, legend
from tuner.report.html.plot import plots
from tuner.report.html.rendering import render, static_text
from tuner.report.html.tables import Provenance, Table, TrialsTable, cards, facts, result_tables, trials_table
from tuner.runs.past_run import PastRun


@dataclass(frozen=True, slots=True, kw_only=True)
class FigureView:
    """A figure, for the template `figure.html.j2`.

    Attributes:
        figure: The figure; a script draws its panels in the browser.
        legend: The lines of its legend; none where one name says it all.
    """

    figure: Figure
    legend: tuple[Entry, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """A section of the page.

    Attributes:
        key: The `id` of its element, unique on the page.
        title: The heading, which the list of contents repeats.
        template: The template that shows it.
        view: The values that this template shows.
    """

    key: str
    title: str
    template: str
    view: FigureView | CertificateView | Provenance | TrialsTable | tuple[Table, ...]


def page(past: PastRun, shown: Sequence[Figure]) -> str:
    """Returns the whole page as one self-contained HTML text.

    Args:
        past: The run.
        shown: The figures, in the order of the page.
    """
    from plotly.offline import get_plotlyjs

    result = past.result
    return render(
        "page.html.j2",
        study=past.study.name,
        status=str(result.status),
        is_simulated=past.is_simulated,
        verdict=finding(result),
        badge=badge(past),
        cards=cards(past),
        remarks=(*no_effect_lines(result), *seed_lines(result), *basis(result), *why_ended(result)),
        sections=sections(past, shown),
        plots=[plot for one in shown for plot in plots(one)],
        colors=COLORS,
        dark_colors=DARK_COLORS,
        dark_of=dict(zip(COLORS, DARK_COLORS, strict=True)),
        scale=SCALE,
        css=static_text("report.css"),
        script=static_text("report.js"),
        plotly=get_plotlyjs(),
    )


def sections(past: PastRun, shown: Sequence[Figure]) -> tuple[Section, ...]:
    """Returns all sections below the verdict, in the order of the page."""
    drawn = [
        Section(
            key=one.key,
            title=one.title,
            template="figure.html.j2",
            view=FigureView(figure=one, legend=legend(one)),
        )
        for one in shown
    ]
    return (
        *drawn[:1],
        *certificate_section(past),
        Section(key="results", title="Side by side", template="results.html.j2", view=result_tables(past)),
        *drawn[1:],
        Section(
            key="environment",
            title="Environment and provenance",
            template="facts.html.j2",
            view=facts(past),
        ),
        Section(key="all-trials", title="All trials", template="trials.html.j2", view=trials_table(past)),
    )


def certificate_section(past: PastRun) -> tuple[Section, ...]:
    """Returns the section with the certificate; nothing where no certificate was asked for.

    The certificate may belong to a configuration that is no longer recommended; the title then says so.
    """
    conclusion = past.result.conclusion
    titles = {
        "Certificate": conclusion.certificate,
        "Certificate of what is not recommended any more": conclusion.spent,
    }
    for title, certificate in titles.items():
        if certificate:
            view = certificate_view(certificate)
            return (Section(key="certificate", title=title, template="certificate.html.j2", view=view),)
    return ()
