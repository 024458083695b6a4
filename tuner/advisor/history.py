"""The trials of a journal as records, without asking an advisor: what happened, whoever decided it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from tuner.core.config import TrialConfig
from tuner.core.measurement import Measurement
from tuner.core.prior import Prior
from tuner.core.traits import StageTraits
from tuner.core.trial import Purpose, TrialRecord, TrialState
from tuner.records.journal import Event


def records_of(events: Iterable[Event]) -> list[TrialRecord]:
    """Every trial of a journal, in the order of asking; those whose end it does not tell are running."""
    return list({record.trial_id: record for _, record in changes(events) if record is not None}.values())


def changes(events: Iterable[Event]) -> Iterator[tuple[Event, TrialRecord | None]]:
    """Every event with the new record of the trial that it changed; None where it changed none."""
    records: dict[str, TrialRecord] = {}
    for event in events:
        record = _changed(event, records)
        if record is not None:
            records[record.trial_id] = record
        yield event, record


def _changed(event: Event, records: Mapping[str, TrialRecord]) -> TrialRecord | None:
    what = event["event"]
    if what == "ask":
        return _asked(event["answer"]) if event["answer"]["kind"] == "run" else None
    if what not in ("observe", "stop", "tell") or event["trial_id"] not in records:
        return None  # of a probe, or of no trial at all
    record = records[event["trial_id"]]
    if what == "observe":
        return record.observed(Measurement.from_dict(event["measurement"]))
    if what == "stop":
        return replace(record, reason=event["reason"])
    state = TrialState(event["state"])
    return record.ended(state, reason=event["reason"], constraint=event["constraint"])


def _asked(answer: Mapping[str, Any]) -> TrialRecord:
    """The trial that an answer of `ask` starts."""
    return TrialRecord(
        trial_id=answer["trial_id"],
        config=TrialConfig.from_dict(answer["config"]),
        seed=answer["seed"],
        num_epochs=answer["num_epochs"],
        purpose=Purpose(answer["purpose"]),
    )


def known_at_start(start: Event) -> tuple[StageTraits, Prior | None]:
    """What a run knew before its first trial: of the stage and its device, and from an earlier run."""
    prior = Prior.from_dict(start["prior"]) if start.get("prior") else None
    return StageTraits.from_dict(start["traits"]), prior
