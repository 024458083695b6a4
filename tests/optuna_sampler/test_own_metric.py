"""A problem whose metric is not NRMSE is told the metric's own values, in its own direction."""

import optuna
import pytest

from tuner.core.config import TrialConfig
from tuner.core.lattice import Lattice
from tuner.core.metric import Metric
from tuner.core.objectives import Target
from tuner.core.parameters import Discrete
from tuner.errors import SpecError
from tuner.optuna_sampler import LatticeSampler
from tuner.search import Problem

R2 = Metric(name="r2", goal="maximize", range="any")


def problem(text="r2 >= 0.9", metric=R2):
    sizes = [Discrete(name=name, values=(1, 2, 4)) for name in ("batch_size", "micro_batch", "num_taus")]
    return Problem(
        lattice=Lattice(sizes),
        target=Target.parse(text, metric),
        baseline=TrialConfig(batch_size=1, micro_batch=1, num_taus=2),
        num_samples=100,
        num_epochs=2,
    )


def played(objective, directions, num_trials=12):
    sampler = LatticeSampler(problem())

    def of(trial):
        config = sampler.suggest(trial).config
        return objective(trial, 10 / config.batch_size, 0.95 - 0.1 * (config.batch_size == 4))

    study = optuna.create_study(directions=directions, sampler=sampler)
    study.optimize(of, n_trials=num_trials)
    return sampler.strategy(study)


@pytest.mark.parametrize("how", ["values", "attribute"])
def test_the_fastest_that_is_good_enough_is_found_by_its_own_values(how):
    def objective(trial, time_s, r2):
        if how == "values":
            return time_s, r2
        trial.set_user_attr("r2", r2)
        return time_s

    directions = ["minimize", "maximize"] if how == "values" else ["minimize"]
    best = played(objective, directions).qualified
    assert next(iter(best)).batch_size == 2  # 4 is faster, and falls short of the target


def test_the_directions_must_be_those_of_the_metric():
    with pytest.raises(SpecError, match="minimises time_s, or time_s and maximises r2") as raised:
        played(lambda trial, time_s, r2: (time_s, r2), ["minimize", "minimize"], num_trials=1)
    assert raised.value.hint.endswith('directions=["minimize", "maximize"].')


def test_a_trial_that_does_not_say_its_quality_is_told_how_by_name():
    with pytest.raises(SpecError, match="does not say its r2"):
        played(lambda trial, time_s, r2: time_s, ["minimize"], num_trials=2)
