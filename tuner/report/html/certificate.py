"""The certificate on the page: a badge under the verdict, and a section with every check and claim."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

from tuner.core.certificate import Certificate
from tuner.report.certificate import check_rows, claim_rows, cost_text, disturbed_texts
from tuner.report.past import PastRun

_STYLES = {
    "certified": "good",
    "passed": "good",
    "confirmed": "good",
    "not certified": "bad",
    "failed": "bad",
    "refuted": "bad",
}
"""How an outcome is coloured; others are neither good nor bad."""


def badge(past: PastRun) -> str:
    """The verdict and what it rests on, in one line; empty without a certificate."""
    certificate = past.result.conclusion.certificate
    if certificate is None:
        return ""
    said = f"{certificate.basis}: {certificate.details}"
    return f'<p class="badge">{_word(certificate.verdict.value)} {escape(said)}</p>'


def certificate_html(certificate: Certificate) -> str:
    """Every check with its test, the audit of the guide's row, and what all this cost."""
    checks = ((*row[:3], row[3] or "no statistical test") for row in check_rows(certificate))
    num, margin = len(certificate.seeds), certificate.terms.nrmse_margin_pct
    how = (
        f"Baseline ({certificate.baseline}) and recommendation ({certificate.config}) took turns with {num} "
        "seeds that the search never used, one run at a time. A check passes when what it says is shown at "
        f"its level, fails when the opposite is. An NRMSE within {margin:g} % of the baseline's counts as "
        f"unchanged, as the study says, whatever the guide wants (below); {cost_text(certificate)}."
    )
    parts = [f"<p>{escape(how)}</p>", _table(("check", "outcome", "seen", "test"), checks)]
    if takes := certificate.what_it_takes:
        parts.append(f"<p>{escape(takes)}</p>")
    if disturbed := disturbed_texts(certificate):
        why, *pairs = (escape(text) for text in disturbed)
        parts.append(
            f"<p>{why[0].upper()}{why[1:]}</p><ul>{''.join(f'<li>{pair}</li>' for pair in pairs)}</ul>"
        )
    parts.append(
        "<p>What the optimization guide promises, of its own row where nothing else is said, on this device. "
        "No check depends on it:</p>"
    )
    parts.append(_table(("claim", "finding", "seen"), claim_rows(certificate)))
    return "".join(parts)


def _table(header: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    """Words in columns; the second one is an outcome."""
    head = "".join(f"<th>{escape(name)}</th>" for name in header)
    body = "".join(
        f"<tr><td>{escape(what)}</td><td>{_word(outcome)}</td>"
        + "".join(f"<td>{escape(text)}</td>" for text in rest)
        + "</tr>"
        for what, outcome, *rest in rows
    )
    table = f'<table class="words"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>'
    return f'<div class="scroll">{table}</div>'


def _word(outcome: str) -> str:
    return f'<strong class="{_STYLES.get(outcome, "open")}">{escape(outcome)}</strong>'
