"""What each figure of the report shows: one small module a subject."""

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
from tuner.report.past import PastRun

__all__ = ["figures"]


def figures(past: PastRun, model: Model | str) -> tuple[Figure, ...]:
    """All figures, in the order of the page.

    Args:
        past: The run.
        model: What its models believe, or why there are none.
    """
    return (
        pareto(past),
        time_parts(past, model),
        importance(model),
        slices(past, model),
        lattice_map(past, model),
        curves(past),
        memory(past, model),
        timeline(past),
        budget(past),
    )
