"""The one fold of a journal into facts: what its lines say, and what they add up to.

Whatever a journal is read for (going on, the report, the sinks, `status`, a warm start) comes from here. Only
`journaled`, which writes the lines, knows their form besides. No decision is made again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import count
from typing import Any

from tuner.advisor.facts import (
    Asked,
    CertifyOrdered,
    Ended,
    Fact,
    Heard,
    PoolingDropped,
    ProbeDone,
    Reported,
    Retried,
    StopOrdered,
    WarmStartDropped,
    record_after,
)
from tuner.advisor.messages import (
    Probe,
    Run,
    ask_of_dict,
    ending_of_dict,
    probe_of_dict,
)
from tuner.core.config import TrialConfig
from tuner.core.measurement import Measurement
from tuner.core.recommend import Admitted
from tuner.core.trial import TrialRecord
from tuner.runs.basis import PLACE, Basis, Changes, Start, located_line, start_of
from tuner.runs.lines import Event
from tuner.runs.shapes import check_shape


@dataclass(frozen=True, slots=True, kw_only=True)
class End:
    """A journal's last line, where the run came to an end.

    Attributes:
        status: Status of the run; see `RunResult`.
        finish_reason: Reason for the end; see `RunResult`.
        warm_start_contradiction: Why the warm start was dropped; see `RunResult`.
        pooling_contradiction: Why runs are not pooled; see `RunResult`.
        probing_given_up: Why no more probes were asked for; see `RunResult`.
        interrupted_by: Signal that interrupted the run; see `RunResult`.
        admitted: Configurations that may be recommended; see `RunResult`.
    """

    status: str
    finish_reason: str
    warm_start_contradiction: str
    pooling_contradiction: str
    probing_given_up: str
    interrupted_by: str
    admitted: Admitted


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """A span in which a worker was occupied with one trial or probe.

    Attributes:
        trial_id: Id of the trial or the probe.
        purpose: Purpose of the trial, or `probe`.
        start_s: Seconds since the study began, when it was asked.
        end_s: Seconds at which its end was told; None while it runs.
        worker: Number of the worker, from 0: the first that was free.
    """

    trial_id: str
    purpose: str
    start_s: float
    end_s: float | None
    worker: int


@dataclass(slots=True)
class Facts:
    """The sum of a journal's lines; `take` adds one more.

    Attributes:
        start: The first line.
        end: The last line, when it says how the run ended; None while it goes on, or when it was killed.
        heard: Everything asked and heard, in order.
        records: Every trial by its id, in the order of asking; those whose end is not told are running.
        spans: Every trial and probe by its id, in the order of asking.
        told_s: Time at which each trial and probe was last heard of, seconds since the run began.
        elapsed_s: Seconds of the newest line before the end.
        num_lost: Trials and probes whose worker was lost, or which were discarded.
        num_lines: Lines so far, the first included.
        basis: What the figures depend on.
        places: Fingerprints of where the run's folder was when it was begun or resumed.
        changes: What had changed, for each time that the run was resumed after something had.
    """

    start: Start
    end: End | None = None
    heard: list[Heard] = field(default_factory=list)
    records: dict[str, TrialRecord] = field(default_factory=dict)
    spans: dict[str, Span] = field(default_factory=dict)
    told_s: dict[str, float] = field(default_factory=dict)
    elapsed_s: float = 0.0
    num_lost: int = 0
    num_lines: int = 1
    changes: list[Changes] = field(default_factory=list)
    basis: Basis = field(init=False)
    places: set[str] = field(init=False)
    _busy: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.basis = Basis.of(self.start)
        self.places = {self.start.place} - {""}

    @property
    def provenance(self) -> Mapping[str, Any]:
        """The origin of the run's figures, with all that changed while it was resumed."""
        changes = [changes.as_dict() for changes in self.changes]
        return {**self.start.provenance, **({"changes": changes} if changes else {})}

    def take(self, event: Event) -> TrialRecord | None:
        """Takes the next line; the new record of the trial that it changed, None where it changed none.

        What comes after the end of its trial or probe, or a second time, changes nothing, as when the run
        heard it.

        Raises:
            RecordsError: The line has the wrong shape, or is of a trial that was never asked for.
        """
        self.num_lines += 1
        with located_line(self.num_lines):
            check_shape(event)
            self.end = _end(event) if event["event"] == "end" else None
            if self.end is None:
                self.elapsed_s = max(self.elapsed_s, float(event["elapsed_s"]))
            if event["event"] == "start":
                raise ValueError("a run starts in the first line only")
            if event["event"] == "resume":
                self._resume(event)
            fact = _fact(event)
            if fact is None or self._is_late(fact):
                return None
            return self._take(Heard(elapsed_s=float(event["elapsed_s"]), fact=fact))

    def _resume(self, event: Event) -> None:
        accepted, noted = (tuple(event.get(name, ())) for name in ("accepted", "noted"))
        self.basis = self.basis.after(event)
        self.places |= {event.get("provenance", {}).get(PLACE, "")} - {""}
        if accepted or noted:
            last = next(reversed(self.records), "")
            self.changes.append(Changes(after_trial=last, accepted=accepted, noted=noted))

    def _take(self, heard: Heard) -> TrialRecord | None:
        self.heard.append(heard)
        self._occupy(heard.fact, heard.elapsed_s)
        record = record_after(heard.fact, self.records)
        if record is not None:
            self.records[record.trial_id] = record
        return record

    def _is_late(self, fact: Fact) -> bool:
        """Whether a fact is of a trial or a probe that has ended.

        Raises:
            ValueError: It is of one that was never asked for, or asks for one a second time.
        """
        match fact:
            case Asked(answer=Run() | Probe() as answer):
                if answer.trial_id in self.spans:
                    raise ValueError(f"trial {answer.trial_id!r} is asked for a second time")
                if isinstance(answer, Run) and answer.resumed_from:
                    self._check_known(answer.resumed_from, self.records)
            case Reported() | StopOrdered():
                self._check_known(fact.trial_id, self.records)
                return fact.trial_id not in self._busy
            case Ended() | ProbeDone():
                self._check_known(fact.trial_id, self.spans)
                return fact.trial_id not in self._busy
        return False

    @staticmethod
    def _check_known(trial_id: str, known: Mapping[str, object]) -> None:
        if trial_id not in known:
            raise ValueError(f"trial {trial_id!r} was never asked for")

    def _occupy(self, fact: Fact, now_s: float) -> None:
        """Gives each trial or probe to the first worker that is free."""
        match fact:
            case Asked(answer=Run() | Probe() as answer):
                trial_id = answer.trial_id
                worker = next(w for w in count() if w not in self._busy.values())
                self._busy[trial_id] = worker
                purpose = answer.purpose.value if isinstance(answer, Run) else "probe"
                self.spans[trial_id] = Span(
                    trial_id=trial_id, purpose=purpose, start_s=now_s, end_s=None, worker=worker
                )
            case Ended() | ProbeDone():
                trial_id = fact.trial_id
                self.num_lost += isinstance(fact, Ended) and fact.ending.is_lost
                del self._busy[trial_id]
                self.spans[trial_id] = replace(self.spans[trial_id], end_s=now_s)
            case Reported() | StopOrdered():
                trial_id = fact.trial_id
            case _:
                return
        self.told_s[trial_id] = now_s


def fold(events: Sequence[Event]) -> Facts:
    """Adds up a journal, or any prefix of it that holds its first line.

    Raises:
        RecordsError: The journal does not begin with the start of a run, or a line is wrong: `Facts.take`.
    """
    facts = Facts(start=start_of(events))
    for event in events[1:]:
        facts.take(event)
    return facts


def _end(event: Event) -> End:
    names = ("status", "finish_reason", "pooling_contradiction", "probing_given_up", "interrupted_by")
    return End(
        **{name: event.get(name, "") for name in names},
        warm_start_contradiction=event.get("prior_contradiction", ""),
        admitted={
            TrialConfig.from_dict(config): p
            for config, p in event["admitted" if "admitted" in event else "certified"]
        },
    )


def _fact(event: Event) -> Fact | None:  # noqa: PLR0911  # one line for each kind of event
    """Returns the fact in a line; None if it is neither asked nor heard: start, resume, end."""
    match event["event"]:
        case "ask":
            return Asked(answer=ask_of_dict(event["answer"]))
        case "observe":
            return Reported(
                trial_id=event["trial_id"], measurement=Measurement.from_dict(event["measurement"])
            )
        case "stop":
            return StopOrdered(trial_id=event["trial_id"], reason=event["reason"])
        case "tell":
            return Ended(trial_id=event["trial_id"], ending=ending_of_dict(event))
        case "probed":
            results = tuple(probe_of_dict(result) for result in event["results"])
            return ProbeDone(trial_id=event["trial_id"], results=results)
        case "retry":
            return Retried()
        case "certify":
            looked, looked_runs = event.get("looked", 0), event.get("looked_runs", 0)
            return CertifyOrdered(hours=event["hours"], looked=looked, looked_runs=looked_runs)
        case "prior_dropped":
            return WarmStartDropped(reason=event["reason"])
        case "pooling_dropped":
            return PoolingDropped(reason=event["reason"])
    return None
