"""Says in words what a run took from an earlier one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def warm_start_line(provenance: Mapping[str, Any], contradiction: str = "", *, quality: str = "NRMSE") -> str:
    """Says in one line what was taken and from where, and why it was dropped, if it was.

    Args:
        provenance: `warm_start` of a run's provenance.
        contradiction: The reason why the warm start was dropped; empty while it is used.
        quality: Name of the quality figure.
    """
    taken = (
        f"warm start: {quality} of {provenance['num_runs']} runs, {provenance['num_full']} at full budget, "
        f"from {provenance['run']} on {provenance['device']}"
    )
    if provenance["num_left_out"]:
        taken += f"; {provenance['num_left_out']} more were left out, as they vary what this study does not"
    if contradiction:
        return f"{taken}; dropped, and nothing below rests on it: {contradiction}"
    return f"{taken}; times and memory are measured here"
