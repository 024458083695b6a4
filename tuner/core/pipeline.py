"""The keys under which the guide's pipeline keeps our parameters, and its spelling of them."""

from __future__ import annotations

PIPELINE_KEYS = {
    "batch_size": "stages.consistency_distill.batch_size",
    "micro_batch": "training.distill_micro_batch",
    "num_taus": "training.distill_num_taus",
    "accum_steps": "training.accum_steps",
}
"""The key under which the guide's pipeline keeps each parameter."""

SHARED_KEYS = frozenset({"training.accum_steps"})
"""Those of the keys that are the whole pipeline's: its other stages read them, too."""


def pipeline_name(parameter: str) -> str:
    """A parameter as the guide's pipeline spells it, without its place; others keep their name."""
    return PIPELINE_KEYS.get(parameter, parameter).rpartition(".")[2]
