"""The files a run leaves in its folder: for people, for programs and for the pipeline.

All are made from the study, the records and the provenance; the journal beside them holds the same
and more, so that any of them can be made again.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from tuner.core.conclusion import Conclusion, Row
from tuner.core.estimate import Estimate
from tuner.core.goal import Goal, Objective
from tuner.core.recommend import Recommendation
from tuner.records.folder import write_atomically
from tuner.report.certificate import certificate_text
from tuner.report.result import RunResult
from tuner.report.text import TITLES, result_table, work_table
from tuner.report.trials_table import trials_csv
from tuner.report.warm_start import warm_start_line
from tuner.spec import StudySpec

PIPELINE_KEYS = {
    "batch_size": "batch_size",
    "micro_batch": "distill_micro_batch",
    "num_taus": "distill_num_taus",
    "accum_steps": "accum_steps",
}
"""Our names as the guide's pipeline spells them; others keep theirs."""


def write_outputs(folder: Path, result: RunResult) -> list[Path]:
    """Writes every output and returns their paths.

    Raises:
        RecordsError: The disk is full or gone; files written before are whole.
    """
    texts = {
        "summary.txt": summary(result),
        "result.json": _json(result_dict(result)),
        "trials.csv": trials_csv(result),
    }
    conclusion = result.conclusion
    if found := conclusion.recommendation:
        texts["recommended.yaml"] = recommended_yaml(found, result)
    if conclusion.certificate:
        of = {"study": result.study.name, "device": result.provenance["device"]["name"]}
        texts["certificate.json"] = _json(of | conclusion.certificate.as_dict())
    for name in {"recommended.yaml", "certificate.json"} - set(texts):
        (folder / name).unlink(missing_ok=True)  # of before the run was resumed
    for name, text in texts.items():
        write_atomically(folder / name, text)
    return [folder / name for name in texts]


def _json(value: Mapping[str, Any]) -> str:
    return json.dumps(value, indent=2, allow_nan=False) + "\n"


def write_study(folder: Path, study: StudySpec) -> None:
    """Writes the study as resolved, which loads back to an equal one."""
    write_atomically(folder / "study.yaml", study.as_yaml())


def summary(result: RunResult) -> str:
    """The closing tables and sentence with what they rest on."""
    certificate = result.conclusion.certificate
    all_tables = [*tables(result), *([certificate_text(certificate)] if certificate else [])]
    shown = (line for table in all_tables for line in ("", table))
    return "\n".join([*basis(result), *shown, "", result.sentence, *why_ended(result)]) + "\n"


def basis(result: RunResult) -> list[str]:
    """What was wanted, where it was measured, and what was not as it should be; a line each."""
    device = result.provenance["device"]
    lines = [
        f"study {result.study.name}, {_wanted(result.study.goal)}",
        f"measured on {device['name']} ({device['kind']})",
    ]
    if result.provenance["hardware_mismatch"]:
        lines.append(f"not the study's hardware: {result.provenance['hardware_mismatch']}")
    if "warm_start" in result.provenance:
        lines.append(warm_start_line(result.provenance["warm_start"], result.prior_contradiction))
    if result.pooling_contradiction:
        lines.append(result.pooling_contradiction)
    return lines


def tables(result: RunResult) -> list[str]:
    """The rows side by side, and the work of an epoch; those that have something to show."""
    conclusion = result.conclusion
    both = result_table(conclusion), work_table(conclusion, result.study.stage.num_samples)
    return [table for table in both if table]


def why_ended(result: RunResult) -> list[str]:
    """A sentence, or none while it goes on."""
    return [f"The search ended because {result.finish_reason}."] if result.finish_reason else []


def _wanted(goal: Goal) -> str:
    objective = "" if goal.objective is Objective.TIME else f"objective {goal.objective}, "
    limits = f", limits {', '.join(limit.text for limit in goal.limits)}" if goal.limits else ""
    return f"{objective}target {goal.target.text}{limits}"


def result_dict(result: RunResult) -> dict[str, Any]:
    """The run for programs."""
    conclusion = result.conclusion
    found, certificate = conclusion.recommendation, conclusion.certificate
    return {
        "status": result.status,
        "device": result.provenance["device"]["name"],
        "objective": result.study.objective.value,
        "target": result.study.target.text,
        "limits": [limit.text for limit in result.study.limits],
        "num_trials": len(result.records),
        **{title: _row_dict(conclusion.rows.get(title), conclusion) for title in TITLES},
        **_speedups(conclusion),
        "margin_pct": found.margin_pct if found else None,
        "certified": conclusion.is_certified,
        "certificate": None if certificate is None else certificate.as_dict(),
        "sentence": result.sentence,
        "finish_reason": result.finish_reason,
        "prior_contradiction": result.prior_contradiction,
        "pooling_contradiction": result.pooling_contradiction,
        "provenance": dict(result.provenance),
    }


def _speedups(conclusion: Conclusion) -> dict[str, Any]:
    """The one that is shown and of what it is, and beside it the other."""
    found, shown = conclusion.recommendation, conclusion.speedup
    is_paired = shown is not None and shown.low is not None
    return {
        "speedup": shown.ratio if shown else None,
        "speedup_basis": shown.basis if shown else None,
        "speedup_paired": shown.ratio if shown and is_paired else None,
        "speedup_paired_interval": [shown.low, shown.high] if shown and is_paired else None,
        "speedup_all_runs": found.speedup if found else None,
    }


def _row_dict(row: Row | None, conclusion: Conclusion) -> dict[str, Any] | None:
    """A configuration and what was measured of it; figures are None when it never ran to its full budget."""
    if row is None:
        return None
    trial, measured = row.trial, row.estimate
    return {
        "trial_id": trial.trial_id,
        "config": trial.config.as_dict(),
        "state": measured.records[0].state.value if measured else trial.state.value,
        "num_epochs": measured.records[0].num_epochs if measured else trial.epoch,
        "seeds": list(measured.seeds) if measured else [],
        "time_s": measured.time_s if measured else None,
        "nrmse": measured.nrmse if measured else None,
        "nrmse_sd": measured.nrmse_sd if measured else None,
        "peak_memory_gib": (measured or trial).peak_memory_gib or None,
        **_judged(measured, conclusion),
        "reason": trial.reason,
    }


def _judged(measured: Estimate | None, conclusion: Conclusion) -> dict[str, Any]:
    """The objective of a configuration and how it stands to every limit."""
    goal, baseline = conclusion.goal, conclusion.baseline
    return {
        "objective": goal.value(measured, baseline) if measured else None,
        "objective_censored": goal.is_censored(measured, baseline) if measured else None,
        "limits": [
            {
                "limit": limit.text,
                "value": limit.figure(measured) if measured else None,
                "threshold": limit.threshold(baseline),
                "is_met": limit.breach(measured, baseline) is None if measured else None,
            }
            for limit in goal.limits
        ],
    }


def recommended_yaml(found: Recommendation, result: RunResult) -> str:
    """The recommended configuration under the pipeline's own keys, with its provenance."""
    best, speedup = found.estimate, result.conclusion.speedup
    config = {PIPELINE_KEYS.get(name, name): v for name, v in best.config.as_dict().items()}
    body = config | {
        "provenance": {
            "run_status": result.status,
            "certified": result.conclusion.is_certified,
            "seeds": list(best.seeds),
            "time_s": round(best.time_s, 3),
            "nrmse": round(best.nrmse, 5),
            "objective": result.study.objective.value,
            "objective_value": round(found.value, 3),
            "speedup": None if speedup is None else round(speedup.ratio, 3),
            "speedup_basis": speedup.basis if speedup else None,
            "target": result.study.target.text,
            "limits": [limit.text for limit in result.study.limits],
            **result.provenance,
        }
    }
    head = f"# {result.sentence}\n"
    return head + yaml.safe_dump(body, sort_keys=False, allow_unicode=True, width=1000)
