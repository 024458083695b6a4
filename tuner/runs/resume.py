"""Continues a run that was killed or interrupted: the same folder, the same journal, all that it holds.

What was finished is taken over as it was measured and decided; what was running is lost, and asked again,
from its newest checkpoint where there is one. The budget goes on where it stood: only seconds in which the
run ran count.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from tuner.advisor import Ending
from tuner.certificate import Verdict, next_run
from tuner.errors import ResumeError
from tuner.runs.basis import PLACE, kept_source, place_of
from tuner.runs.changes import (
    Change,
    free_changes,
    other_versions,
    refuse,
    study_changes,
    version_changes,
    with_more,
)
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
        accept: Whether somebody accepts changes on which its measurements depend.
        accepted: Those that have been found so far.
    """

    past: PastRun
    journal: Journal
    accept: bool = False
    accepted: tuple[Change, ...] = ()

    def checked(self, changes: Sequence[Change]) -> Held:
        """Returns it with further changes accepted.

        Raises:
            ResumeError: They are not, or cannot be.
        """
        refuse(self.past, changes, accept=self.accept)
        return replace(self, accepted=with_more(self.accepted, changes))


def hold(
    past: PastRun,
    versions: Mapping[str, str],
    outputs: Outputs,
    *,
    certify: bool = False,
    accept: bool = False,
) -> Held:
    """Takes a run, and refuses what can be seen before Ray is started.

    Args:
        past: The run; it is read again if it has gone on since it was read.
        versions: Versions of this process's packages.
        outputs: Says what the run found, where that is why it is refused.
        certify: Whether its certificate is to become firm: then it may have come to its end.
        accept: Whether changes on which its measurements depend are accepted, as far as they can be.

    Raises:
        ResumeError: The run has come to its end, it was simulated, or its study or a version that its figures
            depend on is no longer what it began with, and that is not or cannot be accepted.
        TunerError: A process still works on it.
    """
    changes = _resumable(past, versions, outputs, certify=certify, accept=accept)
    journal = Journal(past.folder / "journal.jsonl", reopen=True)
    try:
        if journal.num_lines != len(past.events):
            past = read_past_run(past.folder)
            changes = _resumable(past, versions, outputs, certify=certify, accept=accept)
        return Held(past=past, journal=journal, accept=accept).checked(changes)
    except BaseException:
        journal.close()
        raise


def _resumable(
    past: PastRun, versions: Mapping[str, str], outputs: Outputs, *, certify: bool, accept: bool
) -> list[Change]:
    """Returns what has changed as far as can be seen without Ray, unless the run cannot go on.

    Asked before the journal is opened, which cuts off a line that is torn.
    """
    _check_resumable(past, outputs, certify=certify)
    changes = _changes(past, versions)
    refuse(past, changes, accept=accept)
    return changes


def _changes(past: PastRun, versions: Mapping[str, str]) -> list[Change]:
    return [*study_changes(past), *version_changes(past, versions)]


def _check_resumable(past: PastRun, outputs: Outputs, *, certify: bool) -> None:
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
    held: Held,
    provenance: Mapping[str, Any],
    *,
    certify: bool = False,
    more_hours: float | None = None,
    num_workers: int | None = None,
    stage_source: Mapping[str, str] | None = None,
) -> OpenRun:
    """Sets up the advisor; what was running is discarded and asked again, and so is a baseline that failed.

    Args:
        held: The run.
        provenance: Provenance of this process, which the journal keeps.
        certify: Whether its certificate is to become firm.
        more_hours: Hours to spend beyond those already taken; None for what is left of the budget.
        num_workers: Trials at once from now on; None for as many as before.
        stage_source: Fingerprints of the stage's source files; None where nobody has looked.
    """
    past, journal = held.past, held.journal
    kept = {**provenance, PLACE: place_of(past.folder)}
    if held.accepted or not past.facts.basis.knows_whole_source:
        kept |= kept_source(stage_source)
    event: dict[str, Any] = {
        "provenance": kept,
        "study": past.study.as_dict(),
        "num_workers": num_workers or past.num_workers,
        "accepted": [str(change) for change in held.accepted],
        "noted": [
            str(one) for one in (*free_changes(past), *other_versions(past, provenance.get("versions", {})))
        ],
    }
    facts = past.facts_after({"event": "resume", "elapsed_s": past.elapsed_s, **event})
    advisor = advisor_of(past.study, facts)
    if not (past.folder / "study.yaml").is_file():
        write_study(past.folder, past.study)
    journal.append("resume", elapsed_s=past.elapsed_s, **event)
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
        provenance=dict(facts.provenance),
        elapsed_s=past.elapsed_s,
    )
