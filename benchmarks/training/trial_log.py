"""Keeps finished trials of the bundled stage in a file of JSON lines, so that a later call continues.

This module knows the form of the file, and how to tell one problem's trials from another's. It trains one
epoch for that, and nothing else.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.training.runs import Runs
from tuner.core.config import CORE_NAMES

Key = tuple[int, int, int, int]
"""A configuration: batch_size, micro_batch, num_taus, accum_steps."""


@dataclass(frozen=True, slots=True, kw_only=True)
class QualityRun:
    """A finished trial.

    Attributes:
        key: Configuration that was trained.
        seed: Seed of the trial.
        nrmses: Held-out NRMSE after each epoch.
        final_nrmse: NRMSE on the third split, or None if no final report was asked for.
    """

    key: Key
    seed: int
    nrmses: tuple[float, ...]
    final_nrmse: float | None = None


def params_of(key: Sequence[int]) -> dict[str, int]:
    """Returns the parameters of a configuration by name."""
    return dict(zip(CORE_NAMES, key, strict=True))


def reference_run(runs: Runs) -> str:
    """Returns a fingerprint of the problem and its training: the NRMSE before and after one epoch.

    The log keeps it beside every trial. A change of the data, teacher, loss or schedule changes the
    fingerprint, so trials of different problems are never mixed. A faster way to the same result does not.
    """
    stage = runs.start(params_of((32, 32, 2, 1)), seed=0, num_epochs=1)
    before = stage.evaluate()["nrmse"]
    return f"{before:.3g} {stage.train()['nrmse']:.3g}"


class TrialLog:
    """A log of one problem's trials in a file of JSON lines. It leaves the trials of other problems alone.

    Args:
        path: File of the log. The first write creates it and its folder.
        reference: Fingerprint of the problem, from ``reference_run``.
    """

    def __init__(self, path: Path, reference: str) -> None:
        self._path, self._reference = path, reference
        lines = path.read_text().splitlines() if path.exists() else []
        entries = [json.loads(line) for line in lines]
        self._runs = [_run_of(entry) for entry in entries if entry["reference"] == reference]

    @property
    def runs(self) -> tuple[QualityRun, ...]:
        """All trials of this problem, in the order in which they were written."""
        return tuple(self._runs)

    def find(self, key: Key, seed: int, num_epochs: int) -> QualityRun | None:
        """Returns the newest trial of this configuration, seed and number of epochs, or None."""
        wanted = (key, seed, num_epochs)
        found = [run for run in self._runs if (run.key, run.seed, len(run.nrmses)) == wanted]
        return found[-1] if found else None

    def append(self, run: QualityRun) -> None:
        """Appends a trial to the file."""
        entry = {
            "reference": self._reference,
            "config": list(run.key),
            "seed": run.seed,
            "nrmse": list(run.nrmses),
            "final_nrmse": run.final_nrmse,
        }
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with self._path.open("a") as file:
            file.write(json.dumps(entry) + "\n")
        self._runs.append(run)


def _run_of(entry: dict[str, Any]) -> QualityRun:
    batch_size, micro_batch, num_taus, accum_steps = entry["config"]
    return QualityRun(
        key=(batch_size, micro_batch, num_taus, accum_steps),
        seed=entry["seed"],
        nrmses=tuple(entry["nrmse"]),
        final_nrmse=entry["final_nrmse"],
    )
