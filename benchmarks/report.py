"""How long the report of a long run takes to build and to open, and how large it is.

    python -m benchmarks.report            # 5,000 trials
    python -m benchmarks.report --quick    # 600 trials, one repeat

The run is made up, and written by the journal's own writer: the study a100.yaml, trials of six epochs, one in
three stopped early, some out of memory or failed. Opening is timed in a headless Chromium with an empty
profile, from navigation until the first screens are drawn and the page answers; the figures below are drawn
when they come near, or when there is nothing else to do. The last line is JSON.
"""

import argparse
import json
import math
import os
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any
from unittest import mock

import numpy as np

from benchmarks.browser import has_browser, open_browser
from tuner.advisor import Advisor, write_start
from tuner.core.config import TrialConfig
from tuner.core.measurement import Measurement, Status
from tuner.core.traits import StageTraits
from tuner.core.workload import Workload
from tuner.records.folder import create_run_folder
from tuner.records.journal import Journal
from tuner.report.files import write_study
from tuner.report.html import write_report
from tuner.report.past import read_past_run
from tuner.spec import StudySpec, load_study

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
    """Seconds an epoch by a made-up law."""
    work = Workload(config=config, num_samples=num_samples)
    steps = work.num_optimizer_steps(1)
    return 2e-3 * work.num_iterations + 8e-3 * work.num_chunks + 6e-4 * work.num_rows + 5e-3 * steps


def final_nrmse(config: TrialConfig) -> float:
    """Made up: larger effective batches and fewer noise levels are worse."""
    return 0.09 * (1 + 0.03 * np.log2(config.effective_batch_size / 6) + 0.1 / config.num_taus)


def write_run(folder: Path, study: StudySpec, num_trials: int) -> Path:
    """Writes the folder of a made-up run."""
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
        certified=[],
    )
    journal.close()
    return run


def _write_trial(
    journal: Journal, study: StudySpec, number: int, now_s: float, rng: np.random.Generator
) -> float:
    """One trial; returns when it ended."""
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
    device = {"kind": "simulated", "name": "made up by benchmarks/report.py", "memory_gib": CAPACITY_GIB}
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


def opened_s(page: Path) -> tuple[float, float] | None:
    """Seconds from navigation until the page and what is on its first screens is drawn, and until all is.

    None without a Chromium.
    """
    if not has_browser():
        return None
    from selenium.webdriver.support.ui import WebDriverWait

    with tempfile.TemporaryDirectory() as profile:
        driver = open_browser(Path(profile))
        try:
            driver.get(page.as_uri())
            marks = "const mark = document.documentElement.dataset;"
            asked = f"{marks} return mark.drawnMs && [mark.openMs, mark.drawnMs]"
            opened, drawn = WebDriverWait(driver, 60).until(lambda d: d.execute_script(asked))
        finally:
            driver.quit()
    return float(opened) / 1000, float(drawn) / 1000


def main() -> None:
    """Writes the run, times, and prints one line of JSON."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="600 trials, one repeat")
    parser.add_argument("--repeats", type=int, default=5)
    args = parser.parse_args()
    num_trials, repeats = (600, 1) if args.quick else (5000, args.repeats)
    with tempfile.TemporaryDirectory() as temporary:
        run = write_run(Path(temporary), load_study("a100.yaml"), num_trials)
        built = []
        for _ in range(min(repeats, 3)):
            began = time.perf_counter()
            write_report(read_past_run(run))
            built.append(time.perf_counter() - began)
        page = run / "report.html"
        opened = [opened_s(page) for _ in range(repeats)]
        known = [seconds for seconds in opened if seconds is not None]
        first, whole = [one for one, _ in known], [one for _, one in known]
        print(
            f"load average {os.getloadavg()[0]:.1f}; built in {_listed(built)} s, opened in "
            f"{_listed(first)} s, every figure drawn after {_listed(whole)} s"
        )
        size_mb = page.stat().st_size / 1e6
    summary = {"build_s": round(median(built), 2), "size_mb": round(size_mb, 2)}
    if known:
        summary |= {"open_s": round(median(first), 2), "drawn_s": round(median(whole), 2)}
    print(json.dumps({**summary, "num_trials": num_trials}))


def _listed(values: list[float]) -> str:
    return ", ".join(f"{value:.2f}" for value in values) or "no browser"


if __name__ == "__main__":
    main()
