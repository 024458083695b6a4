"""Figures of how the workers' time was spent: when, and on what."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace

from tuner.report.html.figure import Figure, Panel, Series
from tuner.runs.facts import Span
from tuner.runs.past_run import PastRun

PURPOSES = {"baseline": 1, "guide": 3, "search": 0, "replicate": 2, "probe": 4, "certify": 8}
"""Colour of each purpose of a trial; a purpose that is not listed gets the next free colour."""

MAX_SPANS = 500
"""Above this number of spans, spans that follow each other closely are drawn as one bar."""

CLOSE = 1e-3
"""Largest gap between spans that are drawn as one bar, as a share of the time of the whole run."""

_JOINED = "Trials for one purpose that follow each other at once are one bar here; point at it for which."


def _color(purpose: str, all_of_them: list[str]) -> int:
    others = [name for name in all_of_them if name not in PURPOSES]
    return PURPOSES[purpose] if purpose in PURPOSES else 5 + others.index(purpose) % 4


def _spent(past: PastRun) -> dict[str, list[Span]]:
    found: dict[str, list[Span]] = defaultdict(list)
    for span in past.spans:
        found[span.purpose].append(span)
    return found


def _end_s(past: PastRun, span: Span) -> float:
    return past.elapsed_s if span.end_s is None else span.end_s


def _joined(past: PastRun) -> list[Span]:
    """Returns the spans; in a long run, close spans of one purpose on one worker are joined into one."""
    spans = sorted(past.spans, key=lambda span: (span.worker, span.start_s))
    if len(spans) <= MAX_SPANS:
        return spans
    found: list[Span] = []
    for span in spans:
        last = found[-1] if found else None
        if (
            last is not None
            and (last.worker, last.purpose) == (span.worker, span.purpose)
            and span.start_s - _end_s(past, last) <= CLOSE * past.elapsed_s
        ):
            first = last.trial_id.split(" to ")[0]
            found[-1] = replace(last, end_s=span.end_s, trial_id=f"{first} to {span.trial_id}")
        else:
            found.append(span)
    return found


def timeline(past: PastRun) -> Figure:
    """Shows what each worker did when."""
    series = []
    by_purpose = _spent(past)
    joined = _joined(past)
    for purpose in by_purpose:
        spans = [span for span in joined if span.purpose == purpose]
        x = [v for s in spans for v in (s.start_s, _end_s(past, s), None)]
        y = [v for s in spans for v in (float(s.worker), float(s.worker), None)]
        labels = tuple(
            f"{s.trial_id}, {purpose}: {s.start_s:.1f} to {_end_s(past, s):.1f} s"
            for s in spans
            for _ in range(3)
        )
        series.append(
            Series(
                name=purpose,
                x=tuple(x),
                y=tuple(y),
                labels=labels,
                kind="line",
                mark="none",
                is_wide=True,
                color=_color(purpose, [*by_purpose]),
            )
        )
    num_workers = 1 + max((span.worker for span in past.spans), default=0)
    panel = Panel(
        series=tuple(series),
        x_label="since the study began (s)",
        y_ticks=tuple((float(k), f"worker {k}") for k in range(num_workers)),
    )
    return Figure(
        key="timeline",
        title="What the workers did when",
        text="One row a worker, one bar a trial or a probe; a gap is waiting.",
        panels=(panel,) if series else (),
        height_px=min(420, 130 + 36 * num_workers),
        notes=(_JOINED,) if len(past.spans) > MAX_SPANS else (),
        why_none="Nothing was started yet.",
    )


def budget(past: PastRun) -> Figure:
    """Shows how many seconds the workers spent on each purpose."""
    by_purpose = _spent(past)
    seconds = {p: sum(_end_s(past, s) - s.start_s for s in spans) for p, spans in by_purpose.items()}
    total = sum(seconds.values()) or 1.0
    bars = [
        Series(
            name=purpose,
            x=(seconds[purpose],),
            y=(float(k),),
            labels=(
                f"{purpose}: {seconds[purpose]:.1f} s, {100 * seconds[purpose] / total:.0f} %, "
                f"{len(spans)} asked",
            ),
            kind="bars",
            color=_color(purpose, [*by_purpose]),
        )
        for k, (purpose, spans) in enumerate(by_purpose.items())
    ]
    panel = Panel(
        series=tuple(bars),
        x_label="time that workers were occupied (s)",
        y_ticks=tuple((float(k), purpose) for k, purpose in enumerate(by_purpose)),
    )
    return Figure(
        key="budget",
        title="What the time was spent on",
        text="Seconds that workers were occupied, by why a trial was asked for: set-up and "
        "evaluation included. "
        "Replicates are further seeds of configurations that may be recommended.",
        panels=(panel,) if bars else (),
        height_px=100 + 38 * len(bars),
        why_none="Nothing was started yet.",
    )
