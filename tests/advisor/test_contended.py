"""Trials that others disturbed: their NRMSE counts, their time is an upper bound, and nothing loops."""

import pytest

from tests.advisor.laws import run_study, smooth, smooth_epoch_s
from tests.studies import make_study, report
from tuner.advisor import Run
from tuner.certificate.conclusion import conclude
from tuner.core.estimate import estimates
from tuner.core.traits import StageTraits
from tuner.core.trial import TrialRecord, TrialState
from tuner.report.conclusion import conclusion_text
from tuner.search.candidates import Candidates
from tuner.search.models.fitted import CONTENDED_ERROR, FittedModels
from tuner.search.observations import Observations
from tuner.search.predictions import Predictions
from tuner.search.problem import Problem

SLOW = 1.4


class Machine:
    """`smooth`, but the first `num` runs of every configuration are disturbed, and take longer."""

    def __init__(self, num: float) -> None:
        self.num, self.ids = num, {}

    def __call__(self, run: Run, epoch: int):
        ids = self.ids.setdefault(run.config, [])
        if run.trial_id not in ids:
            ids.append(run.trial_id)
        is_disturbed = ids.index(run.trial_id) < self.num
        took_s = smooth_epoch_s(run.config) * (SLOW if is_disturbed else 1.0)
        nrmse = smooth(run, epoch).nrmse
        return report(epoch, nrmse, epoch * took_s, took_s, contended=is_disturbed)


def played(num, path, **changes):
    study = make_study(budget={"trials": 25, "hours": 20}, **changes)
    return run_study(study, Machine(num), path / "journal.jsonl")


@pytest.mark.parametrize("sampler", ["surrogate", "random"])
def test_winner_and_baseline_each_get_an_undisturbed_run(sampler, tmp_path):
    advisor, last, _ = played(1, tmp_path, search={"sampler": sampler})
    found, known = advisor.recommend(), estimates(advisor.records)
    assert last.reason
    for config in (found.estimate.config, advisor.study.baseline):
        assert not known[config].is_contended
        assert known[config].time_s == pytest.approx(6 * smooth_epoch_s(config))
    said = conclusion_text(conclude(advisor.records, advisor.study.goal, advisor.admitted))
    assert "contended" not in said


@pytest.mark.parametrize("sampler", ["surrogate", "random"])
def test_where_every_run_is_disturbed_it_gives_up_and_says_so(sampler, tmp_path):
    """Each gets at most two runs more than in an undisturbed study."""
    advisor, last, _ = played(10**6, tmp_path, search={"sampler": sampler})
    assert last.reason
    found = advisor.recommend()
    baseline = [r for r in advisor.records if r.config == advisor.study.baseline]
    assert found is not None
    assert len(baseline) == 3
    said = conclusion_text(conclude(advisor.records, advisor.study.goal, advisor.admitted))
    assert "on a contended machine, so that times are upper bounds" in said


def test_an_undisturbed_study_runs_nothing_again(tmp_path):
    advisor, _, _ = played(0, tmp_path)
    assert sum(record.config == advisor.study.baseline for record in advisor.records) == 1


STUDY = make_study()
PROBLEM = Problem(
    lattice=STUDY.lattice,
    target=STUDY.target,
    baseline=STUDY.baseline,
    num_samples=2000,
    num_epochs=1,
    traits=StageTraits(),
)


def trial(seed: int, *, contended: bool | None, epoch_s: float) -> TrialRecord:
    return TrialRecord(
        trial_id=str(seed),
        config=STUDY.baseline,
        seed=seed,
        num_epochs=1,
        state=TrialState.COMPLETE,
        measurements=(report(1, 0.09, epoch_s, epoch_s, contended=contended),),
    )


def timing(*records: TrialRecord):
    (found,) = FittedModels(PROBLEM, Observations(records))._timings(Candidates(PROBLEM))
    return found.epoch_time_s, found.error


def test_a_disturbed_time_teaches_the_law_little_and_an_undisturbed_one_replaces_it():
    disturbed, other = trial(0, contended=True, epoch_s=1.4), trial(1, contended=True, epoch_s=1.3)
    assert timing(disturbed, other) == (pytest.approx(1.35), CONTENDED_ERROR)
    assert timing(disturbed, trial(2, contended=False, epoch_s=1.35)) == (1.35, 0.0)
    assert timing(trial(3, contended=None, epoch_s=1.0)) == (1.0, 0.0)


def test_its_nrmse_counts_as_any_others():
    predictions = [
        Predictions(PROBLEM, Candidates(PROBLEM), Observations([trial(0, contended=is_so, epoch_s=1.0)]))
        for is_so in (True, False)
    ]
    assert (predictions[0].feasible == predictions[1].feasible).all()
