"""Writes the note of a study in `optuna-dashboard`: the run's own verdict, and how to read the page.

The page ranks single trials and does not know which miss the target, so the note names those that decide.
Knows the keys under which the dashboard (0.21, `_note.py`) keeps notes; needs no dashboard.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from tuner.report.conclusion import sentence
from tuner.report.files import basis, tables, why_ended
from tuner.runs.result import RunResult

_VERSION, _PART = "dashboard:note_ver", "dashboard:note_str:"
_PART_LENGTH = 2045
"""Optuna's tables hold no longer attribute."""

_HOW_TO_READ = """\
How to read this page: a trial is one run with one seed. *Best Trials* ranks single runs and knows no
constraints: a trial whose user attribute `misses` is not empty missed the target, or limit, that it names.
A stopped trial is *Pruned* and one that broke is *Fail*; neither has values. What is recommended rests on all
runs of its configuration."""


def note(result: RunResult, number_of: Callable[[str], int | None]) -> str:
    """The note in Markdown.

    Args:
        result: Result of the run.
        number_of: The dashboard's number of a trial, by its id.
    """
    named = {
        title.replace("_", " "): [number_of(record.trial_id) for record in row.estimate.records]
        for title, row in result.conclusion.rows.items()
        if row.estimate
    }
    lines = [f"- {title}: {_trials(numbers)}" for title, numbers in named.items()]
    shown = "\n\n".join(tables(result))
    table = f"```text\n{shown}\n```" if shown else ""
    said = [f"**{sentence(result)}**", "\n".join(lines), table, "\n".join(why_ended(result))]
    parts = [*said, "; ".join(basis(result)), _HOW_TO_READ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _trials(numbers: list[int | None]) -> str:
    known = [f"{number}" for number in numbers if number is not None]
    return f"trial{'s' if len(known) > 1 else ''} {', '.join(known)}"


def note_attributes(body: str, old: Mapping[str, Any]) -> dict[str, Any]:
    """The study's system attributes that hold a note in the place of an older one.

    Args:
        body: The note.
        old: The study's system attributes so far.
    """
    parts = [body[at : at + _PART_LENGTH] for at in range(0, len(body), _PART_LENGTH)]
    cleared = {name: "" for name in old if name.startswith(_PART)}
    return (
        cleared | {_VERSION: old.get(_VERSION, 0) + 1} | {f"{_PART}{k}": part for k, part in enumerate(parts)}
    )
