"""A figure of where the time of one training goes: the parts of the fitted law, and what was measured."""

from __future__ import annotations

from collections.abc import Mapping
from statistics import fmean

from tuner.core.estimate import Estimate
from tuner.core.measurement import Measurement
from tuner.core.workload import workload
from tuner.report.html.figure import Figure, Panel, Series
from tuner.report.html.figures.common import marked_rows
from tuner.report.model import Model
from tuner.report.text import TITLES
from tuner.runs.past_run import PastRun

PARTS = {"batches": 0, "launches": 5, "rows": 2, "optimizer steps": 4}
"""The parts that the fitted law splits training time into, with their colours."""
BESIDE = {"set-up": 8, "warm-up": 7, "evaluation": 3, "checkpoints": 1}
"""The activities of a run besides training, with their colours."""
_ORDER = ("baseline", "guide", "recommended", "nearest_miss")


def time_parts(past: PastRun, model: Model | str) -> Figure:
    """Shows the time of the compared configurations: fitted law and measurement, one bar each."""
    rows = marked_rows(past)
    known = {t: rows[t].estimate for t in _ORDER if t in rows}
    measured = {title: estimate for title, estimate in known.items() if estimate is not None}
    parts = None if isinstance(model, str) else _parts(past, model, measured)
    ticks: list[str] = []
    bars: dict[str, list[tuple[float, float, str]]] = {}
    for title, estimate in measured.items():
        if parts:
            for name, (seconds, text) in parts[title].items():
                bars.setdefault(name, []).append((seconds, float(len(ticks)), text))
            ticks.append(f"{TITLES[title]}, model")
        for name, seconds in {"training, measured": estimate.time_s, **_beside(estimate)}.items():
            text = f"{TITLES[title]}, {name}: {seconds:.3f} s"
            bars.setdefault(name, []).append((seconds, float(len(ticks)), text))
        ticks.append(f"{TITLES[title]}, measured")
    colors = PARTS | {"training, measured": 6} | BESIDE
    series = [_bars(name, color, bars[name]) for name, color in colors.items() if name in bars]
    panel = Panel(
        series=tuple(series),
        x_label="time of one training (s)",
        y_ticks=tuple((float(k), text) for k, text in enumerate(ticks)),
    )
    return Figure(
        key="time-parts",
        title="Where the time goes",
        text="The upper bar of each pair is the fitted law: what each batch, each launch of a "
        "chunk, each row of "
        "arithmetic and each optimizer step costs, times how many there are; its length is the "
        "predicted time_s. "
        "The lower bar is the measured time_s, and beside it what does not count as training.",
        panels=(panel,) if series else (),
        height_px=110 + 34 * len(ticks),
        notes=() if parts or not series else (f"{model} So only what was measured is shown.",),
        why_none="No configuration has run to its full budget yet.",
    )


def _bars(name: str, color: int, cells: list[tuple[float, float, str]]) -> Series:
    x, y, labels = zip(*cells, strict=True)
    return Series(name=name, x=x, y=y, labels=labels, kind="bars", color=color)


def _beside(estimate: Estimate) -> dict[str, float]:
    """Returns the mean seconds that the runs spent on each thing besides training; zeros are left out."""
    lasts = [record.last for record in estimate.records if record.last is not None]
    found = {
        "set-up": fmean(last.setup_time_s for last in lasts),
        "warm-up": fmean(last.warmup_time_s for last in lasts),
        "evaluation": fmean(last.evaluate_time_s for last in lasts),
        "checkpoints": fmean(_checkpoint_s(last) for last in lasts),
    }
    return {name: seconds for name, seconds in found.items() if seconds > 0}


def _checkpoint_s(last: Measurement) -> float:
    return last.checkpoint_time_s or 0.0


def _parts(
    past: PastRun, model: Model, measured: Mapping[str, Estimate]
) -> dict[str, dict[str, tuple[float, str]]] | None:
    """Splits predicted times into parts.

    Returns:
        For each compared configuration and each part, the seconds and a label that explains them. The parts
        add up to the predicted time. None where the models do not know the parts.
    """
    found = model.predictions.time_parts
    if found is None:
        return None
    num_epochs = past.study.stage.num_epochs
    rows: dict[str, dict[str, tuple[float, str]]] = {}
    for title, estimate in measured.items():
        config = estimate.config
        load = workload(config, past.study.stage)
        counts = load.num_iterations, load.num_chunks, load.num_rows, load.num_optimizer_steps(1)
        seconds = found[model.predictions.candidates.index[config]].tolist()
        rows[title] = {
            name: (
                s,
                f"{TITLES[title]}, {name}: {s:.3f} s\n{num * num_epochs:,} at {_micro(s, num * num_epochs)}",
            )
            for name, s, num in zip(PARTS, seconds, counts, strict=True)
        }
    return rows


def _micro(seconds: float, num: int) -> str:
    return f"{1e6 * seconds / num:.1f} us" if seconds < 1e-3 * num else f"{1e3 * seconds / num:.2f} ms"
