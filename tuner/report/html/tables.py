"""The values that the page's tables and cards show, as text ready for the templates."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from tuner.certificate.speedup import Speedup
from tuner.core.estimate import Estimate
from tuner.core.trial import Purpose
from tuner.report.conclusion import speedup_basis
from tuner.report.text import duration, result_rows, spread, work_rows
from tuner.report.trials_table import trials_csv
from tuner.runs.past_run import PastRun


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """A cell of a table.

    Attributes:
        text: Text of the cell.
        tone: The CSS class that colours an outcome (`good`, `bad` or `open`); empty for plain text.
    """

    text: str
    tone: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A table for the template `table.html.j2`.

    Attributes:
        header: Column headings.
        rows: Cells of each row, as many as there are headings.
        kind: The CSS class of the table: `words` for columns of text, empty for columns of figures.
    """

    header: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    kind: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """One large figure at the top of the page.

    Attributes:
        name: Name of the figure.
        value: The figure, with its unit.
        more: Small print below it.
    """

    name: str
    value: str
    more: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Provenance:
    """The origin of the figures, for the template `facts.html.j2`.

    Attributes:
        rows: Name and value of each fact.
        command: The command that repeats the run.
        recorded: The whole provenance, as indented JSON.
    """

    rows: tuple[tuple[str, str], ...]
    command: str
    recorded: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialRow:
    """A row of the table of all trials.

    Attributes:
        state: The state of the trial, which is also the row's CSS class.
        cells: One text per column.
    """

    state: str
    cells: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialsTable:
    """The table of all trials, for the template `trials.html.j2`.

    Attributes:
        header: Names of the columns that are shown.
        rows: One row per trial.
        left_out: Names of the columns that are empty in every trial, and so are not shown.
    """

    header: tuple[str, ...]
    rows: tuple[TrialRow, ...]
    left_out: tuple[str, ...]


def cards(past: PastRun) -> tuple[Card, ...]:
    """Returns the main figures of the recommendation; none while nothing is recommended."""
    conclusion = past.result.conclusion
    found, speedup = conclusion.recommendation, conclusion.speedup
    if found is None:
        return ()
    best = found.estimate
    target, metric = past.study.target.text, past.study.metric
    likely = "" if found.probability is None else f"met with probability {found.probability:.3f}"
    room = "; ".join(filter(None, [target, likely, f"percent{metric.of_what}" if metric.of_what else ""]))
    shown = [
        *([("speed-up", f"{speedup.ratio:.2f}x", _speedup_text(speedup))] if speedup else []),
        ("training time", f"{best.time_s:.2f} s", _time_text(best)),
        (
            metric.label,
            metric.text(best.nrmse),
            f"{spread(best, metric, ' ± ')} over {len(best.seeds)} seed(s)".strip(),
        ),
        ("room to the target", f"{metric.room_pct(found.margin_pct):.1f} %", room),
        ("whole run", duration(past.elapsed_s), _trials_text(past)),
    ]
    return tuple(Card(name=name, value=value, more=more) for name, value, more in shown)


def _speedup_text(speedup: Speedup) -> str:
    """Says which runs the speed-up was computed from, with its interval if there is one."""
    has_none = speedup.low is None or speedup.high is None
    interval = "" if has_none else f"[{speedup.low:.2f}, {speedup.high:.2f}] "
    return f"{interval}over the baseline, {'on ' if speedup.is_paired else ''}{speedup_basis(speedup)}"


def _time_text(best: Estimate) -> str:
    """Says how many runs the mean time was taken over, with its standard error if there is one."""
    num = len(best.timed)
    if best.time_se_s is None:
        return "one run"
    return f"± {best.time_se_s:.2g}, the mean of {num} runs"


def _trials_text(past: PastRun) -> str:
    """Says how many trials there were, and how many of them served the certificate."""
    num = sum(record.purpose is Purpose.CERTIFY for record in past.records)
    return f"{len(past.records)} trials" + (f", {num} of them for the certificate" if num else "")


def result_tables(past: PastRun) -> tuple[Table, ...]:
    """Returns the compared configurations and the work of their epochs; no table before the first trial."""
    conclusion = past.result.conclusion
    both = result_rows(conclusion), work_rows(conclusion, past.study.stage)
    return tuple(_figures_table(rows[0], rows[1:]) for rows in both if rows)


def _figures_table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> Table:
    return Table(header=tuple(header), rows=tuple(tuple(Cell(text=text) for text in row) for row in rows))


def facts(past: PastRun) -> Provenance:
    """Returns where the run's figures come from, and how to repeat the run."""
    origin = past.provenance
    device = origin["device"]
    disturbed = sum(record.is_contended for record in past.records)
    lost = past.facts.num_lost
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
    return Provenance(
        rows=tuple((name, str(value)) for name, value in found.items() if value not in (None, "")),
        command=f"python -m tuner.run {'--simulate ' if past.is_simulated else ''}--space study.yaml",
        recorded=json.dumps(dict(origin), indent=2),
    )


def trials_table(past: PastRun) -> TrialsTable:
    """Returns every trial with every column that has a value in at least one trial."""
    header, *rows = csv.reader(io.StringIO(trials_csv(past.result)))
    always = (*_ALWAYS, past.study.metric.name)
    kept = [k for k, name in enumerate(header) if name in always or any(row[k] for row in rows)]
    state = header.index("state")
    return TrialsTable(
        header=tuple(header[k] for k in kept),
        rows=tuple(TrialRow(state=row[state], cells=tuple(_short(row[k]) for k in kept)) for row in rows),
        left_out=tuple(name for k, name in enumerate(header) if k not in kept),
    )


def _short(text: str) -> str:
    """Shortens a decimal number to six significant digits; any other text stays as it is."""
    if "." not in text:
        return text
    try:
        return f"{float(text):.6g}"
    except ValueError:
        return text


_ALWAYS = ("trial_id", "state", "time_s", "reason")
"""Columns that are shown even when they are empty in every trial, as the metric's is."""
