"""A run on a terminal: incumbent, budget, a plot of time against quality, running trials, last endings.

Made of a `Progress` alone and fitted to the console's size: what does not fit is left out, the plot last of
those that can be smaller. Plot and bars are ASCII, so that every terminal shows them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.panel import Panel
from rich.text import Text

from tuner.core.estimate import Estimate, estimates
from tuner.core.metric import Metric
from tuner.core.pareto import ranks
from tuner.core.trial import TrialRecord, TrialState
from tuner.report.progress import best_text, budget_text, counts_text
from tuner.report.text import duration, figures
from tuner.runs.progress import Progress

_BORDERS = 2
_FIXED_LINES = 5  # the incumbent's two, counts, budget, and its bar
_PLOT_FRAME = 2  # the axis and its labels
_MIN_PLOT, _MAX_PLOT = 5, 16
_MAX_ENDINGS = 6
_TALL = 20  # lines for plot and endings from which all of the latter are shown
_LEGEND = "B baseline  * best  o front  . other  - target"
_LEFT = 8  # columns of the quality figure's labels, at least


class LiveView:
    """The live view of a run on a terminal."""

    def __init__(self, progress: Progress, title: str) -> None:
        self.progress, self.title = progress, title

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        width = options.max_width - 4  # the border and its padding
        height = (options.height or console.size.height) - 1  # the cursor's line
        yield Panel(
            Group(*_parts(self.progress, width, height - _BORDERS)),
            title=f"distill-tuner: {self.title}",
            title_align="left",
        )


def _parts(progress: Progress, width: int, height: int) -> list[RenderableType]:
    """Returns what fits into `height` lines, in the order of the screen."""
    left = height - _FIXED_LINES
    num_running = min(len(progress.running), max(1, left // 6))
    left -= num_running + 1 if progress.running else 0
    has_plot = left >= _MIN_PLOT + _PLOT_FRAME
    room = left - (_MIN_PLOT + _PLOT_FRAME if has_plot else 0)
    ended = _endings(progress, max(0, min(room, 3 if has_plot and left < _TALL else _MAX_ENDINGS)))
    parts: list[RenderableType] = [*_incumbent(progress), Text(counts_text(progress))]
    parts += _budget(progress, width)
    if has_plot:
        parts += plot(progress, width, min(_MAX_PLOT, left - len(ended) - _PLOT_FRAME))
    if progress.running:
        parts += _running(progress, num_running, width)
    return parts + [_line(record, progress.goal.metric, width) for record in ended]


def _endings(progress: Progress, num_shown: int) -> list[TrialRecord]:
    """Returns the newest endings, with the last early end among them: people ask for its reason."""
    recent = list(progress.recent[-num_shown:]) if num_shown else []
    stops = progress.stops[-1:]
    if not recent or not stops or any(record in progress.stops for record in recent):
        return recent
    return [*stops, *recent[1:]]


def _incumbent(progress: Progress) -> list[Text]:
    best = Text(best_text(progress), style="bold green" if progress.best else "yellow", no_wrap=True)
    config = Text(str(progress.best.config) if progress.best else "", style="green", no_wrap=True)
    return [best, config]


def _budget(progress: Progress, width: int) -> list[Text]:
    share = progress.spent
    size = max(10, min(60, width - 16))
    style = "red" if share > 0.9 else "cyan"
    return [Text(budget_text(progress)), Text(f"budget [{bar(share, size)}] {share:4.0%}", style=style)]


def bar(share: float, size: int) -> str:
    """A bar of `size` characters, filled to `share` (0 to 1)."""
    num_full = round(max(0.0, min(1.0, share)) * size)
    return "#" * num_full + "." * (size - num_full)


def _running(progress: Progress, num_shown: int, width: int) -> list[Text]:
    more = len(progress.running) - num_shown
    head = (
        "",
        "epoch",
        "",
        "ETA",
        progress.goal.metric.label,
        f"running ({more} more)" if more else "running",
    )
    rows = [head, *running_rows(progress)[:num_shown]]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = []
    for row in rows:
        text = " ".join(cell.ljust(size) for cell, size in zip(row, widths, strict=True))
        line = Text(text.rstrip(), style="cyan" if row[0] else "dim", no_wrap=True)
        line.truncate(width, overflow="ellipsis")
        lines.append(line)
    return lines


def running_rows(progress: Progress) -> list[tuple[str, str, str, str, str, str]]:
    """Returns a row per running trial: id, epochs, a bar of them, time left, quality, configuration."""
    rows, metric = [], progress.goal.metric
    for record in progress.running:
        eta_s = progress.eta_s(record)
        rows.append(
            (
                record.trial_id,
                f"{record.epoch}/{record.num_epochs}",
                f"[{bar(record.fraction, 10)}]",
                "-" if eta_s is None else duration(eta_s),
                metric.value_text(metric.newest(record)) if record.epoch else "-",
                str(record.config),
            )
        )
    return rows


_STYLES = {
    TrialState.RUNNING: "cyan",
    TrialState.COMPLETE: "",
    TrialState.STOPPED: "dim",
    TrialState.INFEASIBLE: "red",
    TrialState.FAILED: "bold red",
    TrialState.DISCARDED: "dim",
}


def _line(record: TrialRecord, metric: Metric, width: int) -> Text:
    """An ended trial: what came of it first, since the end of the line may not fit."""
    said = f"{record.trial_id} {record.state:<10} {figures(record, metric)}  {record.config}"
    line = Text(said, style=_STYLES[record.state], no_wrap=True)
    line.truncate(width, overflow="ellipsis")
    return line


@dataclass(frozen=True, slots=True)
class _Scale:
    """Maps figures onto cells 0 to `num_cells` - 1."""

    low: float
    high: float
    num_cells: int

    def cell(self, value: float) -> int:
        share = (value - self.low) / (self.high - self.low)
        return max(0, min(self.num_cells - 1, round(share * (self.num_cells - 1))))


def _scale(values: Sequence[float], num_cells: int) -> _Scale:
    low, high = min(values), max(values)
    room = 0.05 * (high - low) or 0.05 * abs(high) or 1.0
    return _Scale(low - room, high + room, num_cells)


def plot(progress: Progress, width: int, num_rows: int) -> list[Text]:
    """Plots seconds at full budget (across) against quality (up) of the configurations that ran to their end.

    `B` the baseline, `*` the incumbent, `o` the front of both figures, `.` the others, `-` the target.
    """
    known = list(estimates(progress.records).values())
    if not known:
        return [
            Text("no trial has run to its end yet", style="dim"),
            *(Text("") for _ in range(num_rows + 1)),
        ]
    metric = progress.goal.metric
    bound = [] if progress.threshold is None else [metric.value(progress.threshold)]
    up = _scale([*(metric.value(e.nrmse) for e in known), *bound], num_rows)
    labels = {0: up.low, num_rows - 1: up.high} | {up.cell(level): level for level in bound}
    texts = {k: metric.value_text(level) for k, level in labels.items()}
    left = max(_LEFT, 1 + max(map(len, texts.values())))
    num_columns = max(10, width - left - 1)
    across = _scale([e.time_s for e in known], num_columns)
    rows = [[" "] * num_columns for _ in range(num_rows)]
    for level in bound:
        rows[up.cell(level)] = ["-"] * num_columns
    for mark, estimate in _marks(progress, known):
        rows[up.cell(metric.value(estimate.nrmse))][across.cell(estimate.time_s)] = mark
    lines = [
        Text.assemble(texts.get(k, "").rjust(left - 1), "|", _coloured(rows[k]))
        for k in reversed(range(num_rows))
    ]
    low, high = f"{across.low:.2f} s", f"{across.high:.2f} s"
    legend = _LEGEND if len(low + _LEGEND + high) + 4 <= num_columns else ""
    scale = low + legend.center(num_columns - len(low + high)) + high
    return [
        *lines,
        Text(" " * (left - 1) + "+" + "-" * num_columns),
        Text(" " * left + scale, no_wrap=True),
    ]


def _marks(progress: Progress, known: Sequence[Estimate]) -> list[tuple[str, Estimate]]:
    """Returns the parts to draw, the most important last."""
    found = ranks([(e.time_s, e.nrmse) for e in known])
    marks = [(".", e) for e, rank in zip(known, found, strict=True) if rank]
    marks += [("o", e) for e, rank in zip(known, found, strict=True) if not rank]
    special = (("B", progress.baseline), ("*", progress.best))
    return marks + [(mark, estimate) for mark, estimate in special if estimate is not None]


_COLOURS = {"*": "bold green", "o": "green", "B": "bold yellow", "-": "red"}


def _coloured(cells: Sequence[str]) -> Text:
    line = Text()
    for cell in cells:
        line.append(cell, style=_COLOURS.get(cell, ""))
    return line
