"""A run from its folder alone: its study, its trials, when each of them ran, and how it ended.

The folder of a run that goes on, ended, was interrupted or was killed. Reads the journal and the study; asks
no advisor (`tuner.advisor.rebuild` does).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import count
from pathlib import Path
from typing import Any

from tuner.advisor.history import records_of
from tuner.core.config import TrialConfig
from tuner.core.recommend import Certified
from tuner.core.trial import TrialRecord
from tuner.errors import RecordsError
from tuner.records.journal import Event, Journal, read_journal
from tuner.report.result import RunResult
from tuner.spec import StudySpec, load_study


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """When a worker was occupied with one trial or probe.

    Attributes:
        trial_id: Of the trial or the probe.
        purpose: Of the trial, or `probe`.
        start_s: Seconds since the study began, when it was asked.
        end_s: When its end was told; None while it runs.
        worker: Which of the workers, from 0: the first that was free.
    """

    trial_id: str
    purpose: str
    start_s: float
    end_s: float | None
    worker: int


@dataclass(frozen=True, kw_only=True)  # no slots: what takes long is worked out once
class PastRun:
    """A run's folder, read.

    Attributes:
        folder: Of the run.
        study: As resolved when it began.
        events: The journal, oldest first.
        failure: The error that ended it, which its journal does not hold; empty when none is known.
    """

    folder: Path
    study: StudySpec
    events: tuple[Event, ...]
    failure: str = ""

    @property
    def wanted(self) -> StudySpec:
        """The study with what was asked of it since it began: a firm certificate, more hours."""
        study = self.study
        for event in self.events:
            if event["event"] == "certify":
                looked = event.get("looked", 0)  # a journal of before that was written lacks it
                hours = event["hours"]
                study = study.with_overrides(hours=hours, until_firm=True, looked=looked)
        return study

    @property
    def provenance(self) -> Mapping[str, Any]:
        """Where its figures come from."""
        return dict(self.events[0]["provenance"])

    @property
    def num_workers(self) -> int:
        """Trials at once."""
        return int(self.events[0]["num_workers"])

    @property
    def end(self) -> Event | None:
        """What it said at its end; None while it runs, or when it was killed."""
        return self.events[-1] if self.events[-1]["event"] == "end" else None

    @cached_property
    def elapsed_s(self) -> float:
        """Seconds of the newest event since the study began."""
        return max(float(event["elapsed_s"]) for event in self.events if event["event"] != "end")

    @cached_property
    def records(self) -> tuple[TrialRecord, ...]:
        """Every trial, in the order of asking."""
        return tuple(records_of(self.events))

    @cached_property
    def spans(self) -> tuple[Span, ...]:
        """Every trial and probe, in the order of asking."""
        return _spans(self.events)

    @property
    def is_simulated(self) -> bool:
        """Whether its figures are of a simulation."""
        return bool(self.provenance["device"]["kind"] == "simulated")

    @cached_property
    def result(self) -> RunResult:
        """What the outputs are made from; a run that has not come to its end recommends nothing yet."""
        said: dict[str, str] = {"failure": self.failure}
        certified: Certified = {}
        if self.end is not None:
            names = ("finish_reason", "prior_contradiction", "pooling_contradiction", "interrupted_by")
            said |= {name: self.end[name] for name in names}
            certified = {TrialConfig.from_dict(config): p for config, p in self.end["certified"]}
        return RunResult(
            study=self.wanted,
            records=self.records,
            provenance=self.provenance,
            certified=certified,
            has_ended=self.end is not None or bool(self.failure),
            **said,
        )


def write_end(journal: Journal, elapsed_s: float, result: RunResult) -> None:
    """Writes the last event: how the run ended, and what may be recommended.

    Raises:
        RecordsError: See `Journal.append`.
    """
    journal.append(
        "end",
        elapsed_s=elapsed_s,
        status=result.status,
        finish_reason=result.finish_reason,
        prior_contradiction=result.prior_contradiction,
        pooling_contradiction=result.pooling_contradiction,
        interrupted_by=result.interrupted_by,
        certified=[[config.as_dict(), probability] for config, probability in result.certified.items()],
    )


def read_past_run(folder: Path) -> PastRun:
    """Reads the folder of a run, `runs/last` included.

    Raises:
        RecordsError: It is not such a folder, or its journal is broken.
        SpecError: Its study.yaml is broken.
    """
    missing = [name for name in ("journal.jsonl", "study.yaml") if not (folder / name).is_file()]
    if missing:
        raise RecordsError(
            f"{folder}: there is no {' and no '.join(missing)} in it.",
            "name the folder of a run, such as runs/last.",
        )
    events = tuple(read_journal(folder / "journal.jsonl"))
    if not events or events[0]["event"] != "start" or "provenance" not in events[0]:
        raise RecordsError(
            f"{folder / 'journal.jsonl'}: it does not begin with the start of a run.",
            "name a run of this version of distill-tuner.",
        )
    return PastRun(folder=folder.resolve(), study=load_study(str(folder / "study.yaml")), events=events)


def _spans(events: Sequence[Event]) -> tuple[Span, ...]:
    """One for each ask that was answered with work; each goes to the first worker that is free."""
    spans: dict[str, Span] = {}
    busy: dict[str, int] = {}
    for event in events:
        now_s, answer = float(event["elapsed_s"]), event.get("answer", {})
        if event["event"] == "ask" and "trial_id" in answer:
            trial_id = answer["trial_id"]
            busy[trial_id] = next(w for w in count() if w not in busy.values())
            spans[trial_id] = Span(
                trial_id=trial_id,
                purpose=answer.get("purpose", answer["kind"]),
                start_s=now_s,
                end_s=None,
                worker=busy[trial_id],
            )
        elif event["event"] in ("tell", "probed") and busy.pop(event["trial_id"], None) is not None:
            spans[event["trial_id"]] = replace(spans[event["trial_id"]], end_s=now_s)
    return tuple(spans.values())
