"""A warm start and disturbed times beyond the first mark; marks are set low here."""

import dataclasses

import pytest

from tests.search import test_earlier_run as warm
from tests.search.situations import BASELINE, FASTEST, OTHERS, problem, ran
from tuner.advisor.knowledge import Knowledge
from tuner.core.trial import TrialRecord
from tuner.search.candidates import Candidates
from tuner.search.models import fitted
from tuner.search.models.fitted import FittedModels, mark
from tuner.search.observations import Observations

FIRST = [ran(config, 0.09) for config in (BASELINE, FASTEST, *OTHERS[:2])]
FURTHER = [ran(config, 0.09) for config in OTHERS[2:4]]
AGAIN = ran(BASELINE, 0.09, seed=9)


@pytest.fixture
def low_marks(monkeypatch):
    """Sets the marks to 4, 8 and 16 ended trials."""
    monkeypatch.setattr(fitted, "FIRST_MARK", 4)
    monkeypatch.setattr(fitted, "EARLY_RATIO", 2)


def disturbed(record: TrialRecord) -> TrialRecord:
    measurements = tuple(dataclasses.replace(m, contended=True) for m in record.measurements)
    return dataclasses.replace(record, measurements=measurements)


def times(*records: TrialRecord) -> tuple[float, float]:
    """Seconds an epoch of the baseline by the model alone, and the spread of their logarithm."""
    candidates = Candidates(problem())
    seconds, spread = FittedModels(problem(), Observations(records)).times(candidates)
    row = candidates.index[BASELINE]
    return seconds[row], spread[row]


def test_a_disturbed_time_is_uncertain_in_a_grown_model(low_marks):
    assert times(disturbed(FIRST[0]), *FIRST[1:])[1] > 2 * times(*FIRST)[1]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        pytest.param([disturbed(FIRST[0]), AGAIN, *FIRST[1:]], FURTHER, id="before the mark"),
        pytest.param([disturbed(FIRST[0]), *FIRST[1:]], [AGAIN, *FURTHER], id="after the mark"),
        pytest.param([*FIRST[1:], *FURTHER[:1]], [disturbed(FIRST[0]), AGAIN, *FURTHER[1:]], id="both after"),
    ],
)
def test_an_undisturbed_time_replaces_a_disturbed_one_in_a_grown_model(low_marks, before, after):
    heard = [*before, *after]
    assert mark(len(heard)) == 4
    untouched = [record for record in heard if not record.is_contended]
    assert times(*heard) == pytest.approx(times(*untouched), rel=0.1)


@pytest.mark.parametrize("num", [4, 5])
def test_grown_models_believe_a_warm_start_as_those_fitted_anew_do(low_marks, monkeypatch, num):
    assert mark(num) == 4
    candidates = Candidates(warm.problem())
    observations = Observations(warm.measured(1.0, num=num))
    grown, without = (
        FittedModels(warm.problem(), observations, warm_start).margins(candidates).probability
        for warm_start in (warm.KNOWN, None)
    )
    monkeypatch.setattr(fitted, "FIRST_MARK", 64)
    anew = FittedModels(warm.problem(), observations, warm.KNOWN).margins(candidates).probability
    assert grown == pytest.approx(anew, abs=0.1)
    assert abs(without - anew).max() > 0.4


def test_a_warm_start_dropped_beyond_a_mark_is_forgotten(monkeypatch):
    monkeypatch.setattr(fitted, "FIRST_MARK", 2)
    believing, without = Knowledge(warm.problem(), warm.KNOWN), Knowledge(warm.problem())
    for record in warm.measured(1.12):
        for knowledge in (believing, without):
            knowledge.put(record)
            knowledge.drop_contradicted(record)
            assert knowledge.predictions.margins is not None
    assert believing.contradiction
    assert (believing.predictions.feasible == without.predictions.feasible).all()
    assert (believing.predictions.num_runs == without.predictions.num_runs).all()
