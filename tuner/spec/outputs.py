"""Where a run is written besides its own files: a study's `outputs`, which decide nothing of the search."""

from __future__ import annotations

import re
from dataclasses import dataclass

from tuner.errors import SpecError

SQLITE, OFF = "sqlite", "off"

_URL = re.compile(r"[A-Za-z][\w.+-]*://\S*|\$\{\w+\}")
_PASSWORD = re.compile(r"://[^/@:\s]*:(?!\$\{\w+\}@)[^@\s]+@|[?&](password|passwd|pwd)=(?!\$\{)")
_PROJECT = re.compile(r"[^/\\#?%:\s][^/\\#?%:]*")


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputSpec:
    """What a run is written to besides its own files.

    Attributes:
        optuna: `sqlite` (a file in the run's folder), `off`, or the URL of a database that Optuna knows; a
            `${NAME}` in it, or in its place, is replaced by the environment's when the database is opened.
        tensorboard: Whether scalars and hyperparameters are written for TensorBoard.
        wandb: `auto`, `offline`, `online` or `off`.
        wandb_project: The project of W&B.
        parquet: Whether the trials are written as Parquet besides CSV.
    """

    optuna: str = SQLITE
    tensorboard: bool = True
    wandb: str = "auto"
    wandb_project: str = "distill-tuner"
    parquet: bool = True


def check_optuna_output(value: str) -> None:
    """Raises on what is no `optuna` of `OutputSpec`.

    Raises:
        SpecError: It is none, or holds a password, which the run's folder would keep.
    """
    if value in (SQLITE, OFF):
        return
    if not _URL.fullmatch(value):
        raise SpecError(
            f"outputs.optuna is {value!r}, neither sqlite nor off nor the URL of a database.",
            "write sqlite, off, or a URL such as postgresql://user@host/database.",
        )
    if _PASSWORD.search(value):
        raise SpecError(
            "outputs.optuna holds a password, which the run's folder would keep.",
            "name a variable of the environment in its place: user:${DB_PASSWORD}@host.",
        )


def check_project(value: str) -> None:
    """Raises on what W&B takes for no project's name.

    Raises:
        SpecError: It is empty, or has one of the characters that W&B refuses.
    """
    if not _PROJECT.fullmatch(value):
        raise SpecError(
            f"outputs.wandb_project is {value!r}, which W&B takes for no name.",
            "use a name without any of / \\ # ? % :",
        )
