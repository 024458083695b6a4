"""The pipeline of the documentation, in a folder of its own: it overwrites a checkpoint and writes a log."""

import shutil
from pathlib import Path
from typing import Any

import yaml

from tests.processes import ROOT

PIPELINE = ROOT / "docs/examples/pipeline"

CONFIG = """\
stages:
  consistency_distill:
    batch_size: 6
training:
  distill_micro_batch: 3
  distill_num_taus: 5
  accum_steps: 1
"""
"""A pipeline's YAML in one file, with the guide's keys."""


def copy_pipeline(folder: Path, num_trajectories: int | None = None, memory_rows: int | None = None) -> Path:
    """Returns a copy of the pipeline below ``folder``; with less data it takes less time."""
    copy = Path(shutil.copytree(PIPELINE, folder / "pipeline", ignore=shutil.ignore_patterns("__pycache__")))
    base = yaml.safe_load((copy / "base.yaml").read_text())
    if num_trajectories is not None:
        base["data"]["num_trajectories"] = num_trajectories
    if memory_rows is not None:
        base["device"]["memory_rows"] = memory_rows
    (copy / "base.yaml").write_text(yaml.safe_dump(base))
    return copy


def study_of_pipeline() -> dict[str, Any]:
    """Returns the study that tunes it."""
    study: dict[str, Any] = yaml.safe_load((PIPELINE / "study.yaml").read_text())
    return study
