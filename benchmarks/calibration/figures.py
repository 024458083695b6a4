"""Draws the plots of a calibration: NRMSE against time, NRMSE by epoch, the cost law against measurement.

This is the only module of the calibration that uses matplotlib. It computes nothing of its own.
"""

from __future__ import annotations

from pathlib import Path

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmarks.calibration.results import Calibration
from benchmarks.training.trial_log import Key

_STYLE = {
    "svg.hashsalt": "calibration",
    "svg.fonttype": "none",
    "font.size": 8.0,
    "axes.grid": True,
    "grid.alpha": 0.3,
}


def draw(calibration: Calibration, folder: Path) -> None:
    """Draws the plots and writes calibration-quality.svg and calibration-cost.svg into ``folder``."""
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(10.0, 4.2), layout="constrained")
        left, right = figure.subplots(1, 2)
        _quality_against_time(left, calibration)
        _curves(right, calibration)
        _save(figure, folder / "calibration-quality.svg")
        figure = Figure(figsize=(5.0, 4.2), layout="constrained")
        _cost_law(figure.subplots(), calibration)
        _save(figure, folder / "calibration-cost.svg")


def _quality_against_time(axes: Axes, calibration: Calibration) -> None:
    for key in calibration.keys:
        values, time_s = calibration.nrmses(key), calibration.epoch_times_s[key]
        color = "tab:green" if calibration.is_feasible(key) else "tab:red"
        axes.errorbar(time_s, values.mean(), yerr=values.std(ddof=1), fmt="o", color=color, capsize=2)
        axes.annotate(
            _label(key), (time_s, values.mean()), xytext=(4, 4), textcoords="offset points", fontsize=6
        )
    _target_line(axes, calibration)
    axes.set(xlabel="seconds per epoch", ylabel="held-out NRMSE, mean and sd over seeds")
    axes.set_title("quality against time (batch, micro, taus, accum)")


def _curves(axes: Axes, calibration: Calibration) -> None:
    for key in calibration.keys:
        runs = calibration.runs_of(key)
        means = [sum(column) / len(runs) for column in zip(*(run.nrmses for run in runs), strict=True)]
        axes.plot(range(1, len(means) + 1), means, marker=".", label=_label(key))
    _target_line(axes, calibration)
    axes.set(xlabel="epoch", ylabel="held-out NRMSE, mean over seeds", yscale="log")
    axes.set_title("early epochs")
    axes.legend(fontsize=6, ncols=2)


def _cost_law(axes: Axes, calibration: Calibration) -> None:
    measured = list(calibration.epoch_times_s.values())
    predicted = list(calibration.cost_law.predict(calibration.work))
    axes.scatter(measured, predicted, s=14)
    ends = (0.9 * min(measured), 1.1 * max(measured))
    axes.plot(ends, ends, color="grey", linewidth=0.8)
    axes.set(xscale="log", yscale="log", xlabel="measured seconds per epoch", ylabel="cost law")
    axes.set_title(str(calibration.cost_law), fontsize=7)


def _target_line(axes: Axes, calibration: Calibration) -> None:
    limit = calibration.target.threshold(float(calibration.nrmses(calibration.keys[0]).mean()))
    if limit is not None:
        axes.axhline(limit, color="black", linestyle="--", linewidth=0.8)


def _label(key: Key) -> str:
    return "/".join(map(str, key))


def _save(figure: Figure, path: Path) -> None:
    """Writes a figure without a date, so that the same figures give the same bytes."""
    figure.savefig(path, metadata={"Date": None})
