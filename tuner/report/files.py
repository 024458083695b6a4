"""The files a run leaves in its folder: for people, for programs and for the pipeline.

All are made from the study, the records and the provenance; the journal beside them holds the same
and more, so that any of them can be made again.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tuner.certificate.conclusion import Conclusion, Row
from tuner.core.estimate import Estimate
from tuner.core.goal import Goal, Objective
from tuner.core.pipeline import pipeline_name
from tuner.core.recommend import Recommendation
from tuner.report.certificate import certificate_dict, certificate_text
from tuner.report.changes import changes_caution, noted_lines
from tuner.report.conclusion import sentence, speedup_basis
from tuner.report.exported import exported, no_effect_lines, seed_lines
from tuner.report.start import start_caution
from tuner.report.text import TITLES, probing_line, result_table, work_table
from tuner.report.trials_table import trials_csv
from tuner.report.warm_start import warm_start_line
from tuner.runs.folder import write_atomically
from tuner.runs.result import RunResult
from tuner.spec.yaml_format import write_yaml


def write_outputs(folder: Path, result: RunResult) -> list[Path]:
    """Writes every output and returns their paths; one that cannot be made or written costs no other.

    Raises:
        RecordsError: The disk is full or gone.
        Exception: The first error of an output that could not be made.
    """
    failures: list[Exception] = []
    written: list[Path] = []
    for name, make in _outputs(result).items():
        try:
            if make is None:
                (folder / name).unlink(missing_ok=True)  # a file from before the run was resumed
            else:
                write_atomically(folder / name, make())
                written.append(folder / name)
        except Exception as error:
            failures.append(error)
    if failures:
        raise failures[0]
    return written


def _outputs(result: RunResult) -> dict[str, Callable[[], str] | None]:
    """Returns the function that makes the text of each file; None for a file that is not wanted."""
    found, certificate = result.conclusion.recommendation, result.conclusion.certificate
    of = {"study": result.study.name, "device": result.provenance["device"]["name"]}
    if caution := changes_caution(result.provenance):
        of["caution"] = caution
    return {
        "summary.txt": lambda: summary(result),
        "result.json": lambda: _json(result_dict(result)),
        "trials.csv": lambda: trials_csv(result),
        "recommended.yaml": (lambda: recommended_yaml(found, result)) if found else None,
        "certificate.json": (lambda: _json(of | certificate_dict(certificate))) if certificate else None,
    }


def _json(value: Mapping[str, Any]) -> str:
    return json.dumps(value, indent=2, allow_nan=False) + "\n"


def summary(result: RunResult) -> str:
    """The closing tables and sentence with what they rest on."""
    conclusion = result.conclusion
    judged = [certificate_text(conclusion.certificate)] if conclusion.certificate else []
    judged += [certificate_text(conclusion.spent, is_spent=True)] if conclusion.spent else []
    shown = (line for table in (*tables(result), *judged) for line in ("", table))
    said = [sentence(result), *no_effect_lines(result), *seed_lines(result), *why_ended(result)]
    caution = start_caution(conclusion.start) if result.is_conclusive else ""
    first = [line for text in (caution, changes_caution(result.provenance)) if text for line in (text, "")]
    return "\n".join([*first, *basis(result), *shown, "", *said]) + "\n"


def basis(result: RunResult) -> list[str]:
    """Says what was wanted, where it was measured, and what was not as it should be, in one line each."""
    device = result.provenance["device"]
    is_simulated = device["kind"] == "simulated"
    lines = [
        f"study {result.study.name}, {_wanted(result.study.goal)}",
        f"simulated, not measured: {device['name']}"
        if is_simulated
        else f"measured on {device['name']} ({device['kind']})",
    ]
    if result.provenance["hardware_mismatch"]:
        lines.append(f"not the study's hardware: {result.provenance['hardware_mismatch']}")
    lines += noted_lines(result.provenance)
    if "warm_start" in result.provenance:
        lines.append(_warm_start_line(result))
    if result.pooling_contradiction:
        lines.append(result.pooling_contradiction)
    if result.probing_given_up:
        lines.append(probing_line(result.probing_given_up))
    return lines


def _warm_start_line(result: RunResult) -> str:
    contradiction, metric = result.warm_start_contradiction, result.study.metric
    return warm_start_line(result.provenance["warm_start"], contradiction, quality=metric.label)


def tables(result: RunResult) -> list[str]:
    """The rows side by side, and the work of an epoch; those that have something to show."""
    conclusion = result.conclusion
    both = result_table(conclusion), work_table(conclusion, result.study.stage)
    return [table for table in both if table]


def why_ended(result: RunResult) -> list[str]:
    """Returns why the run ended, as a sentence; empty while it goes on."""
    return [f"The search ended because {result.finish_reason}."] if result.finish_reason else []


def _wanted(goal: Goal) -> str:
    objective = "" if goal.objective is Objective.TIME else f"objective {goal.objective}, "
    limits = f", limits {', '.join(limit.text for limit in goal.limits)}" if goal.limits else ""
    return f"{objective}target {goal.target.text}{limits}"


def result_dict(result: RunResult) -> dict[str, Any]:
    """Returns the run's result as plain JSON values."""
    conclusion = result.conclusion
    found, certificate, spent = conclusion.recommendation, conclusion.certificate, conclusion.spent
    export = exported(result)
    return {
        "status": result.status,
        "failure": result.failure,
        "device": result.provenance["device"]["name"],
        "objective": result.study.objective.value,
        "target": result.study.target.text,
        "limits": [limit.text for limit in result.study.limits],
        "num_trials": len(result.records),
        **{title: _row_dict(conclusion.rows.get(title), conclusion) for title in TITLES},
        **_speedups(conclusion),
        "margin_pct": result.study.metric.room_pct(found.margin_pct) if found else None,
        "exported": export.config.as_dict() if export else None,
        "no_effect": [asdict(one) for one in export.no_effect] if export else [],
        f"start_{result.study.metric.name}": conclusion.start.value if conclusion.start else None,
        "start_meets_target": conclusion.start.meets_target if conclusion.start else None,
        "seed_changes_nothing": bool(seed_lines(result)),
        "certified": conclusion.is_certified,
        "certificate": None if certificate is None else certificate_dict(certificate),
        "certificate_of_another": None if spent is None else certificate_dict(spent),
        "sentence": sentence(result),
        "finish_reason": result.finish_reason,
        "prior_contradiction": result.warm_start_contradiction,
        "pooling_contradiction": result.pooling_contradiction,
        "probing_given_up": result.probing_given_up,
        "provenance": dict(result.provenance),
    }


def _speedups(conclusion: Conclusion) -> dict[str, Any]:
    """Returns the speed-up that is shown, with its basis, and the other one beside it."""
    found, shown = conclusion.recommendation, conclusion.speedup
    paired = shown if shown and shown.is_paired else None
    return {
        "speedup": shown.ratio if shown else None,
        "speedup_basis": speedup_basis(shown) if shown else None,
        "speedup_interval": [shown.low, shown.high] if shown and shown.low is not None else None,
        "speedup_paired": paired.ratio if paired else None,
        "speedup_paired_interval": [paired.low, paired.high] if paired else None,
        "speedup_all_runs": found.speedup if found else None,
    }


def _row_dict(row: Row | None, conclusion: Conclusion) -> dict[str, Any] | None:
    """A configuration and what was measured of it; figures are None when it never ran to its full budget."""
    if row is None:
        return None
    trial, measured, metric = row.trial, row.estimate, conclusion.goal.metric
    return {
        "trial_id": trial.trial_id,
        "config": trial.config.as_dict(),
        "state": measured.records[0].state.value if measured else trial.state.value,
        "num_epochs": measured.records[0].num_epochs if measured else trial.epoch,
        "seeds": list(measured.seeds) if measured else [],
        "time_s": measured.time_s if measured else None,
        "time_se_s": measured.time_se_s if measured else None,
        "num_timed_runs": len(measured.timed) if measured else 0,
        metric.name: metric.value(measured.nrmse) if measured else None,
        f"{metric.name}_sd": metric.sd(measured.records) if measured else None,
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
    """Returns the exported configuration under the pipeline's own keys, with its provenance."""
    best, speedup, export = found.estimate, result.conclusion.speedup, exported(result)
    assert export is not None  # something is recommended
    metric = result.study.metric
    quality = metric.value(best.nrmse)
    config = {pipeline_name(name): v for name, v in export.config.as_dict().items()}
    measured = {} if export.config == best.config else {"measured": best.config.as_dict()}
    body = config | {
        "provenance": {
            "run_status": result.status,
            "certified": result.conclusion.is_certified,
            "seeds": list(best.seeds),
            "time_s": round(best.time_s, 3),
            metric.name: round(quality, 5) if metric.is_default else float(f"{quality:.6g}"),
            "objective": result.study.objective.value,
            "objective_value": round(found.value, 3),
            "speedup": None if speedup is None else round(speedup.ratio, 3),
            "speedup_basis": speedup_basis(speedup) if speedup else None,
            "target": result.study.target.text,
            "limits": [limit.text for limit in result.study.limits],
            **measured,
            **result.provenance,
        }
    }
    said = "\n".join((sentence(result), *no_effect_lines(result)))
    head = "".join(f"# {line}\n" for line in said.splitlines())
    return head + write_yaml(body, width=1000, is_block=True)
