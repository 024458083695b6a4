"""A figure of how much each parameter matters for time and for quality, over the whole lattice."""

from __future__ import annotations

from collections.abc import Mapping

from tuner.core.importance import Importance
from tuner.report.html.figure import Figure, Panel, Series
from tuner.report.model import Model


def importance(model: Model | str, quality: str = "NRMSE") -> Figure:
    """Shows the Shapley effect of every parameter, computed from the models' means on the lattice."""
    found = {} if isinstance(model, str) else model.importances
    titles = {"time_s": "for training time", "nrmse": f"for {quality}"}
    panels = tuple(_panel(titles[figure], each) for figure, each in found.items())
    num = max((len(each) for each in found.values()), default=0)
    return Figure(
        key="importance",
        title="How much each parameter matters",
        text="The share of all differences between the lattice's points that is due to each "
        "parameter, in the "
        f"logarithm of predicted time and of predicted {quality}. The shares of a panel add up to 100 %.",
        panels=panels,
        num_columns=2,
        height_px=110 + 34 * num,
        notes=_notes(model, quality) if panels else (),
        why_none=model if isinstance(model, str) else "The lattice is too large to be looked at whole.",
    )


def _panel(title: str, found: Mapping[str, Importance]) -> Panel:
    ordered = sorted(found.items(), key=lambda item: -item[1].shapley)
    bars = Series(
        name="share of the variance",
        x=tuple(100 * each.shapley for _, each in ordered),
        y=tuple(map(float, range(len(ordered)))),
        labels=tuple(
            f"{name}: {100 * each.shapley:.1f} %\nby itself {100 * each.alone:.1f} %, "
            f"what no other explains {100 * each.last:.1f} %"
            for name, each in ordered
        ),
        kind="bars",
    )
    ticks = tuple((float(k), name) for k, (name, _) in enumerate(ordered))
    return Panel(title=title, series=(bars,), x_label="share of the variance (%)", y_ticks=ticks)


def _notes(model: Model | str, quality: str) -> tuple[str, ...]:
    assert not isinstance(model, str)  # there are panels
    method = (
        "Method: Shapley effects (Owen 2014; Song, Nelson and Staum 2016), exact on the "
        f"{len(model.configs):,} legal points; unlike first-order and total indices, which are "
        f"shown when pointed "
        "at, they add up although constraints tie parameters together."
    )
    said = [method, "Parameters that constraints tie together share what they explain together."]
    if free := [p.name for p in model.varied if p.name in model.quality_invariant_to]:
        said.append(
            f"{quality} cannot depend on {', '.join(free)}, says the stage, and no run contradicts it."
        )
    if held := [p.name for p in model.lattice.continuous]:
        said.append(f"{', '.join(held)} is held at its value in {model.centre_name}, and has no share.")
    return tuple(said)
