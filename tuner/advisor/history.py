"""The trials of a journal as records, without asking an advisor: what happened, whoever decided it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from tuner.core.config import TrialConfig
from tuner.core.measurement import Measurement
from tuner.core.trial import Purpose, TrialRecord, TrialState
from tuner.records.journal import Event


def records_of(events: Iterable[Event]) -> list[TrialRecord]:
    """Every trial of a journal, in the order of asking; those whose end it does not tell are running."""
    records: dict[str, TrialRecord] = {}
    for event in events:
        if event["event"] == "ask" and event["answer"]["kind"] == "run":
            record = asked(event["answer"])
            records[record.trial_id] = record
        elif event["event"] == "observe":
            record = records[event["trial_id"]]
            records[record.trial_id] = record.observed(Measurement.from_dict(event["measurement"]))
        elif event["event"] == "stop":
            record = records[event["trial_id"]]
            records[record.trial_id] = replace(record, reason=event["reason"])
        elif event["event"] == "tell" and event["trial_id"] in records:
            record = records[event["trial_id"]]
            state = TrialState(event["state"])
            records[record.trial_id] = record.ended(
                state, reason=event["reason"], constraint=event["constraint"]
            )
    return list(records.values())


def asked(answer: Mapping[str, Any]) -> TrialRecord:
    """The trial that an answer of `ask` starts."""
    return TrialRecord(
        trial_id=answer["trial_id"],
        config=TrialConfig.from_dict(answer["config"]),
        seed=answer["seed"],
        num_epochs=answer["num_epochs"],
        purpose=Purpose(answer["purpose"]),
    )
