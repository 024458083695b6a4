"""A figure of the models along one parameter at a time, through the recommended configuration."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from foundation.arrays import Floats
from tuner.core.estimate import Estimate
from tuner.core.parameters import Continuous
from tuner.report.html.figure import Figure, Panel, Series, Ticks
from tuner.report.html.figures.common import marked, target_line
from tuner.report.model import Model, SlicePoint
from tuner.runs.past_run import PastRun


def slices(past: PastRun, model: Model | str) -> Figure:
    """Shows predicted time and quality against every parameter, with what was measured there."""
    panels = () if isinstance(model, str) else tuple(_panels(past, model))
    through = "" if isinstance(model, str) else model.centre_name
    return Figure(
        key="slices",
        title="What each parameter does",
        text=f"Each pair of panels changes one parameter of {through} and keeps the others; where "
        f"constraints "
        "forbid that, the nearest legal configuration is taken, a hollow point that says what else changed. "
        "Lines are the models' predictions, bands two standard deviations either way, diamonds what "
        "was measured.",
        panels=panels,
        num_columns=2,
        height_px=270,
        notes=_relative(past) if panels else (),
        why_none=model if isinstance(model, str) else "No parameter has more than one value.",
    )


def _relative(past: PastRun) -> tuple[str, ...]:
    if not past.study.target.is_relative:
        return ()
    label = past.study.metric.label
    return (f"The target is relative: the bands of {label} are those of its ratio to the baseline's.",)


def _panels(past: PastRun, model: Model) -> list[Panel]:
    """Returns for each parameter a panel of time and a panel of quality, if the models predict them."""
    predictions, metric = model.predictions, past.study.metric
    found = []
    for name, points in model.slices.items():
        if predictions.modelled_time is not None:
            measured = _measured(model, points, lambda estimate: estimate.time_s)
            found.append(_panel(model, name, _TIME, predictions.modelled_time, measured, ()))
        if predictions.nrmse is not None:
            measured = _measured(model, points, lambda estimate: metric.value(estimate.nrmse))
            quality = _Figure(label=metric.label, color=8, off_scale=metric.value)
            found.append(_panel(model, name, quality, predictions.nrmse, measured, target_line(past)))
    return found


class _Figure(NamedTuple):
    """A predicted figure: its label, its colour, and what takes it off the models' scale."""

    label: str
    color: int
    off_scale: Callable[[float], float]


_TIME = _Figure(label="time_s (s)", color=0, off_scale=float)


def _measured(
    model: Model, points: Sequence[SlicePoint], figure: Callable[[Estimate], float]
) -> list[float | None]:
    """Returns the measured figure at every point of a slice; None where nothing was measured."""
    known = [model.predictions.measured.get(point.config) for point in points]
    return [None if each is None else figure(each) for each in known]


def _panel(
    model: Model,
    name: str,
    figure: _Figure,
    predicted: tuple[Floats, Floats],
    measured: Sequence[float | None],
    lines: tuple[tuple[float, str], ...],
) -> Panel:
    points = model.slices[name]
    place, ticks = _places(model, name, points)
    rows = model.rows([point.config for point in points])
    middle, spread = predicted[0][rows], predicted[1][rows]
    with np.errstate(over="ignore"):  # an edge beyond all numbers is infinite, which no plot shows
        edges = middle * np.exp(-2 * spread), middle * np.exp(2 * spread)
    line, one, other = (np.array([figure.off_scale(v) for v in values]) for values in (middle, *edges))
    band = np.minimum(one, other), np.maximum(one, other)
    labels = [
        f"{name} {p.value}, measured: {v or 0:.4g}{_moved(p)}" for p, v in zip(points, measured, strict=True)
    ]
    is_known = [value is not None for value in measured]
    series = [
        *_predicted(name, points, place, line, band, color=figure.color),
        _some("measured", place, tuple(measured), labels, is_known, "named", 4),
        *_centre(model, points, place, measured, line.tolist()),
    ]
    kept = tuple(one for one in series if one.x)
    return Panel(series=kept, x_label=name, y_label=figure.label, lines=lines, x_ticks=ticks)


def _predicted(
    name: str,
    points: Sequence[SlicePoint],
    place: tuple[float, ...],
    middle: Floats,
    edges: tuple[Floats, Floats],
    *,
    color: int,
) -> list[Series]:
    """Returns the model's line and band, and a point for each value: hollow where others changed."""
    low, high = edges
    labels = [
        f"{name} {point.value}\nmodel: {m:.4g} ({a:.4g} to {b:.4g}){_moved(point)}"
        for point, m, a, b in zip(points, middle, low, high, strict=True)
    ]
    line, band = tuple(middle.tolist()), (tuple(low.tolist()), tuple(high.tolist()))
    has_moved = [bool(point.moved) for point in points]
    is_there = [not moved for moved in has_moved]
    return [
        Series(name="two standard deviations", x=place, y=band[1], low=band[0], kind="band", color=color),
        Series(name="model", x=place, y=line, kind="line", mark="none", color=color),
        _some("all others kept", place, line, labels, is_there, "dot", color),
        _some("others had to change", place, line, labels, has_moved, "hollow", color),
    ]


def _centre(
    model: Model,
    points: Sequence[SlicePoint],
    place: tuple[float, ...],
    measured: Sequence[float | None],
    line: Sequence[float],
) -> list[Series]:
    """Marks the configuration that all slices go through."""
    title = "recommended" if model.centre_name != "the baseline" else "baseline"
    return [
        marked(title, x, line[k] if value is None else value, f"{title}\n{model.centre}")
        for k, (point, x, value) in enumerate(zip(points, place, measured, strict=True))
        if point.config == model.centre
    ]


def _moved(point: SlicePoint) -> str:
    """Lists the other parameters that had to change, with their values."""
    values = point.config.as_dict()
    return "".join(f"\nwith {name} {values.get(name)}" for name in point.moved)


def _some(
    name: str,
    x: tuple[float, ...],
    y: Sequence[float | None],
    labels: Sequence[str],
    chosen: Sequence[bool],
    mark: str,
    color: int,
) -> Series:
    at = [k for k, is_one in enumerate(chosen) if is_one]
    return Series(
        name=name,
        x=tuple(x[k] for k in at),
        y=tuple(y[k] for k in at),
        labels=tuple(labels[k] for k in at),
        mark=mark,
        color=color,
    )


def _places(model: Model, name: str, points: Sequence[SlicePoint]) -> tuple[tuple[float, ...], Ticks]:
    """Places a parameter's values on an axis: listed values side by side, continuous values to scale.

    Returns:
        The coordinates, and the ticks that name listed values, or the values of a logarithmic axis; no ticks
        for another continuous parameter.
    """
    continuous = next((p for p in model.lattice.continuous if p.name == name), None)
    if continuous is not None:
        values = [float(point.value) for point in points]
        return (
            (tuple(map(math.log10, values)), _decades(continuous)) if continuous.log else (tuple(values), ())
        )
    place = tuple(map(float, range(len(points))))
    return place, tuple((x, str(point.value)) for x, point in zip(place, points, strict=True))


def _decades(parameter: Continuous) -> Ticks:
    """Names both ends of a logarithmic axis, and the powers of ten between them that are not close to one."""
    low, high = math.log10(parameter.low), math.log10(parameter.high)
    room = 0.1 * (high - low)
    between = [k for k in range(math.ceil(low), math.floor(high) + 1) if low + room < k < high - room]
    inner = [(float(k), f"{10.0**k:g}") for k in between]
    return ((low, f"{parameter.low:g}"), *inner, (high, f"{parameter.high:g}"))
