"""A run from its folder alone: its study, its trials, when each of them ran, and how it ended.

The folder of a run that goes on, ended, was interrupted or was killed. Reads the journal and the study; asks
no advisor. Without its study.yaml, the study is the one in the journal.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from tuner.advisor.facts import CertifyOrdered
from tuner.core.study import StudySpec
from tuner.core.trial import TrialRecord
from tuner.errors import RecordsError
from tuner.runs.facts import End, Facts, Span, fold
from tuner.runs.journal import Journal, journal_of, read_journal
from tuner.runs.lines import Event
from tuner.runs.result import RunResult
from tuner.spec import load_study, study_from_text
from tuner.spec.yaml_format import write_yaml


@dataclass(frozen=True, kw_only=True)  # no slots: what takes long is worked out once
class PastRun:
    """The content of a run's folder.

    Attributes:
        folder: The run's folder.
        study: The study in its study.yaml: the resolved study, unless somebody has edited the file.
        events: The journal, oldest first.
        failure: The error that ended it, which its journal does not hold; empty when none is known.
    """

    folder: Path
    study: StudySpec
    events: tuple[Event, ...]
    failure: str = ""

    @cached_property
    def facts(self) -> Facts:
        """The facts that its journal adds up to.

        Raises:
            RecordsError: The events are not those of a run; those of `read_past_run` are.
        """
        return fold(self.events)

    def facts_after(self, event: Event) -> Facts:
        """Returns the facts as they are after one more line; those of this run stay as they are."""
        return fold([*self.events, event])

    @property
    def wanted(self) -> StudySpec:
        """The study with what was asked of the run since it began: a firm certificate, more hours."""
        study = self.study
        for heard in self.facts.heard:
            if isinstance(heard.fact, CertifyOrdered):
                order = heard.fact
                study = study.with_overrides(
                    hours=order.hours,
                    until_firm=True,
                    looked=order.looked,
                    looked_runs=order.looked_runs,
                )
        return study

    @cached_property
    def study_so_far(self) -> StudySpec:
        """The study that the run was last begun or resumed with, from its journal.

        Raises:
            SpecError: This version of distill-tuner does not accept it.
        """
        return _study_of(self.facts.basis.study, self.folder)

    @property
    def provenance(self) -> Mapping[str, Any]:
        """The origin of its figures."""
        return self.facts.provenance

    @property
    def num_workers(self) -> int:
        """Number of trials that run at once."""
        return self.facts.basis.num_workers

    @property
    def end(self) -> End | None:
        """The end of the run, as it said; None while it runs, or when it was killed."""
        return self.facts.end

    @property
    def elapsed_s(self) -> float:
        """Seconds of the newest event since the study began."""
        return self.facts.elapsed_s

    @cached_property
    def records(self) -> tuple[TrialRecord, ...]:
        """The records of every trial, in the order of asking."""
        return tuple(self.facts.records.values())

    @cached_property
    def spans(self) -> tuple[Span, ...]:
        """The spans of every trial and probe, in the order of asking."""
        return tuple(self.facts.spans.values())

    @property
    def is_simulated(self) -> bool:
        """Whether its figures are of a simulation."""
        return bool(self.provenance["device"]["kind"] == "simulated")

    @cached_property
    def result(self) -> RunResult:
        """The result from which outputs are made; a run that has not ended recommends nothing yet."""
        said: dict[str, Any] = {"failure": self.failure, "admitted": {}}
        if (end := self.end) is not None:
            said |= {
                "finish_reason": end.finish_reason,
                "warm_start_contradiction": end.warm_start_contradiction,
                "pooling_contradiction": end.pooling_contradiction,
                "probing_given_up": end.probing_given_up,
                "interrupted_by": end.interrupted_by,
                "admitted": end.admitted,
            }
        return RunResult(
            study=self.wanted,
            records=self.records,
            provenance=self.provenance,
            has_ended=end is not None or bool(self.failure),
            **said,
        )


def write_end(journal: Journal, elapsed_s: float, result: RunResult) -> None:
    """Writes the last event: how the run ended, and what may be recommended.

    Raises:
        RecordsError: The line cannot be written; see `Journal.append`.
    """
    journal.append(
        "end",
        elapsed_s=elapsed_s,
        status=result.status,
        finish_reason=result.finish_reason,
        prior_contradiction=result.warm_start_contradiction,
        pooling_contradiction=result.pooling_contradiction,
        probing_given_up=result.probing_given_up,
        interrupted_by=result.interrupted_by,
        admitted=[[config.as_dict(), probability] for config, probability in result.admitted.items()],
    )


def read_past_run(folder: Path) -> PastRun:
    """Reads the folder of a run, `runs/last` included.

    Raises:
        RecordsError: The folder is not a run's, its journal is broken, or a newer version wrote it.
        SpecError: The study.yaml is broken, or is missing and this version does not accept the journal's.
    """
    path, file = journal_of(folder), folder / "study.yaml"
    events = tuple(read_journal(path))
    with located(path):
        facts = fold(events)
    study = load_study(str(file)) if file.is_file() else _study_of(facts.basis.study, folder)
    past = PastRun(folder=folder.resolve(), study=study, events=events)
    vars(past)["facts"] = facts  # its cached property, which is thus folded once
    return past


@contextmanager
def located(path: Path) -> Iterator[None]:
    """Says of what is wrong with a journal, which file it is."""
    try:
        yield
    except RecordsError as error:
        hint = error.hint or "name a run of this version of distill-tuner."
        raise RecordsError(f"{path}: {error.message}", hint) from error


def _study_of(study: Mapping[str, Any] | None, folder: Path) -> StudySpec:
    """The study that a journal holds, read as if it were the folder's study.yaml."""
    path = folder / "journal.jsonl"
    if study is None:
        raise RecordsError(f"{path}: it does not hold its study.", f"put study.yaml back into {folder}.")
    text = write_yaml(dict(study)).encode()
    return study_from_text(text, label=str(path), path=str(folder / "study.yaml"))
