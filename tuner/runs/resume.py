"""Continues a run that was killed or interrupted: the same folder, the same journal, all that it holds.

What was finished is taken over as it was measured and decided; what was running is lost, and asked again,
from its newest checkpoint where there is one. The budget goes on where it stood: only seconds in which the
run ran count.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tuner.advisor import Ending
from tuner.certificate import Verdict, next_run
from tuner.errors import ResumeError
from tuner.runs.changes import refuse, study_changes, version_changes
from tuner.runs.checkpoints import Checkpoints
from tuner.runs.ending import Outputs
from tuner.runs.folder import write_study
from tuner.runs.journal import Journal
from tuner.runs.journaled import JournaledAdvisor
from tuner.runs.open_run import OpenRun
from tuner.runs.past_run import PastRun, read_past_run
from tuner.runs.restore import advisor_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """A run that nobody else can go on with now.

    Attributes:
        past: The run, as its folder describes it.
        journal: Open, so that no other process writes to it.
    """

    past: PastRun
    journal: Journal


def hold(folder: Path, versions: Mapping[str, str], outputs: Outputs, *, certify: bool = False) -> Held:
    """Takes a run, and refuses what can be seen before Ray is started.

    Args:
        folder: Folder of the run.
        versions: Versions of this process's packages.
        outputs: Says what the run found, where that is why it is refused.
        certify: Whether its certificate is to become firm: then it may have come to its end.

    Raises:
        ResumeError: The run has come to its end, it was simulated, or its study or a version that its figures
            depend on is no longer what it began with.
        TunerError: The folder is not a run's, or a process still works on it.
    """
    _check_resumable(read_past_run(folder), versions, outputs, certify=certify)  # before anything is cut off
    journal = Journal(folder / "journal.jsonl", reopen=True)
    try:
        past = read_past_run(folder)  # again: it may have gone on until it was held
        _check_resumable(past, versions, outputs, certify=certify)
    except BaseException:
        journal.close()
        raise
    return Held(past=past, journal=journal)


def _check_resumable(past: PastRun, versions: Mapping[str, str], outputs: Outputs, *, certify: bool) -> None:
    if past.is_simulated:
        raise ResumeError(
            f"--resume {past.folder}: that run is simulated and takes only seconds.", "simulate it again."
        )
    end = past.end if past.end and not past.end.interrupted_by else None
    if end and not certify:
        raise ResumeError(
            f"--resume {past.folder}: that run has come to its end: {end.finish_reason}.",
            "start a new one with --space; --warm-start keeps what this one learned. Continue an undecided "
            "certificate with --certify.",
        )
    refuse(past, [*study_changes(past), *version_changes(past, versions)])
    if end:
        _check_undecided(past, outputs)


def _check_undecided(past: PastRun, outputs: Outputs) -> None:
    """Refuses a certificate on which further runs would decide nothing."""
    certificate = past.result.conclusion.certificate
    if certificate is None or certificate.verdict is not Verdict.UNDECIDED:
        said = outputs.verdict(certificate) if certificate else outputs.sentence(past.result)
        raise ResumeError(
            f"--resume {past.folder} --certify: there is nothing left to decide. {said}",
            "start a new run with --space.",
        )
    wanted = next_run(
        past.records,
        certificate.config,
        certificate.baseline,
        past.study.goal,
        certificate.firm_terms,
        guide=past.study.guide,
        first_seed=past.study.seed,
    )
    if wanted is None:
        raise ResumeError(
            f"--resume {past.folder} --certify: there is nothing more to run. {outputs.verdict(certificate)}",
            "start a new run with --space FILE --certify: with a wider certificate.nrmse_margin_pct or "
            "another target in its study, or on a quieter machine.",
        )


def resume(
    held: Held, provenance: Mapping[str, Any], *, certify: bool = False, more_hours: float | None = None
) -> OpenRun:
    """Sets up the advisor; what was running is discarded and asked again, and so is a baseline that failed.

    Args:
        held: The run.
        provenance: Provenance of this process, which the journal keeps.
        certify: Whether its certificate is to become firm.
        more_hours: Hours to spend beyond those already taken; None for what is left of the budget.
    """
    past, journal = held.past, held.journal
    advisor = advisor_of(past.study, past.facts)
    if not (past.folder / "study.yaml").is_file():
        write_study(past.folder, past.study)
    journal.append("resume", elapsed_s=past.elapsed_s, provenance=provenance)
    told = JournaledAdvisor(advisor, journal, lambda: past.elapsed_s, checkpoints=Checkpoints(past.folder))
    for trial_id in advisor.open_ids:
        told.tell(trial_id, Ending.discarded("the run was killed"))
    if advisor.is_broken:
        told.retry()
    if certify:
        told.certify(None if more_hours is None else past.elapsed_s / 3600 + more_hours)
    return OpenRun(
        folder=past.folder,
        advisor=advisor,
        journal=journal,
        provenance=dict(past.provenance),
        elapsed_s=past.elapsed_s,
    )
