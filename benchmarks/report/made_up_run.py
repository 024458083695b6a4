"""Writes the folder of a made-up run with the journal's own writer, as long as a report's test needs.

A run has trials of six epochs. One in three is stopped early; some run out of memory or fail.
"""

import math
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np

from tuner.advisor import Advisor
from tuner.core.config import TrialConfig
from tuner.core.measurement import Measurement, Status
from tuner.core.study import StudySpec
from tuner.core.traits import StageTraits
from tuner.core.workload import Workload
from tuner.runs.folder import create_run_folder, write_study
from tuner.runs.journal import Journal
from tuner.runs.journaled import write_start

CAPACITY_GIB = 40.0

_OUT_OF_MEMORY = Measurement(
    status=Status.OOM,
    epoch=0,
    nrmse=math.nan,
    time_s=0.0,
    epoch_time_s=0.0,
    peak_memory_gib=CAPACITY_GIB,
    device="made up",
    error="CUDA out of memory",
)


def epoch_s(config: TrialConfig, num_samples: int) -> float:
    """Returns the seconds of an epoch by a made-up law."""
    work = Workload(config=config, num_samples=num_samples)
    steps = work.num_optimizer_steps(1)
    return 2e-3 * work.num_iterations + 8e-3 * work.num_chunks + 6e-4 * work.num_rows + 5e-3 * steps


def final_nrmse(config: TrialConfig) -> float:
    """Returns a made-up NRMSE; larger effective batches and fewer noise levels make it worse."""
    return 0.09 * (1 + 0.03 * np.log2(config.effective_batch_size / 6) + 0.1 / config.num_taus)


def write_run(folder: Path, study: StudySpec, num_trials: int) -> Path:
    """Writes the folder of a made-up run of a study, and returns it."""
    rng = np.random.default_rng(0)
    run = create_run_folder(folder, study.name, datetime.now(UTC))
    write_study(run, study)
    traits = StageTraits(quality_invariant_to=("micro_batch",), capacity_gib=CAPACITY_GIB)
    journal = Journal(run / "journal.jsonl")
    write_start(journal, study, Advisor(study, traits=traits), _provenance(study), num_workers=1)
    now_s = 0.0
    with mock.patch("os.fsync"):  # 40,000 of them would take longer than all the rest
        for k in range(num_trials):
            now_s = _write_trial(journal, study, k, now_s, rng)
    journal.append(
        "end",
        elapsed_s=now_s,
        status="keep_baseline",
        finish_reason="the trials are used up",
        prior_contradiction="",
        pooling_contradiction="",
        interrupted_by="",
        admitted=[],
    )
    journal.close()
    return run


def _write_trial(
    journal: Journal, study: StudySpec, number: int, now_s: float, rng: np.random.Generator
) -> float:
    """Writes the events of one trial, and returns the second at which the next one may start."""
    configs = [study.baseline, study.guide]
    config = configs[number] if number < 2 else study.lattice.config(int(rng.integers(len(study.lattice))))
    assert config is not None  # a100.yaml has a guide's row
    trial_id, num_epochs = f"{number + 1:04d}", study.stage.num_epochs
    purpose = ("baseline", "guide")[number] if number < 2 else "search"
    answer = {"kind": "run", "trial_id": trial_id, "config": config.as_dict(), "seed": number // 500}
    answer |= {"num_epochs": num_epochs, "purpose": purpose}
    journal.append("ask", elapsed_s=now_s, answer=answer)
    gib = 1.5 + 0.4 * config.micro_batch * config.num_taus + 0.01 * config.batch_size
    end: dict[str, Any] = {"state": "complete", "reason": "", "constraint": "", "is_lost": False}
    if gib > CAPACITY_GIB:
        end |= {"state": "infeasible", "reason": "CUDA out of memory", "constraint": "memory"}
        num_ran = 0
        journal.append("observe", elapsed_s=now_s, trial_id=trial_id, measurement=_OUT_OF_MEMORY.as_dict())
    elif number >= 2 and rng.uniform() < 0.02:
        end |= {"state": "failed", "reason": "the stage raised ValueError: made up"}
        num_ran = 1
    elif number >= 2 and rng.uniform() < 0.35:
        num_ran = int(rng.integers(1, num_epochs))
        seconds = f"projected {rng.uniform(20, 90):.3g} s at full budget"
        end |= {"state": "stopped", "reason": f"{seconds}, slower than the best so far, at epoch {num_ran}"}
    else:
        num_ran = num_epochs
    each_s = epoch_s(config, study.stage.num_samples) * float(np.exp(0.01 * rng.standard_normal()))
    luck = float(np.exp(0.009 * rng.standard_normal()))
    for epoch in range(1, num_ran + 1):
        now_s += each_s
        nrmse = final_nrmse(config) * luck * (1 + 0.6 / epoch**2)
        measurement = Measurement(
            status=Status.OK,
            epoch=epoch,
            nrmse=nrmse,
            time_s=epoch * each_s,
            epoch_time_s=each_s,
            setup_time_s=1.5,
            warmup_time_s=0.2,
            evaluate_time_s=0.1 * epoch,
            checkpoint_time_s=0.02 * epoch,
            peak_memory_gib=gib,
            device="made up",
        )
        journal.append("observe", elapsed_s=now_s, trial_id=trial_id, measurement=measurement.as_dict())
    journal.append("tell", elapsed_s=now_s + 0.1, trial_id=trial_id, **end)
    return now_s + 0.2


def _provenance(study: StudySpec) -> dict[str, Any]:
    device = {"kind": "simulated", "name": "made up by benchmarks/report", "memory_gib": CAPACITY_GIB}
    return {
        "study": study.name,
        "study_hash": study.study_hash(),
        "seed": study.seed,
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
        "device": device,
        "hardware": study.hardware.name,
        "hardware_mismatch": "",
        "platform": "made up",
        "versions": {},
    }
