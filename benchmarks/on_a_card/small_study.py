"""Runs a whole study on the card: search, recommendation and certificate, on real Ray.

    python -m benchmarks.on_a_card.small_study --folder DIR [--limit-s S] [--quick]

It is a100.yaml's, on the problem for which 0.095 is calibrated, with fewer trials and pairs. The study's
hours are what the limit leaves after starting Ray and writing the report. The last line is one line of JSON.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from tuner.core.objectives import Target
from tuner.core.study import StudySpec
from tuner.spec import load_study, study_as_yaml

STUDY = "a100.yaml"
AROUND_S = 40.0
"""Seconds kept for the teacher, for starting and ending Ray, and for the report, beside a study's hours."""

LEAST_S = 10.0
"""The least seconds that a study gets; a tiny one gets no more."""

TINY = {"num_samples": 120, "num_eval_trajectories": 20, "teacher_steps": 20, "operator_steps": 20}


def main() -> int:
    """Runs the study and prints what came out; returns 1 if it left no result."""
    arguments = _arguments()
    folder = arguments.folder.expanduser().resolve() / "study"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "study.yaml"
    path.write_text(study_as_yaml(small_study(quick=arguments.quick)))
    study_s = LEAST_S if arguments.quick else max(LEAST_S, arguments.limit_s - AROUND_S)
    words = ["--space", str(path), "--runs-dir", str(folder / "runs"), "--json"]
    words += ["--hours", f"{study_s / 3600.0:.5f}"]
    done = subprocess.run(  # noqa: S603 - our own command
        [sys.executable, "-m", "tuner.run", *words], stdout=subprocess.PIPE, text=True, check=False
    )
    if done.returncode not in (0, 1):
        return 1
    print(json.dumps(headline(json.loads(done.stdout))))
    return 0


def small_study(*, quick: bool) -> StudySpec:
    """Returns the study, on a tiny problem whose target every configuration meets if ``quick``."""
    study = load_study(STUDY)
    stage = replace(study.stage, options=study.stage.options | {"problem": "burgers"})
    terms = replace(study.certificate, pairs=4, nrmse_margin_pct=5.0)
    small = replace(study, name="on-a-card", certificate=terms)
    if not quick:
        budget = replace(study.budget, trials=20)
        return replace(small, stage=stage, budget=budget, target=Target.parse("nrmse < 0.095"))
    stage = replace(stage, options=stage.options | TINY, num_samples=TINY["num_samples"], num_epochs=2)
    budget = replace(study.budget, trials=6)
    return replace(small, stage=stage, budget=budget, target=Target.parse("nrmse < 9"))


def headline(result: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the figures of a result that say how the study went."""
    certificate, row = result["certificate"], result["recommended"]
    return {
        "status": result["status"],
        "verdict": certificate["verdict"] if certificate else None,
        "device": result["device"],
        "num_trials": result["num_trials"],
        "recommended": row["config"] if row else None,
        "speedup": result["speedup"],
        "speedup_interval": result["speedup_interval"],
        "checks": {check["key"]: check["outcome"] for check in certificate["checks"]}
        if certificate
        else None,
        "num_pairs_run": certificate["num_pairs_run"] if certificate else None,
        "num_disturbed": len(certificate["disturbed"]) if certificate else None,
        "sentence": result["sentence"],
    }


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--folder", type=Path, required=True, help="folder for the study and its run")
    parser.add_argument("--limit-s", type=float, default=180.0, help="seconds in all (default: 180)")
    parser.add_argument("--quick", action="store_true", help="a tiny problem, 10 s")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
