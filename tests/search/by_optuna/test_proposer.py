import math

import optuna
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from optuna.trial import TrialState as OptunaState

from tests.search.cases import NUM_EPOCHS, THRESHOLD, drive, full_budget_values, lattice, law, record
from tuner.core.config import TrialConfig
from tuner.core.trial import TrialState
from tuner.errors import TunerError
from tuner.search import FullBudgetValues, OptunaProposer, Proposer

BASELINE = TrialConfig(batch_size=6, micro_batch=3, num_taus=3)
OFF_LATTICE = TrialConfig(batch_size=6, micro_batch=6, num_taus=9)
ENDS = ["complete", "stopped", "stopped at once", "oom", "nan", "lost", "interrupted"]


def adopted(config: TrialConfig = BASELINE) -> OptunaProposer:
    proposer = OptunaProposer(lattice())
    proposer.adopt("0", config)
    return proposer


def end(proposer: OptunaProposer, trial_id: str, config: TrialConfig, how: str) -> None:
    states = {
        "complete": TrialState.COMPLETE,
        "stopped": TrialState.STOPPED,
        "stopped at once": TrialState.STOPPED,
        "oom": TrialState.INFEASIBLE,
        "nan": TrialState.INFEASIBLE,
        "lost": TrialState.FAILED,
    }
    if how == "interrupted":
        return
    constraint = {"oom": "memory", "nan": "finite"}.get(how, "")
    num_ran = {"complete": NUM_EPOCHS, "stopped": 1}.get(how, 0)
    told = record(trial_id, config, states[how], num_ran=num_ran, constraint=constraint)
    proposer.tell(told, full_budget_values(config) if num_ran else None)


def only(proposer: OptunaProposer) -> optuna.trial.FrozenTrial:
    (trial,) = proposer.study.trials
    return trial


def test_a_finished_trial_is_told_as_measured() -> None:
    proposer = adopted()
    proposer.tell(record("0", BASELINE), full_budget_values(BASELINE))
    epoch_time_s, nrmse = law(BASELINE)
    trial = only(proposer)
    assert trial.state is OptunaState.COMPLETE
    assert trial.values == pytest.approx([NUM_EPOCHS * epoch_time_s, nrmse])
    assert trial.constraints == {"quality": nrmse - THRESHOLD, "memory": -1.0, "finite": -1.0}
    assert trial.user_attrs == {"trial_id": "0", "config": BASELINE.as_dict(), "state": "complete"}


@given(st.integers(1, NUM_EPOCHS), st.floats(1e-3, 1e6), st.floats(1e-6, 1e3))
@settings(max_examples=30)
def test_a_stopped_trial_is_told_as_projected_never_with_its_partial_time(
    num_ran: int, time_s: float, nrmse: float
) -> None:
    proposer = adopted()
    stopped = record("0", BASELINE, TrialState.STOPPED, num_ran=num_ran)
    projected = FullBudgetValues(projected_objective=time_s, projected_nrmse=nrmse, quality=0.1)
    proposer.tell(stopped, projected)
    trial = only(proposer)
    assert trial.state is OptunaState.COMPLETE
    assert trial.values == [time_s, nrmse]
    assert trial.user_attrs["censored"] == num_ran / NUM_EPOCHS
    assert tuple(trial.user_attrs["measured"]) == (stopped.time_s, stopped.nrmse)
    assert trial.user_attrs["state"] == "stopped"


def test_a_resumed_trial_is_censored_though_it_reached_its_end() -> None:
    proposer = adopted()
    proposer.tell(record("0", BASELINE, resumed=True), full_budget_values(BASELINE, time_s=77.0))
    assert only(proposer).values[0] == 77.0
    assert only(proposer).user_attrs["censored"] == 1.0


@pytest.mark.parametrize(("how", "constraint"), [("oom", "memory"), ("nan", "finite")])
def test_an_infeasible_trial_is_told_at_the_worst_of_both_values(how: str, constraint: str) -> None:
    proposer = OptunaProposer(lattice())
    asked = drive(proposer, 5)
    config = proposer.propose("bad")
    assert config is not None
    end(proposer, "bad", config, how)
    trial = proposer.study.trials[-1]
    epoch_times, nrmses = zip(*(law(c) for c in asked), strict=True)
    assert trial.state is OptunaState.COMPLETE
    assert trial.values == pytest.approx([NUM_EPOCHS * max(epoch_times), max(nrmses)])
    assert [name for name, value in trial.constraints.items() if value > 0] == [constraint]


def test_before_anything_was_observed_the_nadir_is_infinity() -> None:
    proposer = adopted()
    end(proposer, "0", BASELINE, "oom")
    assert only(proposer).values == [math.inf, math.inf]


def test_an_imputed_value_does_not_move_the_nadir() -> None:
    proposer = OptunaProposer(lattice())
    for trial_id in "ab":
        config = proposer.propose(trial_id)
        assert config is not None
        end(proposer, trial_id, config, "oom")
    drive(proposer, 1)
    config = proposer.propose("c")
    assert config is not None
    end(proposer, "c", config, "oom")
    assert all(map(math.isfinite, proposer.study.trials[-1].values))


def test_a_lost_trial_fails_and_may_be_adopted_again_under_a_new_id() -> None:
    proposer = OptunaProposer(lattice())
    config = proposer.propose("0")
    assert config is not None
    end(proposer, "0", config, "lost")
    proposer.adopt("1", config)
    end(proposer, "1", config, "complete")
    lost, again = proposer.study.trials
    assert lost.state is OptunaState.FAIL
    assert again.state is OptunaState.COMPLETE
    assert lost.params == again.params


def test_a_trial_stopped_before_its_first_epoch_fails() -> None:
    proposer = adopted()
    end(proposer, "0", BASELINE, "stopped at once")
    assert only(proposer).state is OptunaState.FAIL


@given(st.lists(st.sampled_from(ENDS), min_size=1, max_size=20))
@settings(max_examples=40)
def test_however_trials_end_nothing_is_left_running_and_the_front_is_feasible(
    ends: list[str],
) -> None:
    proposer = OptunaProposer(lattice())
    told = {}
    for i, how in enumerate(ends):
        config = proposer.propose(str(i))
        assert config is not None
        end(proposer, str(i), config, how)
        told[str(i)] = (config, how)
    proposer.close()
    trials = proposer.study.trials
    assert len(trials) == len(ends)
    assert {t.state for t in trials} <= {OptunaState.COMPLETE, OptunaState.FAIL}
    keys = [list(t.constraints) for t in trials if t.state is OptunaState.COMPLETE]
    assert all(key == ["quality", "memory", "finite"] for key in keys)
    for trial in proposer.study.best_trials:
        config, how = told[trial.user_attrs["trial_id"]]
        assert how in {"complete", "stopped"}
        assert full_budget_values(config).quality <= 0


def test_closing_gives_up_what_runs_and_may_be_done_twice() -> None:
    proposer = adopted()
    proposer.close()
    proposer.close()
    assert only(proposer).state is OptunaState.FAIL
    assert only(proposer).user_attrs["state"] == "interrupted"


def test_a_configuration_off_the_lattice_may_be_run_but_teaches_nothing() -> None:
    proposer = adopted(OFF_LATTICE)
    proposer.tell(record("0", OFF_LATTICE), full_budget_values(OFF_LATTICE))
    assert proposer.study.trials == []
    assert len(drive(proposer)) == len(lattice())


def test_the_study_minimises_time_and_nrmse() -> None:
    assert [d.name for d in adopted().study.directions] == ["MINIMIZE", "MINIMIZE"]


def test_telling_what_cannot_be_is_refused() -> None:
    proposer: Proposer = adopted()
    with pytest.raises(ValueError, match="still running"):
        proposer.tell(record("0", BASELINE, TrialState.RUNNING), None)
    with pytest.raises(ValueError, match="has no outcome"):
        proposer.tell(record("0", BASELINE), None)
    with pytest.raises(ValueError, match="no constraint"):
        proposer.tell(record("0", BASELINE, TrialState.INFEASIBLE), None)
    with pytest.raises(ValueError, match="was asked for before"):
        proposer.propose("0")
    proposer.tell(record("0", BASELINE), full_budget_values(BASELINE))
    with pytest.raises(ValueError, match="told before"):
        proposer.tell(record("0", BASELINE), full_budget_values(BASELINE))


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_an_outcome_is_finite(bad: float) -> None:
    with pytest.raises(TunerError, match="not finite"):
        FullBudgetValues(projected_objective=1.0, projected_nrmse=bad, quality=0.0)
