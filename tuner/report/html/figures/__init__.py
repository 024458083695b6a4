"""Builds the figures of the report, with one small module for each subject."""

from __future__ import annotations

from tuner.report.html.figure import Figure
from tuner.report.html.figures.importance import importance
from tuner.report.html.figures.lattice import lattice_map
from tuner.report.html.figures.memory import memory
from tuner.report.html.figures.slices import slices
from tuner.report.html.figures.time_parts import time_parts
from tuner.report.html.figures.trials import curves, pareto
from tuner.report.html.figures.workers import budget, timeline
from tuner.report.model import Model
from tuner.runs.past_run import PastRun

__all__ = ["figures"]


def figures(past: PastRun, model: Model | str) -> tuple[Figure, ...]:
    """Returns all figures, in the order of the page.

    Args:
        past: The run.
        model: The models at the run's last event, or a sentence that says why there are none.
    """
    return (
        pareto(past),
        time_parts(past, model),
        importance(model, past.study.metric.label),
        slices(past, model),
        lattice_map(past, model),
        curves(past),
        memory(past, model),
        timeline(past),
        budget(past),
    )
