"""Finished trials of the bundled stage in a file of JSON lines: a later call continues where one ended.

Knows the file's form and what tells one problem's trials from another's. Trains only the one epoch that
this takes.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.calibration_results import Key, QualityRun
from benchmarks.runs import Runs
from tuner.core.config import CORE_NAMES


def params_of(key: Sequence[int]) -> dict[str, int]:
    """A trial's parameters under their names."""
    return dict(zip(CORE_NAMES, key, strict=True))


def reference_run(runs: Runs) -> str:
    """What the problem and the training are, told by their results: NRMSE before and after an epoch.

    Kept beside every trial: whatever changes data, teacher, loss or schedule changes this too, and
    trials of another stage are not mixed in. A faster way to the same result does not change it.
    """
    stage = runs.start(params_of((32, 32, 2, 1)), seed=0, num_epochs=1)
    before = stage.evaluate()["nrmse"]
    return f"{before:.3g} {stage.train()['nrmse']:.3g}"


class TrialLog:
    """Trials of one problem in a file of JSON lines; those of other problems are left alone.

    Args:
        path: The file; made with its folder when there is something to write.
        reference: From ``reference_run``.
    """

    def __init__(self, path: Path, reference: str) -> None:
        self._path, self._reference = path, reference
        lines = path.read_text().splitlines() if path.exists() else []
        entries = [json.loads(line) for line in lines]
        self._runs = [_run_of(entry) for entry in entries if entry["reference"] == reference]

    @property
    def runs(self) -> tuple[QualityRun, ...]:
        """All of them, in the order of writing."""
        return tuple(self._runs)

    def find(self, key: Key, seed: int, num_epochs: int) -> QualityRun | None:
        """The latest trial of that configuration, seed and length."""
        wanted = (key, seed, num_epochs)
        found = [run for run in self._runs if (run.key, run.seed, len(run.nrmses)) == wanted]
        return found[-1] if found else None

    def append(self, run: QualityRun) -> None:
        """Adds a trial."""
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
