"""Shows the certificate on the page: a badge under the verdict, and a section with checks and claims."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from tuner.certificate import Certificate
from tuner.report.certificate import (
    basis_text,
    check_rows,
    claim_rows,
    claims_are_of_the_guides_row,
    cost_text,
    details_text,
    disturbed_texts,
    prospect_text,
)
from tuner.report.html.tables import Cell, Table
from tuner.runs.past_run import PastRun

_TONES = {
    "certified": "good",
    "passed": "good",
    "confirmed": "good",
    "not certified": "bad",
    "failed": "bad",
    "refuted": "bad",
}
"""The CSS class of each outcome; an outcome that is not listed is `open`: neither good nor bad."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Badge:
    """The certificate's verdict in one line.

    Attributes:
        verdict: The verdict with its tone.
        basis: The number of pairs of runs behind it; empty when there is no certificate.
    """

    verdict: Cell
    basis: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CertificateView:
    """The certificate, for the template `certificate.html.j2`.

    Attributes:
        baseline: The baseline's configuration.
        config: The certified configuration.
        num_seeds: Seeds that both of them ran with.
        num_alone: Further seeds that the certified configuration ran with alone, for the target.
        unchanged: What counts as an unchanged quality figure, as the subject of a sentence.
        cost: The workers' time that the certificate's runs took, in words.
        checks: Each check with its outcome, what was seen, and its statistical test.
        what_it_takes: The runs that would decide an undecided certificate; empty when nothing is undecided.
        disturbed: A sentence on disturbed pairs, such as `2 of 7 pairs were disturbed, ...:`; empty for none.
        disturbed_pairs: The disturbance of each of those pairs.
        claims: The optimization guide's claims with what was found of each.
        has_guides_row: Whether some of these are of the guide's own configuration.
    """

    baseline: str
    config: str
    num_seeds: int
    num_alone: int
    unchanged: str
    cost: str
    checks: Table
    what_it_takes: str
    disturbed: str
    disturbed_pairs: tuple[str, ...]
    claims: Table
    has_guides_row: bool


def badge(past: PastRun) -> Badge | None:
    """Returns the verdict and what it rests on; None where no certificate was asked for."""
    conclusion = past.result.conclusion
    certificate = conclusion.certificate
    if certificate is not None:
        basis = f"{basis_text(certificate)}: {details_text(certificate)}"
        return Badge(verdict=_outcome(certificate.verdict.value), basis=basis)
    if conclusion.spent and conclusion.recommendation:
        return Badge(verdict=_outcome("no certificate"))
    return None


def certificate_view(certificate: Certificate) -> CertificateView:
    """Returns every check with its test, the audit of the guide's claims, and what all this cost."""
    disturbed, *pairs = disturbed_texts(certificate) or [""]
    checks = ((*row[:3], row[3] or "no statistical test") for row in check_rows(certificate))
    return CertificateView(
        baseline=str(certificate.baseline),
        config=str(certificate.config),
        num_seeds=len(certificate.seeds),
        num_alone=certificate.num_runs - certificate.num_run,
        unchanged=_unchanged(certificate),
        cost=cost_text(certificate),
        checks=_outcomes(("check", "outcome", "seen", "test"), checks),
        what_it_takes=prospect_text(certificate),
        disturbed=f"{disturbed[:1].upper()}{disturbed[1:]}",
        disturbed_pairs=tuple(pairs),
        claims=_outcomes(("claim", "finding", "seen"), claim_rows(certificate)),
        has_guides_row=claims_are_of_the_guides_row(certificate),
    )


def _unchanged(certificate: Certificate) -> str:
    metric, margin = certificate.goal.metric, f"{certificate.terms.nrmse_margin_pct:g} %"
    if metric.is_identity:
        return f"{'An' if metric.is_default else 'A'} {metric.label} within {margin} of the baseline's"
    return f"A change of {metric.label} by less than {margin} of {metric.unit:g}"


def _outcomes(header: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> Table:
    """Returns a table of text whose second column is an outcome."""
    cells = (
        (Cell(text=what), _outcome(outcome), *(Cell(text=text) for text in rest))
        for what, outcome, *rest in rows
    )
    return Table(header=header, rows=tuple(cells), kind="words")


def _outcome(text: str) -> Cell:
    return Cell(text=text, tone=_TONES.get(text, "open"))
