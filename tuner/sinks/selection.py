"""Which sinks a study's `outputs` want, here and now."""

from __future__ import annotations

import netrc
import os
from collections.abc import Callable, Iterable, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tuner.core.trial import TrialRecord
from tuner.sinks.background import Maker, Sinks
from tuner.sinks.contract import Sink
from tuner.spec import OutputSpec, StudySpec
from tuner.spec.outputs import OFF


def open_sinks(
    study: StudySpec,
    provenance: Mapping[str, Any],
    folder: Path,
    say: Callable[[str], None],
    records: Iterable[TrialRecord] = (),
) -> Sinks:
    """Starts the sinks of a run; see `Sinks`.

    Args:
        study: As resolved.
        provenance: Of the run; one that is `simulated` goes to W&B only when the study says so by name.
        folder: Of the run.
        say: Takes a line that people see.
        records: What a resumed run knows already.
    """
    sinks = Sinks(wanted(study.outputs, is_simulated="simulated" in provenance), say)
    sinks.start(study, provenance, folder)
    for record in records:
        sinks.show(record)
    return sinks


def wanted(outputs: OutputSpec, *, is_simulated: bool) -> dict[str, Maker]:
    """What makes each sink, by its name."""
    makers: dict[str, Maker] = {}
    if outputs.optuna != OFF:
        makers["optuna"] = lambda: _optuna(outputs.optuna)
    if outputs.tensorboard:
        makers["tensorboard"] = _tensorboard
    if outputs.parquet:
        makers["parquet"] = _parquet
    if mode := wandb_mode(outputs, is_simulated=is_simulated):
        makers["wandb"] = lambda: _wandb(mode, outputs.wandb_project)
    return makers


def wandb_mode(outputs: OutputSpec, *, is_simulated: bool) -> str:
    """`online`, `offline`, or empty for no W&B.

    `auto` follows WANDB_MODE; without it, it is online where a key is configured, else offline where W&B is
    installed. Of a simulated run it is nothing.
    """
    if outputs.wandb != "auto":
        return "" if outputs.wandb == OFF else outputs.wandb
    if is_simulated or find_spec("wandb") is None:
        return ""
    said = os.environ.get("WANDB_MODE", "")
    if said:
        return said if said in ("online", "offline") else ""
    return "online" if _has_key() else "offline"


def _has_key() -> bool:
    """Whether W&B would find a key: in the environment, or where `wandb login` writes it."""
    if os.environ.get("WANDB_API_KEY"):
        return True
    host = urlsplit(os.environ.get("WANDB_BASE_URL") or "https://api.wandb.ai").hostname
    path = Path(os.environ.get("NETRC") or Path.home() / ".netrc")
    try:
        return netrc.netrc(path).authenticators(host or "") is not None
    except (OSError, netrc.NetrcParseError):
        return False  # none there, or none that anybody could read


def _optuna(output: str) -> Sink:
    from tuner.sinks.optuna_storage import OptunaStorage

    return OptunaStorage(output)


def _tensorboard() -> Sink:
    from tuner.sinks.tensorboard import TensorBoard

    return TensorBoard()


def _parquet() -> Sink:
    from tuner.sinks.tables import Parquet

    return Parquet()


def _wandb(mode: str, project: str) -> Sink:
    from tuner.sinks.wandb_runs import WandbRuns

    return WandbRuns(mode, project)
