"""The files a run leaves in its folder: for people, for programs and for the pipeline.

All are made from the study, the records and the provenance; the journal beside them holds the same
and more, so that any of them can be made again.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tuner.advisor import Advisor
from tuner.core.certificate import Device
from tuner.core.conclusion import Conclusion, Row, StudyOutcome, conclude
from tuner.core.estimate import Estimate
from tuner.core.goal import Goal, Objective, TimeToTarget
from tuner.core.recommend import Certified, Recommendation, baseline_estimate
from tuner.core.trial import TrialRecord
from tuner.records.folder import write_atomically
from tuner.report.certificate import certificate_text
from tuner.report.text import TITLES, result_table, work_table
from tuner.report.warm_start import warm_start_line
from tuner.spec import StudySpec

PIPELINE_KEYS = {
    "batch_size": "batch_size",
    "micro_batch": "distill_micro_batch",
    "num_taus": "distill_num_taus",
    "accum_steps": "accum_steps",
}
"""Our names as the guide's pipeline spells them; others keep theirs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunResult:
    """Everything the outputs are made from.

    Attributes:
        study: As resolved.
        records: Every trial, in the order of asking.
        provenance: Versions, device, seed, study hash, times: plain JSON values.
        interrupted_by: The signal that ended the run, empty when none did.
        failure: The error that ended the run, empty when none did.
        finish_reason: Why nothing more was asked.
        certified: What may be recommended, with its probability to meet the target.
        prior_contradiction: Why what an earlier run taught was dropped; empty when it was not.
        pooling_contradiction: Why runs were not pooled as the stage says they may be; empty when they were.
        has_ended: False: it goes on, or was killed.
    """

    study: StudySpec
    records: tuple[TrialRecord, ...]
    provenance: Mapping[str, Any]
    interrupted_by: str = ""
    failure: str = ""
    finish_reason: str = ""
    certified: Certified
    prior_contradiction: str = ""
    pooling_contradiction: str = ""
    has_ended: bool = True

    @classmethod
    def of(
        cls, advisor: Advisor, provenance: Mapping[str, Any], *, interrupted_by: str = "", failure: str = ""
    ) -> RunResult:
        """What an advisor that is asked no more has to say."""
        return cls(
            study=advisor.study,
            records=advisor.records,
            provenance=provenance,
            interrupted_by=interrupted_by,
            failure=failure,
            finish_reason=advisor.finish_reason,
            certified=advisor.certified,
            prior_contradiction=advisor.prior_contradiction,
            pooling_contradiction=advisor.pooling_contradiction,
        )

    @property
    def conclusion(self) -> Conclusion:
        """What the records say."""
        memory_gib = self.provenance["device"].get("memory_gib")
        row = None if self.provenance["hardware_mismatch"] else self.study.hardware.guide
        device = Device(memory_gib=memory_gib, guide_speedup=row.speedup if row else None)
        terms = self.study.certificate
        return conclude(self.records, self.study.goal, self.certified, terms=terms, device=device)

    @property
    def status(self) -> str:
        """`failed`, `not ended`, `interrupted`, or the study's outcome."""
        if self.failure:
            return "failed"
        if not self.has_ended:
            return "not ended"
        return "interrupted" if self.interrupted_by else self.conclusion.outcome.value

    @property
    def finding(self) -> str:
        """What was found in one honest sentence, told apart when the run did not come to its end."""
        if self.failure:
            return f"The run failed ({self.failure}); so far: {self.conclusion.sentence}"
        if not self.has_ended:
            return f"This run has not ended; so far: {self.conclusion.sentence}"
        early = f"Interrupted by {self.interrupted_by}; so far: " if self.interrupted_by else ""
        return early + self.conclusion.sentence

    @property
    def sentence(self) -> str:
        """What was found, and what the certificate says of it."""
        certificate = self.conclusion.certificate
        return self.finding + (f" {certificate.sentence}" if certificate else "")


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
        "speedup": found.speedup if found else None,
        "margin_pct": found.margin_pct if found else None,
        "certified": conclusion.is_certified,
        "certificate": None if certificate is None else certificate.as_dict(),
        "sentence": result.sentence,
        "finish_reason": result.finish_reason,
        "prior_contradiction": result.prior_contradiction,
        "pooling_contradiction": result.pooling_contradiction,
        "provenance": dict(result.provenance),
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
    best = found.estimate
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
            "speedup": None if found.speedup is None else round(found.speedup, 3),
            "target": result.study.target.text,
            "limits": [limit.text for limit in result.study.limits],
            **result.provenance,
        }
    }
    head = f"# {result.sentence}\n"
    return head + yaml.safe_dump(body, sort_keys=False, allow_unicode=True, width=1000)


def trials_csv(result: RunResult) -> str:
    """`trials_table` as CSV."""
    columns, rows = trials_table(result)
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def trials_table(result: RunResult) -> tuple[list[str], list[dict[str, Any]]]:
    """Columns, and a row a trial; figures of one that did not run to its full budget are marked censored."""
    records, baseline = result.records, baseline_estimate(result.records)
    names = sorted({name for record in records for name in dict(record.config.extra)})
    goal = result.study.goal
    rows = [_row(record, goal.reached_by(record, baseline)) for record in records]
    return ["trial_id", "purpose", "state", *PIPELINE_KEYS, *names, *_CSV_FIGURES], rows


_FROM_LAST = (
    "setup_time_s",
    "warmup_time_s",
    "evaluate_time_s",
    "cpu_time_s",
    "load_average",
    "checkpoint_time_s",
    "data_wait_s",
    "step_time_median_s",
    "step_time_mad_s",
    "contended",
    "contended_reason",
    "peak_reserved_gib",
    "num_alloc_retries",
    "gpu_util_pct",
    "gpu_memory_gib",
    "power_w",
    "energy_j",
    "temperature_c",
    "sm_clock_mhz",
    "device",
)
_CSV_FIGURES = (
    "seed",
    "epoch",
    "num_epochs",
    "nrmse",
    "time_s",
    "projected_time_s",
    "censored",
    "time_to_target_s",
    "time_to_target_censored",
    "peak_memory_gib",
    *_FROM_LAST,
    "constraint",
    "reason",
)


def _row(record: TrialRecord, reached: TimeToTarget | None) -> dict[str, Any]:
    last = record.last
    return {
        "trial_id": record.trial_id,
        "purpose": record.purpose.value,
        "state": record.state.value,
        **record.config.as_dict(),
        "seed": record.seed,
        "epoch": record.epoch,
        "num_epochs": record.num_epochs,
        "nrmse": record.nrmse,
        "time_s": record.time_s,
        "projected_time_s": record.projected_time_s,
        "censored": record.is_censored,
        "time_to_target_s": reached.seconds if reached else None,
        "time_to_target_censored": reached.is_censored if reached else None,
        "peak_memory_gib": record.peak_memory_gib,
        **({name: getattr(last, name) for name in _FROM_LAST} if last else {}),
        "constraint": record.constraint,
        "reason": record.reason,
    }


def exit_code(result: RunResult) -> int:
    """0 exactly when a configuration is recommended, else 1; signals have codes of their own."""
    return 0 if result.conclusion.outcome is StudyOutcome.RECOMMENDED else 1
