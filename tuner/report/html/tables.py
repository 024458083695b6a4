"""The page's tables: figures of the result, what was run where, and every trial."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Sequence
from html import escape

from tuner.core.conclusion import Speedup
from tuner.core.trial import Purpose
from tuner.report.past import PastRun
from tuner.report.text import duration, result_rows, work_rows
from tuner.report.trials_table import trials_csv


def cards(past: PastRun) -> str:
    """The figures of the recommendation, large; empty while there is none."""
    conclusion = past.result.conclusion
    found, speedup = conclusion.recommendation, conclusion.speedup
    if found is None:
        return ""
    best = found.estimate
    spread = "" if best.nrmse_sd is None else f" ± {best.nrmse_sd:.4f}"
    target = past.study.target.text
    likely = "" if found.probability is None else f"met with probability {found.probability:.3f}"
    shown = [
        *([("speed-up", f"{speedup.ratio:.2f}x", _speedup_text(speedup))] if speedup else []),
        ("training time", f"{best.time_s:.2f} s", f"shortest of {len(best.records)} run(s)"),
        ("NRMSE", f"{best.nrmse:.4f}", f"{spread} over {len(best.seeds)} seed(s)".strip()),
        ("room to the target", f"{found.margin_pct:.1f} %", f"{target}; {likely}".strip("; ")),
        ("whole run", duration(past.elapsed_s), _trials_text(past)),
    ]
    cells = "".join(
        f"<div><dt>{escape(name)}</dt><dd>{escape(value)}<small>{escape(more)}</small></dd></div>"
        for name, value, more in shown
    )
    return f'<dl class="cards">{cells}</dl>'


def _speedup_text(speedup: Speedup) -> str:
    """Of which runs it is, with its interval where it has one."""
    if speedup.low is None or speedup.high is None:
        return f"over the baseline, by {speedup.basis}"
    return f"[{speedup.low:.2f}, {speedup.high:.2f}] over the baseline, on {speedup.basis}"


def _trials_text(past: PastRun) -> str:
    """How many there were, and how many of them for the certificate."""
    num = sum(record.purpose is Purpose.CERTIFY for record in past.records)
    return f"{len(past.records)} trials" + (f", {num} of them for the certificate" if num else "")


def result_tables(past: PastRun) -> str:
    """The rows side by side, and the work of an epoch."""
    conclusion = past.result.conclusion
    both = result_rows(conclusion), work_rows(conclusion, past.study.stage.num_samples)
    shown = "".join(f'<div class="scroll">{_table(rows[0], rows[1:])}</div>' for rows in both if rows)
    return shown or "<p>No trial was run.</p>"


def facts(past: PastRun) -> str:
    """Where the figures come from, and how to get them again."""
    origin = past.provenance
    device = origin["device"]
    disturbed = sum(record.is_contended for record in past.records)
    lost = sum(1 for event in past.events if event["event"] == "tell" and event["is_lost"])
    study = "study.yaml, in the folder of this report"
    found = {
        "device": f"{device['name']} ({device['kind']})",
        **{name.replace("_", " "): v for name, v in device.items() if name not in ("name", "kind")},
        "hardware of the study": f"{origin['hardware']} {origin['hardware_mismatch']}".strip(),
        "platform": origin["platform"],
        "versions": ", ".join(f"{name} {version}" for name, version in origin["versions"].items()),
        "study hash": origin["study_hash"],
        "seed": origin["seed"],
        "begun": origin["started"],
        "workers": past.num_workers,
        "contention": f"{disturbed} of {len(past.records)} trials were disturbed by others"
        + (f"; {lost} were lost and asked again" if lost else ""),
    }
    rows = "".join(
        f"<tr><th>{escape(name)}</th><td>{escape(str(value))}</td></tr>"
        for name, value in found.items()
        if value not in (None, "")
    )
    again = f"python -m tuner.run {'--simulate ' if past.is_simulated else ''}--space study.yaml"
    return (
        f'<div class="scroll"><table class="facts"><tbody>{rows}</tbody></table></div>'
        f"<p>To run it again ({study}; the seed is in it):</p><pre>{escape(again)}</pre>"
        "<p>To make this page again from the journal:</p><pre>python -m tuner.run report RUN</pre>"
        f"<details><summary>everything that was recorded of the environment</summary>"
        f"<pre>{escape(json.dumps(dict(origin), indent=2))}</pre></details>"
    )


def trials_table(past: PastRun) -> str:
    """Every trial with every figure that any trial has; rows wait in a template until they are looked at."""
    header, *rows = csv.reader(io.StringIO(trials_csv(past.result)))
    kept = [k for k, name in enumerate(header) if name in _ALWAYS or any(row[k] for row in rows)]
    state = header.index("state")
    head = "".join(f"<th><button>{escape(header[k])}</button></th>" for k in kept)
    body = "".join(
        f'<tr class="{escape(row[state])}">' + "".join(f"<td>{escape(_short(row[k]))}" for k in kept)
        for row in rows
    )
    empty = [name for k, name in enumerate(header) if k not in kept]
    said = f" Without a figure in any trial, and left out: {', '.join(empty)}." if empty else ""
    return (
        f"<p>{len(rows):,} trials, each with its figures at its last epoch, and why it ended. A "
        f"click on a heading "
        f"sorts. Figures have six digits here and all of them in trials.csv.{escape(said)}</p>"
        f'<div class="scroll tall"><table '
        f'id="trials"><thead><tr>{head}</tr></thead><tbody></tbody></table></div>'
        f'<template id="rows"><table><tbody>{body}</tbody></table></template>'
    )


def _short(text: str) -> str:
    """A number that is no whole one, to six digits."""
    if "." not in text:
        return text
    try:
        return f"{float(text):.6g}"
    except ValueError:
        return text


_ALWAYS = ("trial_id", "state", "time_s", "nrmse", "reason")


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    head = "".join(f"<th>{escape(name)}</th>" for name in header)
    body = "".join("<tr>" + "".join(f"<td>{escape(v)}</td>" for v in row) + "</tr>" for row in rows)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
