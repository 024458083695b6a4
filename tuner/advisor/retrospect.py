"""What a run's journal lets one believe, without asking an advisor what it would do next.

The events are put into knowledge in the order in which they were heard, so that the models are those the
advisor had at that moment. No decision is made again, and none is checked: that is `replay`'s.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from tuner.advisor.history import asked
from tuner.advisor.knowledge import Knowledge, problem_of
from tuner.advisor.messages import probe_of_dict, probed_of
from tuner.core.measurement import Measurement
from tuner.core.prior import Prior
from tuner.core.traits import StageTraits
from tuner.core.trial import TrialRecord, TrialState
from tuner.records.journal import Event
from tuner.spec import StudySpec


def knowledge_of(study: StudySpec, events: Sequence[Event]) -> Knowledge:
    """What was known when the last of the events was heard.

    Args:
        study: As the run's folder keeps it.
        events: The whole journal, or any prefix that holds its start.
    """
    start = events[0]
    prior = Prior.from_dict(start["prior"]) if start.get("prior") else None
    knowledge = Knowledge(problem_of(study, StageTraits.from_dict(start["traits"])), prior)
    records: dict[str, TrialRecord] = {}
    for event in events:
        match event["event"]:
            case "ask" if event["answer"]["kind"] == "run":
                record = asked(event["answer"])
                records[record.trial_id] = record
                knowledge.put(record)
            case "observe":
                record = records[event["trial_id"]]
                records[record.trial_id] = record.observed(Measurement.from_dict(event["measurement"]))
            case "stop":
                record = records[event["trial_id"]]
                records[record.trial_id] = replace(record, reason=event["reason"])
            case "tell" if event["trial_id"] in records:
                record = records[event["trial_id"]].ended(
                    TrialState(event["state"]), reason=event["reason"], constraint=event["constraint"]
                )
                records[record.trial_id] = record
                knowledge.put(record)
            case "probed":
                knowledge.put_probes(probed_of(probe_of_dict(result)) for result in event["results"])
    return knowledge
