"""A certificate in words: its verdict in one sentence, its rows for the summary and the page, its JSON."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from tuner.certificate import Certificate, Check, Finding, Outcome, Prospect
from tuner.certificate.audit import Promise
from tuner.core.certificate_terms import LOOKS
from tuner.core.metric import DEFAULT_NAME
from tuner.report.check import (
    check_title,
    claim_seen_text,
    claim_text,
    disturbance_text,
    how_tested,
    quality_figures,
    seen_text,
)
from tuner.report.columns import aligned
from tuner.report.start import start_caution, trained_text

Rows = Sequence[tuple[str, ...]]

_WOULD = "A firm verdict would probably take"
_REMEDY = "a wider margin, another target or a quieter machine would help, in a new run"
_REMEDY_OF_TARGET = "another target would help, in a new run"


def verdict_sentence(certificate: Certificate) -> str:
    """Returns the verdict as one sentence; while it is undecided, with what would decide it."""
    verdict = certificate.verdict.value.capitalize()
    said = f"{verdict} {basis_text(certificate)}: {details_text(certificate)}"
    caution = start_caution(certificate.start)
    return f"{said} But mind: {caution[0].lower()}{caution[1:]}" if caution else said


def basis_text(certificate: Certificate) -> str:
    """Says how many pairs of runs the verdict rests on, and how many runs the target, if it has others."""
    num, num_run = len(certificate.seeds), certificate.num_run
    said = f"on {num} fresh pair{'' if num == 1 else 's'} of runs"
    is_between = certificate.look is not None and certificate.look.num_pairs < num_run
    if is_between:
        said += f", of {num_run} that were run"
    return said + _target_basis_text(certificate)


def _target_basis_text(certificate: Certificate) -> str:
    look, num_runs = certificate.target_look, certificate.num_runs
    if look is None or num_runs == certificate.num_run:
        return ""
    said = f", and the target on {certificate.num_target_runs} fresh runs of the recommended configuration"
    return f"{said}, of {num_runs} that were made" if look.num_runs < num_runs else said


def details_text(certificate: Certificate) -> str:
    """Returns `findings_text` followed by `prospect_text`."""
    return f"{findings_text(certificate)} {prospect_text(certificate)}".rstrip()


def findings_text(certificate: Certificate) -> str:
    """Returns the findings that led to the verdict, and the checks that cannot be measured here."""
    if certificate.outcome is Outcome.PASSED:
        said = [_seen(c, certificate) for c in certificate.checks if c.key in ("time", "nrmse")]
    else:
        decisive = [c for c in certificate.checks if c.outcome is certificate.outcome]
        said = [f"{_title(c, certificate)}: {_seen(c, certificate)}" for c in decisive]
    lacking = (f"not measurable here: {title}" for title in _not_measurable(certificate))
    return "; ".join([*said, *lacking]) + "."


def prospect_text(certificate: Certificate) -> str:
    """Says what would decide an undecided certificate; empty if nothing is undecided."""
    most, num_run, command = LOOKS[-1], certificate.num_run, _command(certificate)
    if certificate.prospect is Prospect.MORE_PAIRS:
        return _more_pairs_text(certificate)
    if certificate.is_target_alone_undecided:
        return _target_prospect_text(certificate)
    return {
        Prospect.DECIDED: "",
        Prospect.NOT_JUDGED_YET: "It is judged when the run has come to its end (--resume RUN).",
        Prospect.ALL_LOOKS_TAKEN: (
            f"--certify runs {most} pairs at most, and {num_run} have been run: {_REMEDY}."
        ),
        Prospect.ALL_DISTURBED: (
            "Others disturbed every pair: a new run with --certify, on an idle device, would tell."
        ),
        Prospect.BEYOND_LAST_LOOK: f"{_WOULD} more than the {most} pairs that --certify runs: {_REMEDY}.",
        Prospect.UNKNOWN: (
            f"It takes more pairs, on an idle device ({command}); how many cannot be said yet."
        ),
    }[certificate.prospect]


def _command(certificate: Certificate) -> str:
    """Returns the command that runs more pairs; a simulation cannot be resumed."""
    return "--simulate --certify" if certificate.is_simulated else "--resume RUN --certify"


def _more_pairs_text(certificate: Certificate) -> str:
    num = certificate.more_pairs
    assert num is not None  # so says the prospect
    alone = f" and {_more_runs_text(certificate)}" if certificate.more_runs else ""
    would = _WOULD if certificate.look else "The next look takes"
    pairs = f"{num} more {'pair' if num == 1 else 'pairs'}{alone}"
    return f"{would} {pairs}{_minutes_text(certificate)} ({_command(certificate)})."


def _more_runs_text(certificate: Certificate) -> str:
    num = certificate.more_runs
    return f"{num} more {'run' if num == 1 else 'runs'} of the recommended configuration alone"


def _minutes_text(certificate: Certificate) -> str:
    seconds = certificate.more_s
    return "" if seconds is None else f", about {seconds / 60:.2g} min"


def _target_prospect_text(certificate: Certificate) -> str:
    """Says what would decide the target, where nothing else is undecided: runs without the baseline."""
    most = certificate.last_target_look.num_runs
    if certificate.prospect is Prospect.MORE_RUNS:
        runs = f"{_more_runs_text(certificate)}{_minutes_text(certificate)}"
        return f"{_WOULD} {runs} ({_command(certificate)})."
    if certificate.prospect is Prospect.ALL_LOOKS_TAKEN:
        made = f"{certificate.num_runs} runs of the recommended configuration have been made"
        return f"{made}, and --certify looks at the target no more: {_REMEDY_OF_TARGET}."
    if certificate.prospect is Prospect.BEYOND_LAST_LOOK:
        said = f"{_WOULD} more than the {most} runs after which --certify looks at the target last"
        return f"{said}: {_REMEDY_OF_TARGET}."
    of = "of the recommended configuration alone"
    return f"It takes more runs {of} ({_command(certificate)}); how many cannot be said yet."


def _title(check: Check, certificate: Certificate) -> str:
    return check_title(check.key, certificate.goal, certificate.terms)


def _seen(check: Check, certificate: Certificate) -> str:
    return seen_text(check.seen, certificate.goal, certificate.terms)


def _not_measurable(certificate: Certificate) -> list[str]:
    return [_title(check, certificate) for check in certificate.not_measurable]


def certificate_dict(certificate: Certificate) -> dict[str, Any]:
    """Returns the certificate as plain JSON values; none of them is infinite."""
    target_look, target_looks = certificate.target_look, certificate.target_looks
    return {
        "verdict": certificate.verdict.value,
        "simulated": certificate.is_simulated,
        "sentence": verdict_sentence(certificate),
        "config": certificate.config.as_dict(),
        "baseline": certificate.baseline.as_dict(),
        "terms": asdict(certificate.terms),
        "level": certificate.look.level if certificate.look else None,
        "looks": [asdict(look) for look in certificate.terms.looks],
        "num_pairs_run": certificate.num_run,
        "seeds": list(certificate.seeds),
        "num_runs": certificate.num_runs,
        "num_target_runs": certificate.num_target_runs,
        "target_level": target_look.level if target_look else None,
        "target_looks": [asdict(look) for look in target_looks],
        "target_seeds": list(certificate.target_seeds),
        "disturbed": [
            {"seed": seed, "by": disturbance_text(by)} for seed, by in certificate.disturbed.items()
        ],
        "checks": [_check_dict(check, certificate) for check in certificate.checks],
        "not_measurable": _not_measurable(certificate),
        "more_pairs": certificate.more_pairs,
        "more_runs": certificate.more_runs,
        "more_s": certificate.more_s,
        "cost_s": certificate.cost_s,
        **_start_dict(certificate),
        "guide_audit": [
            {"text": text, "finding": finding, "seen": seen} for text, finding, seen in _claims(certificate)
        ],
    }


def _start_dict(certificate: Certificate) -> dict[str, Any]:
    """Returns what is known of the untrained start; nothing if it was not measured."""
    start = certificate.start
    if start is None:
        return {}
    return {
        f"start_{start.metric.name}": start.metric.value(start.nrmse),
        "start_meets_target": start.meets_target,
    }


def _check_dict(check: Check, certificate: Certificate) -> dict[str, Any]:
    """A check whose bounds from a single pair are infinite has none."""
    metric = certificate.goal.metric
    figures = quality_figures(check.figures, metric) if check.key == DEFAULT_NAME else check.figures
    return {
        "key": metric.name if check.key == DEFAULT_NAME else check.key,
        "title": _title(check, certificate),
        "outcome": check.outcome,
        "text": _seen(check, certificate),
        "test": how_tested(check),
        "figures": {k: None if v is None or math.isinf(v) else v for k, v in figures.items()},
        "pairs_needed": check.pairs_needed,
        "runs_needed": check.runs_needed,
    }


def check_rows(certificate: Certificate) -> Rows:
    """Returns a row per check: statement, outcome, what was seen, and the test, if there was one.

    Where the untrained start is known, one more says how far training came from it.
    """
    rows: list[tuple[str, ...]] = [
        (
            _title(check, certificate),
            _outcome(check.outcome, certificate),
            _seen(check, certificate),
            how_tested(check),
        )
        for check in certificate.checks
    ]
    trained = trained_row(certificate)
    return [*rows, trained] if trained else rows


def trained_row(certificate: Certificate) -> tuple[str, ...] | None:
    """Returns a row as of `check_rows` on how far training came from the untrained start; None if unknown."""
    start, nrmse = certificate.start, certificate.mean_nrmse
    if start is None or nrmse is None:
        return None
    outcome = Outcome.PASSED if nrmse < start.nrmse else Outcome.UNDECIDED
    return "Trained", _outcome(outcome, certificate), trained_text(start, nrmse), ""


def claim_rows(certificate: Certificate) -> Rows:
    """Returns a row per claim of the guide: claim, outcome, what was seen. No check depends on them."""
    return [(text, _outcome(finding, certificate), seen) for text, finding, seen in _claims(certificate)]


def claims_are_of_the_guides_row(certificate: Certificate) -> bool:
    """Whether the guide's own configuration was tested; else the claims are of the recommendation alone."""
    return any(claim.promise is not Promise.RECOMMENDED_NRMSE_CHANGE for claim in certificate.claims)


def _claims_title(certificate: Certificate) -> str:
    if claims_are_of_the_guides_row(certificate):
        return "the guide's claims, tested on its own configuration unless noted"
    return "what the optimization guide asks of a recommendation, whatever the study says"


def _claims(certificate: Certificate) -> list[tuple[str, Finding, str]]:
    """Each claim of the guide in words, its finding, and what was seen of it."""
    metric = certificate.goal.metric
    return [(claim_text(c, metric), c.finding, claim_seen_text(c, metric)) for c in certificate.claims]


def _outcome(outcome: Outcome | Finding, certificate: Certificate) -> str:
    """Returns the verdict in words, which are never those of a measurement if it was simulated."""
    return f"simulated: {outcome.value}" if certificate.is_simulated else outcome.value


def cost_text(certificate: Certificate) -> str:
    """Says how much of the workers' time the certificate's runs took."""
    return f"its runs took {certificate.cost_s:.1f} s of the workers' time"


def disturbed_texts(certificate: Certificate) -> list[str]:
    """Says why fewer pairs count for time than for quality, and what disturbed each; empty if none was."""
    disturbed = certificate.disturbed
    if not disturbed:
        return []
    num = len(certificate.seeds)
    count = f"which count for {certificate.goal.metric.label} but not for time, so n differs"
    if certificate.num_timed == num:
        count = "which still count: the objective does not depend on the clock"
    why = f"{len(disturbed)} of {num} pairs were disturbed, {count}:"
    return [why, *(f"seed {seed}, {disturbance_text(by)}" for seed, by in disturbed.items())]


def certificate_text(certificate: Certificate, *, is_spent: bool = False) -> str:
    """Checks and audit as two plain tables; a check's test is on a line of its own.

    Args:
        certificate: The certificate of the recommendation.
        is_spent: Whether it belongs to a configuration that is not recommended any more.
    """
    of = f" of {certificate.config}, which is not recommended any more" if is_spent else ""
    return "\n".join(
        [
            f"certificate{of}: {certificate.verdict}, {basis_text(certificate)}; {cost_text(certificate)}",
            aligned([line for row in check_rows(certificate) for line in _on_lines(*row)]),
            *disturbed_texts(certificate),
            f"{_claims_title(certificate)}:",
            aligned(claim_rows(certificate)),
        ]
    )


def _on_lines(title: str, outcome: str, seen: str, test: str) -> Rows:
    return [(title, outcome, seen), *([("", "", test)] if test else [])]
