"""A certificate as rows of words: for the summary and, in HTML, for the report."""

from __future__ import annotations

from collections.abc import Sequence

from tuner.core.certificate import Certificate
from tuner.report.columns import aligned

Rows = Sequence[tuple[str, ...]]


def check_rows(certificate: Certificate) -> Rows:
    """Of each check: what is to be true, what became of it, what was seen, and by which test, if by one."""
    return [(check.title, check.outcome.value, check.text, check.test) for check in certificate.checks]


def claim_rows(certificate: Certificate) -> Rows:
    """Of each claim of the guide: the claim, what became of it, and what was seen. No check depends on it."""
    return [(claim.text, claim.finding.value, claim.seen) for claim in certificate.claims]


def cost_text(certificate: Certificate) -> str:
    """What its runs took of the budget."""
    return f"its runs took {certificate.cost_s:.1f} s of the workers' time"


def disturbed_texts(certificate: Certificate) -> list[str]:
    """Why fewer pairs count for time than for NRMSE, and what disturbed each; none when all were clean."""
    disturbed = certificate.disturbed
    if not disturbed:
        return []
    num = len(certificate.seeds)
    count = "which count for NRMSE and not for time, so that n differs"
    if certificate.num_timed == num:
        count = "which count: what is wanted does not depend on the clock"
    why = f"others disturbed {len(disturbed)} of {num} pairs, {count}:"
    return [why, *(f"seed {seed}, {by}" for seed, by in disturbed.items())]


def certificate_text(certificate: Certificate) -> str:
    """Checks and audit as two plain tables; a check's test is on a line of its own."""
    return "\n".join(
        [
            f"certificate: {certificate.verdict}, {certificate.basis}; {cost_text(certificate)}",
            aligned([line for row in check_rows(certificate) for line in _on_lines(*row)]),
            *disturbed_texts(certificate),
            "what the guide promises, of its own row where nothing else is said:",
            aligned(claim_rows(certificate)),
        ]
    )


def _on_lines(title: str, outcome: str, seen: str, test: str) -> Rows:
    return [(title, outcome, seen), *([("", "", test)] if test else [])]
