"""What a run's journal lets one believe, without asking an advisor what it would do next.

The events are put into knowledge in the order in which they were heard, so that the models are those the
advisor had at that moment. No decision is made again, and none is checked: that is `replay`'s.
"""

from __future__ import annotations

from collections.abc import Sequence

from tuner.advisor.history import changes, known_at_start
from tuner.advisor.knowledge import Knowledge, problem_of
from tuner.advisor.messages import probe_of_dict, probed_of
from tuner.records.journal import Event
from tuner.spec import StudySpec


def knowledge_of(study: StudySpec, events: Sequence[Event]) -> Knowledge:
    """What was known when the last of the events was heard.

    Args:
        study: As the run's folder keeps it.
        events: The whole journal, or any prefix that holds its start.
    """
    traits, prior = known_at_start(events[0])
    knowledge = Knowledge(problem_of(study, traits), prior)
    for event, record in changes(events):
        if record is not None and event["event"] in ("ask", "tell"):
            knowledge.put(record)
        elif event["event"] == "probed":
            knowledge.put_probes(probed_of(probe_of_dict(result)) for result in event["results"])
    return knowledge
