"""Replaying a journal: the same calls to a fresh advisor give the same answers, or an error.

A test that an advisor is deterministic. `--resume` does not need it: it rests on what the journal says.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from tuner.advisor.advisor import Advisor
from tuner.advisor.messages import Wait, ask_as_dict, ending_of_dict, probe_of_dict
from tuner.core.measurement import Measurement
from tuner.core.study import StudySpec
from tuner.core.traits import StageTraits
from tuner.core.trial import TrialRecord
from tuner.errors import RecordsError
from tuner.runs.basis import start_of
from tuner.runs.facts import fold
from tuner.runs.lines import Event
from tuner.scheduling import Stop


def records_of(events: Iterable[Event]) -> list[TrialRecord]:
    """Returns every trial of a journal, in the order of asking; those without a told end are running."""
    return list(fold(list(events)).records.values())


def replay(events: Iterable[Event], advisor: Advisor) -> Advisor:
    """Makes the journal's calls to a fresh advisor, and gives that advisor back.

    Events that are no calls (start, resume, stop, prior_dropped, pooling_dropped, end) are passed over; what
    is stopped or dropped is checked against what the advisor says.

    Args:
        events: As `read_journal` yields them.
        advisor: Made from the study of the same journal, never asked before.

    Raises:
        RecordsError: The advisor answers otherwise than the journal says: another version or
            another study.
    """
    pending: tuple[str, str] | None = None
    for event in events:
        match event["event"]:
            case "ask":
                _replay_ask(event, advisor)
            case "observe":
                measurement = Measurement.from_dict(event["measurement"])
                decision = advisor.observe(event["trial_id"], measurement, event["elapsed_s"])
                pending = (event["trial_id"], decision.reason) if isinstance(decision, Stop) else None
            case "stop":
                if pending != (event["trial_id"], event["reason"]):
                    raise _differs(event, pending)
            case "probed":
                results = [probe_of_dict(result) for result in event["results"]]
                advisor.probed(event["trial_id"], results, event["elapsed_s"])
            case "tell":
                advisor.tell(event["trial_id"], ending_of_dict(event))
            case "retry":
                advisor.retry()
            case "certify":
                advisor.certify(event["hours"])
            case "prior_dropped":
                _check_dropped(event, advisor.warm_start_contradiction)
            case "pooling_dropped":
                _check_dropped(event, advisor.pooling_contradiction)
    return advisor


def _check_dropped(event: Event, reason: str) -> None:
    if event["reason"] != reason:
        raise _differs(event, reason)


def rebuild(study: StudySpec, events: Sequence[Event]) -> Advisor:
    """The advisor of a run, from its journal alone.

    Args:
        study: As the run's folder keeps it.
        events: The whole journal, or any prefix that holds its start.

    Raises:
        RecordsError: See `replay`.
    """
    start = start_of(events)
    advisor = Advisor(study, num_workers=start.num_workers, traits=start.traits, warm_start=start.warm_start)
    return replay(events, advisor)


def _replay_ask(event: Event, advisor: Advisor) -> None:
    answer = advisor.ask(event["elapsed_s"])
    if isinstance(answer, Wait) or ask_as_dict(answer) != event["answer"]:
        raise _differs(event, ask_as_dict(answer))


def _differs(event: Event, answer: Any) -> RecordsError:
    return RecordsError(
        f"the journal says {event}, but replaying it gives {answer}.",
        "replay it with the version of distill-tuner and the study.yaml it was written with.",
    )


START = {
    "event": "start",
    "elapsed_s": 0.0,
    "provenance": {"device": {"kind": "cpu", "name": "any"}},
    "traits": StageTraits().as_dict(),
    "num_workers": 1,
}
"""The least first line of a journal; its study is not in it."""


def recalled(events: Sequence[Event], advisor: Advisor) -> Advisor:
    """The advisor, once it was told what a journal without its first line holds; it decides nothing again."""
    advisor.recall(fold([START, *events]).heard)
    return advisor
