"""Rebuilding an advisor from its journal: the same calls, and the same answers or an error.

A journal ends where its process did: in mid-study, between any two events.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from tuner.advisor.advisor import Advisor
from tuner.advisor.history import known_at_start
from tuner.advisor.messages import Ending, Wait, ask_as_dict, probe_of_dict
from tuner.core.measurement import Measurement
from tuner.core.trial import TrialState
from tuner.errors import RecordsError
from tuner.records.journal import Event
from tuner.scheduling import Stop
from tuner.spec import StudySpec


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
                advisor.tell(event["trial_id"], _ending(event))
            case "certify":
                advisor.certify(event["hours"])
            case "prior_dropped":
                if event["reason"] != advisor.prior_contradiction:
                    raise _differs(event, advisor.prior_contradiction)
            case "pooling_dropped":
                if event["reason"] != advisor.pooling_contradiction:
                    raise _differs(event, advisor.pooling_contradiction)
    return advisor


def rebuild(study: StudySpec, events: Sequence[Event]) -> Advisor:
    """The advisor of a run, from its journal alone.

    Args:
        study: As the run's folder keeps it.
        events: The whole journal, or any prefix that holds its start.

    Raises:
        RecordsError: See `replay`.
    """
    start = events[0]
    traits, prior = known_at_start(start)
    return replay(events, Advisor(study, num_workers=start["num_workers"], traits=traits, prior=prior))


def _replay_ask(event: Event, advisor: Advisor) -> None:
    answer = advisor.ask(event["elapsed_s"])
    if isinstance(answer, Wait) or ask_as_dict(answer) != event["answer"]:
        raise _differs(event, ask_as_dict(answer))


def _ending(event: Event) -> Ending:
    return Ending(
        state=TrialState(event["state"]),
        reason=event["reason"],
        constraint=event["constraint"],
        is_lost=event["is_lost"],
    )


def _differs(event: Event, answer: Any) -> RecordsError:
    return RecordsError(
        f"the journal says {event}, but replaying it gives {answer}.",
        "replay it with the version of distill-tuner and the study.yaml it was written with.",
    )
