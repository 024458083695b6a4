"""Restores what a run's advisor knew and had asked at its journal's last line, from the facts alone.

No decision of the journal is made again: another version of a library, or of ours, may decide otherwise from
there on, and loses nothing.
"""

from __future__ import annotations

from tuner.advisor import Advisor
from tuner.advisor.agenda import Agenda, Task
from tuner.advisor.facts import Asked, Ended, Retried
from tuner.advisor.knowledge import Knowledge, problem_of
from tuner.core.study import StudySpec
from tuner.runs.facts import Facts


def advisor_of(study: StudySpec, facts: Facts) -> Advisor:
    """An advisor that goes on where the journal ends.

    Args:
        study: The study, as the run's folder keeps it.
        facts: Facts of the run's journal, or of any prefix of it.
    """
    start = facts.start
    num_workers = facts.basis.num_workers
    advisor = Advisor(study, num_workers=num_workers, traits=start.traits, warm_start=start.warm_start)
    advisor.recall(facts.heard)
    return advisor


def knowledge_of(study: StudySpec, facts: Facts) -> Knowledge:
    """Returns what the advisor knew; neither a sampler nor a stopping rule is needed for it.

    Args:
        study: The study, as the run's folder keeps it.
        facts: Facts of the run's journal, or of any prefix of it.
    """
    knowledge = Knowledge(problem_of(study, facts.start.traits), facts.start.warm_start)
    agenda = Agenda(study)
    for heard in facts.heard:
        record = knowledge.recall(heard.fact)
        match heard.fact:
            case Asked() if record:
                agenda.asked(Task.of(record))
            case Ended(ending=ending) if record and knowledge.is_running(record.trial_id):
                knowledge.end(record, is_due_again=agenda.ended(record, ending))
            case Retried():
                agenda.retry_baseline()
    return knowledge
