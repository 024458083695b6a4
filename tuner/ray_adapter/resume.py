"""Going on with a run that was killed or interrupted: the same folder, the same journal, the same advisor.

What was finished is replayed, not run again; what was running is lost, and asked again. The budget goes on
where it stood: only seconds in which the run ran count.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tuner.advisor import Advisor, Ending, JournaledAdvisor, rebuild
from tuner.core.certificate import Verdict, next_run
from tuner.errors import TunerError
from tuner.records.journal import Journal
from tuner.report.past import PastRun, read_past_run


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenRun:
    """A run that has its folder, its journal and its advisor, and is about to run trials.

    Attributes:
        folder: Where everything is written.
        advisor: Knows all that the journal says.
        journal: Open for more.
        provenance: Of the process that began it.
        elapsed_s: Of the budget, spent before.
    """

    folder: Path
    advisor: Advisor
    journal: Journal
    provenance: dict[str, Any]
    elapsed_s: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """A run that nobody else can go on with now.

    Attributes:
        past: What its folder says.
        journal: Open, so that no other process writes to it.
    """

    past: PastRun
    journal: Journal


def hold(folder: Path, *, certify: bool = False) -> Held:
    """Takes a run, and refuses what can be seen before Ray is started.

    Args:
        folder: Of the run.
        certify: Whether its certificate is to become firm: then it may have come to its end.

    Raises:
        TunerError: It is no run's folder, a process still works on it, it has come to its end, or it was
            simulated.
    """
    _check_resumable(read_past_run(folder), certify=certify)  # before anything is cut off
    journal = Journal(folder / "journal.jsonl", reopen=True)
    try:
        past = read_past_run(folder)  # again: it may have gone on until it was held
        _check_resumable(past, certify=certify)
    except TunerError:
        journal.close()
        raise
    return Held(past=past, journal=journal)


def _check_resumable(past: PastRun, *, certify: bool) -> None:
    if past.is_simulated:
        raise TunerError(
            f"--resume {past.folder}: that run is simulated, and takes seconds.", "simulate it again."
        )
    if past.end is None or past.end["interrupted_by"]:
        return
    if not certify:
        raise TunerError(
            f"--resume {past.folder}: that run has come to its end: {past.end['finish_reason']}.",
            "start a new one with --space; --warm-start keeps what this one learnt. An undecided certificate "
            "goes on with --certify.",
        )
    certificate = past.result.conclusion.certificate
    if certificate is None or certificate.verdict is not Verdict.UNDECIDED:
        said = certificate.sentence if certificate else past.result.sentence
        raise TunerError(
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
        raise TunerError(
            f"--resume {past.folder} --certify: there is nothing more to run. {certificate.sentence}",
            "start a new run with --space FILE --certify: with a wider certificate.nrmse_margin_pct or "
            "another target in its study, or on a quieter machine.",
        )


def check_same_device(past: PastRun, device: Mapping[str, Any], num_workers: int) -> None:
    """Times of two devices do not mix.

    Raises:
        TunerError: The device, or the number of workers, is another.
    """
    before = past.provenance["device"]["name"], past.num_workers
    here = str(device["name"]), num_workers
    if before != here:
        raise TunerError(
            f"--resume {past.folder}: that run was on {before[1]} x {before[0]}, "
            f"and here is {here[1]} x {here[0]}.",
            "resume it there, or start a new run here with --warm-start.",
        )


def resume(
    held: Held, provenance: Mapping[str, Any], *, certify: bool = False, more_hours: float | None = None
) -> OpenRun:
    """Rebuilds the advisor; what was running is told lost.

    Args:
        held: The run.
        provenance: Of this process, which the journal keeps.
        certify: Whether its certificate is to become firm.
        more_hours: What that may take beyond what the run has taken; None: what is left of its budget.

    Raises:
        RecordsError: This version of distill-tuner decides otherwise than the one that wrote the journal.
    """
    past, journal = held.past, held.journal
    advisor = rebuild(past.study, past.events)
    journal.append("resume", elapsed_s=past.elapsed_s, provenance=provenance)
    told = JournaledAdvisor(advisor, journal, lambda: past.elapsed_s)
    for trial_id in advisor.open_ids:
        told.tell(trial_id, Ending.failed("the run was killed", is_lost=True))
    if certify:
        told.certify(None if more_hours is None else past.elapsed_s / 3600 + more_hours)
    return OpenRun(
        folder=past.folder,
        advisor=advisor,
        journal=journal,
        provenance=dict(past.provenance),
        elapsed_s=past.elapsed_s,
    )
