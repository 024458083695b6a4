"""Decides, by name, where a run is written besides its own files: by study, machine and user.

Knows the names and nothing of what is behind them (`tuner.sinks`): a run asks without loading any of it.
"""

from __future__ import annotations

import os
from importlib.util import find_spec
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tuner.core.outputs import OutputSpec

OPTUNA, TENSORBOARD, PARQUET, WANDB = "optuna", "tensorboard", "parquet", "wandb"

NAMES = (OPTUNA, TENSORBOARD, PARQUET, WANDB)
"""The names of all sinks, in the order of writing: the one that may wait for a server comes last."""

_OFF, _AUTO = "off", "auto"


def wanted_names(outputs: OutputSpec, *, is_simulated: bool) -> tuple[str, ...]:
    """Returns the sinks that a study wants here and now, in the order of `NAMES`."""
    is_wanted = {
        OPTUNA: outputs.optuna != _OFF,
        TENSORBOARD: outputs.tensorboard,
        PARQUET: outputs.parquet,
        WANDB: bool(wandb_mode(outputs, is_simulated=is_simulated)),
    }
    return tuple(name for name in NAMES if is_wanted[name])


def wandb_mode(outputs: OutputSpec, *, is_simulated: bool) -> str:
    """Returns W&B's mode: `online`, `offline`, or empty for no W&B.

    What the study says, else what WANDB_MODE says, else `offline` where W&B is installed. A key that is lying
    about changes nothing: uploading is a decision. `auto` writes nothing of a simulated run.
    """
    if outputs.wandb != _AUTO:
        return "" if outputs.wandb == _OFF else outputs.wandb
    if is_simulated or find_spec("wandb") is None:
        return ""
    said = os.environ.get("WANDB_MODE") or "offline"
    return said if said in ("online", "offline") else ""
