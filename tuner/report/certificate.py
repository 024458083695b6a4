"""A certificate as rows of words: for the summary and, in HTML, for the report."""

from __future__ import annotations

from collections.abc import Sequence

from tuner.core.certificate import Certificate
from tuner.report.columns import aligned

Rows = Sequence[tuple[str, ...]]


def check_rows(certificate: Certificate) -> Rows:
    """Of each check: what is to be true, what became of it, and what was seen."""
    return [(check.title, check.outcome.value, check.text) for check in certificate.checks]


def claim_rows(certificate: Certificate) -> Rows:
    """Of each claim of the guide: the claim, what became of it, and what was seen."""
    return [(claim.text, claim.finding.value, claim.seen) for claim in certificate.claims]


def cost_text(certificate: Certificate) -> str:
    """What its runs took of the budget."""
    return f"its runs took {certificate.cost_s:.1f} s of the workers' time"


def certificate_text(certificate: Certificate) -> str:
    """Checks and audit as two plain tables."""
    lines = [
        f"certificate: {certificate.verdict}, {certificate.basis}; {cost_text(certificate)}",
        aligned(check_rows(certificate)),
    ]
    if certificate.claims:
        lines += ["the guide's row:", aligned(claim_rows(certificate))]
    return "\n".join(lines)
