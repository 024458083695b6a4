"""Makes each sink by its name, from a study's `outputs`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from tuner.core.outputs import OFF, SQLITE, OutputSpec
from tuner.runs.wanted import NAMES, OPTUNA, PARQUET, TENSORBOARD, WANDB, wandb_mode
from tuner.sinks.contract import Sink
from tuner.sinks.guarded import Maker


def makers(outputs: OutputSpec, names: Sequence[str]) -> dict[str, Maker]:
    """Returns the functions that make the sinks of these names, in the order of `NAMES`.

    Args:
        outputs: The study's outputs; a sink that it does not want is written as by default, W&B offline
            unless the environment says online.
        names: Names of the sinks that are wanted, whatever the study says.
    """
    database = SQLITE if outputs.optuna == OFF else outputs.optuna
    asked = replace(outputs, wandb="auto") if outputs.wandb == OFF else outputs
    mode = wandb_mode(asked, is_simulated=False) or "offline"
    known: dict[str, Maker] = {
        OPTUNA: lambda: _optuna(database),
        TENSORBOARD: _tensorboard,
        PARQUET: _parquet,
        WANDB: lambda: _wandb(mode, outputs.wandb_project),
    }
    return {name: known[name] for name in NAMES if name in names}


def _optuna(database: str) -> Sink:
    from tuner.sinks.optuna_storage import OptunaStorage

    return OptunaStorage(database)


def _tensorboard() -> Sink:
    from tuner.sinks.tensorboard import TensorBoard

    return TensorBoard()


def _parquet() -> Sink:
    from tuner.sinks.tables import Parquet

    return Parquet()


def _wandb(mode: str, project: str) -> Sink:
    from tuner.sinks.wandb_runs import WandbRuns

    return WandbRuns(mode, project)
