"""The evidence on other trials that the advisor gives to a stopping rule."""

from collections import Counter

from tests.advisor.laws import smooth
from tests.studies import make_study
from tuner.advisor import Advisor
from tuner.core.trial import Purpose, TrialState
from tuner.runs.journal import Journal
from tuner.runs.journaled import JournaledAdvisor
from tuner.scheduling import Continue
from tuner.simulate import VirtualClock, simulate


def test_rivals_are_the_other_trials_of_the_search_in_any_state_each_once(tmp_path):
    """Two workers run, and every fifth trial is lost after two epochs: its repeat stands for both."""
    asked = []

    class Listener:
        def decide(self, trial, evidence):
            asked.append((trial, evidence))
            return Continue()

    def law(run, epoch):
        return None if int(run.trial_id) % 5 == 0 and epoch == 3 else smooth(run, epoch)

    clock = VirtualClock()
    study = make_study(search={"sampler": "random"}, budget={"trials": 12, "hours": 10})
    advisor = Advisor(study, num_workers=2)
    advisor._rule = Listener()
    simulate(JournaledAdvisor(advisor, Journal(tmp_path / "j"), clock), law, clock, num_workers=2)

    for trial, evidence in asked:
        tasks = Counter((rival.record.config, rival.record.seed) for rival in evidence.rivals)
        assert max(tasks.values(), default=1) == 1
        assert (trial.config, trial.seed) not in tasks
        assert all(rival.record.purpose is Purpose.SEARCH for rival in evidence.rivals)
    seen = [rival for _, evidence in asked for rival in evidence.rivals]
    assert {rival.record.state for rival in seen} >= {TrialState.RUNNING, TrialState.COMPLETE}
    assert any(r.state is TrialState.FAILED and r.purpose is Purpose.SEARCH for r in advisor.records)
    running = [rival.record for rival in seen if rival.record.state is TrialState.RUNNING]
    assert any(record.measurements for record in running)
    known = [r.probability for r in seen if r.record.state is TrialState.COMPLETE]
    assert known
    assert all(0 <= probability <= 1 for probability in known)
