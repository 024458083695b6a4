"""The `outputs` of a study: where its runs are written besides their own files. Do not affect the search."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from tuner.core.study_keys import study_key
from tuner.errors import SpecError

SQLITE, OFF = "sqlite", "off"

_URL = re.compile(r"[A-Za-z][\w.+-]*://\S*|\$\{\w+\}")
_PASSWORD = re.compile(r"://[^/@:\s]*:(?!\$\{\w+\}@)[^@\s]+@|[?&](password|passwd|pwd)=(?!\$\{)")
_PROJECT = re.compile(r"[^/\\#?%:\s][^/\\#?%:]*")


def check_optuna_output(value: str) -> None:
    """Refuses a text that `outputs.optuna` cannot be.

    Raises:
        SpecError: It is neither `sqlite`, `off` nor a URL, or it holds a password, which would be kept in the
            run's folder.
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
    """Refuses a text that W&B does not accept as the name of a project.

    Raises:
        SpecError: It is empty, or has one of the characters that W&B refuses.
    """
    if not _PROJECT.fullmatch(value):
        raise SpecError(
            f"outputs.wandb_project is {value!r}, which is not a valid W&B project name.",
            "use a name without any of / \\ # ? % :",
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputSpec:
    """The outputs of a run besides its own files; they do not affect the search."""

    optuna: str = field(
        default=SQLITE,
        metadata=study_key(
            "sqlite (a file in the run's folder), off, or the URL of a database that Optuna knows; `${NAME}` "
            "in it is replaced by that environment variable when the database is opened.",
            check=check_optuna_output,
        ),
    )
    tensorboard: bool = field(
        default=True, metadata=study_key("Whether scalars and hyperparameters are written for TensorBoard.")
    )
    wandb: str = field(
        default="auto",
        metadata=study_key(
            "Whether and how W&B is written; auto: as WANDB_MODE says, else offline.",
            choices=("auto", "offline", "online", "off"),
        ),
    )
    wandb_project: str = field(
        default="distill-tuner", metadata=study_key("The W&B project.", check=check_project)
    )
    parquet: bool = field(
        default=True, metadata=study_key("Whether the trials are written as Parquet besides CSV.")
    )
