"""What a run took from an earlier one, in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def warm_start_line(provenance: Mapping[str, Any], contradiction: str = "") -> str:
    """One line on what was taken, from where; on why it was dropped, when it was.

    Args:
        provenance: `warm_start` of a run's provenance.
        contradiction: Why the prior was dropped; empty while it was not.
    """
    taken = (
        f"warm start: NRMSE of {provenance['num_runs']} runs, {provenance['num_full']} at full budget, "
        f"from {provenance['run']} on {provenance['device']}"
    )
    if provenance["num_left_out"]:
        taken += f"; {provenance['num_left_out']} more vary what this study does not"
    if contradiction:
        return f"{taken}; dropped, and nothing below rests on it: {contradiction}"
    return f"{taken}; times and memory are measured here"
