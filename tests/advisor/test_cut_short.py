"""A trial that is cut short and asked again leaves no trace in what is decided afterwards."""

import random

import pytest

from tests.advisor.laws import smooth
from tests.studies import make_study
from tuner.advisor import Advisor, Ending, Finished, Run
from tuner.core.trial import TrialState
from tuner.scheduling import Stop

LOST = Ending.failed("the worker was lost", is_lost=True)
STUDY = make_study(resources={"retries": 100}, certificate={"pairs": 2}, budget={"trials": 10, "hours": 10})


def played(cuts):
    """The trials that were not cut short, and the last word; `cuts` says of each try where it is cut."""
    advisor, kept, elapsed_s = Advisor(STUDY), [], 0.0
    while isinstance(run := advisor.ask(elapsed_s), Run):
        after, ending = next(cuts, (None, None))
        for epoch in range(1, run.num_epochs + 1):
            if epoch - 1 == after:
                break
            measurement = smooth(run, epoch)
            elapsed_s += measurement.epoch_time_s
            if isinstance(advisor.observe(run.trial_id, measurement, elapsed_s), Stop):
                ending = Ending.stopped("")
                break
        else:
            ending = Ending.complete()
        advisor.tell(run.trial_id, ending)
        record = advisor.record(run.trial_id)
        if not ending.is_lost:
            kept.append((record.config, record.seed, record.purpose, record.state, record.nrmse_curve))
    assert isinstance(run, Finished)
    return kept, run.reason, advisor


UNDISTURBED = played(iter(()))


@pytest.mark.parametrize("seed", range(4))
def test_the_trials_and_the_recommendation_are_those_of_an_undisturbed_run(seed):
    rng = random.Random(seed)
    cuts = (
        (rng.randrange(6), rng.choice([LOST, Ending.discarded("the run was killed")]))
        if rng.random() < 0.4
        else (None, None)
        for _ in range(1000)
    )
    kept, reason, advisor = played(cuts)
    assert sum(r.state in (TrialState.FAILED, TrialState.DISCARDED) for r in advisor.records) >= 5
    assert (kept, reason) == UNDISTURBED[:2]
    assert advisor.recommend().estimate.config == UNDISTURBED[2].recommend().estimate.config
