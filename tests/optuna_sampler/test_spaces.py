"""The sampler without a problem: on a lattice, and in any space."""

import statistics

import numpy as np
import optuna
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.samplers import RandomSampler

from tests.search.cases import drive
from tests.search.situations import FASTEST, LATTICE, epoch_s
from tuner.optuna_sampler import LatticeSampler
from tuner.optuna_sampler.trials import config_of
from tuner.search import OptunaProposer
from tuner.search.by_optuna.spaces import allows, draw, params_at, points_of
from tuner.search.models.expected_improvement import MAX_SEEN, NUM_AT_RANDOM, expected_improvement, scalarised

SPACE = {
    "a": FloatDistribution(-1.0, 3.0),
    "b": FloatDistribution(1e-5, 1.0, log=True),
    "c": FloatDistribution(-10.2, 10.2, step=0.1),
    "d": IntDistribution(0, 9, step=3),
    "e": IntDistribution(1, 100, log=True),
    "f": CategoricalDistribution(("x", None, 3)),
}


def run(sampler, objective, num_trials, **more) -> optuna.Study:
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(sampler=sampler, **more)
    study.optimize(objective, n_trials=num_trials)
    return study


def bowl(trial: optuna.Trial) -> float:
    """Least at x = 2, y = 0.01, "b"."""
    x, y = trial.suggest_float("x", -5, 5), trial.suggest_float("y", 1e-4, 1.0, log=True)
    return (x - 2) ** 2 + np.log10(y / 0.01) ** 2 + (trial.suggest_categorical("z", ["a", "b", "c"]) != "b")


# The unit cube.


def test_what_is_drawn_lies_in_the_space_and_maps_back_to_itself():
    rng = np.random.default_rng(0)
    first = draw(SPACE, np.empty((0, len(SPACE))), rng)
    for points in (first, draw(SPACE, first[:3], rng)):
        assert ((points >= 0) & (points <= 1)).all()
        params = [params_at(SPACE, point) for point in points]
        assert all(allows(SPACE[name], values[name]) for values in params for name in SPACE)
        np.testing.assert_allclose(points_of(SPACE, params), points, atol=1e-9)


def test_every_value_of_a_finite_space_is_drawn():
    space = {name: SPACE[name] for name in "df"}
    points = draw(space, np.empty((0, 2)), np.random.default_rng(0))
    assert {tuple(params_at(space, p).values()) for p in points} == {
        (d, f) for d in (0, 3, 6, 9) for f in ("x", None, 3)
    }


def test_what_is_drawn_near_a_point_is_near_it():
    space = {"a": SPACE["a"]}
    points = draw(space, np.array([[0.5]]), np.random.default_rng(0))
    plain = draw(space, np.empty((0, 1)), np.random.default_rng(0))
    near = points[len(plain) :]
    assert len(near)
    assert near.std() < 0.15 < plain.std()


# The model.


def test_improvement_is_expected_beside_the_lowest_value_and_less_where_one_is_awaited():
    points = np.linspace(0, 1, 41)[:, None]
    seen = np.linspace(0, 1, 9)[:, None]
    values = (seen[:, 0] - 0.6) ** 2
    ordered = np.array([True])
    alone = expected_improvement(points, ordered, seen, values, np.empty((0, 1)))
    best = int(np.argmax(alone))
    assert 0.5 < points[best, 0] < 0.7
    awaited = expected_improvement(points, ordered, seen, values, points[best : best + 1])
    assert awaited[best] < 0.9 * alone[best]


def test_more_values_than_it_can_learn_from_are_no_obstacle():
    rng = np.random.default_rng(0)
    seen = rng.uniform(size=(MAX_SEEN + 10, 1))
    values = (seen[:, 0] - 0.6) ** 2
    found = expected_improvement(seen[:5], np.array([True]), seen, values, np.empty((0, 1)))
    assert np.isfinite(found).all()


def test_several_values_are_weighed_and_infinite_ones_are_the_worst():
    values = [(0.0, 1.0), (1.0, 0.0), (2.0, 2.0), (float("inf"), 2.0)]
    draws = [scalarised(values, np.random.default_rng(k)) for k in range(20)]
    assert {int(np.argmin(found)) for found in draws} == {0, 1}
    assert all(np.isfinite(found).all() and found[3] == found[2] for found in draws)


# In any space.


def test_it_gets_lower_than_random():
    ours = [run(LatticeSampler(seed=s), bowl, 30).best_value for s in range(3)]
    at_random = [run(RandomSampler(seed=s), bowl, 30).best_value for s in range(3)]
    assert statistics.median(ours) < 0.3 * statistics.median(at_random)


def test_maximising_is_minimising_the_negative_and_the_seed_decides_the_rest():
    lowest = run(LatticeSampler(seed=1), bowl, 15)
    highest = run(LatticeSampler(seed=1), lambda trial: -bowl(trial), 15, direction="maximize")
    other = run(LatticeSampler(seed=2), bowl, 15)
    assert [t.params for t in lowest.trials] == [t.params for t in highest.trials]
    assert lowest.trials[0].params != other.trials[0].params


def test_a_constraint_is_kept_more_and_more():
    def objective(trial):
        x = trial.suggest_float("x", 0, 1)
        trial.set_constraint("c", 0.7 - x)
        return x

    trials = run(LatticeSampler(seed=0), objective, 25).trials
    kept = [t.params["x"] >= 0.7 for t in trials]
    assert sum(kept[15:]) > 5
    assert min(t.value for t, is_kept in zip(trials, kept, strict=True) if is_kept) < 0.75


def test_without_any_feasible_trial_it_goes_where_less_is_violated():
    def objective(trial):
        x = trial.suggest_float("x", 0, 1)
        trial.set_constraint("c", 2.0 - x)
        return x

    trials = run(LatticeSampler(seed=0), objective, 20).trials
    assert statistics.mean(t.params["x"] for t in trials[NUM_AT_RANDOM + 2 :]) > 0.8


def test_both_ends_of_a_front_are_reached():
    def objective(trial):
        x = trial.suggest_float("x", -1, 2)
        return x**2, (x - 1) ** 2

    study = run(LatticeSampler(seed=0), objective, 30, directions=["minimize", "minimize"])
    front = [trial.params["x"] for trial in study.best_trials]
    assert min(front) < 0.15
    assert max(front) > 0.85


def test_a_small_space_is_used_up_before_anything_is_repeated():
    def objective(trial):
        return trial.suggest_int("x", 0, 3) + len(trial.suggest_categorical("y", ["", "a", "bb"]))

    trials = run(LatticeSampler(seed=0), objective, 13).trials
    assert len({tuple(sorted(t.params.items())) for t in trials[:12]}) == 12


def test_what_is_under_way_is_not_proposed_again():
    study = run(LatticeSampler(seed=0), lambda trial: trial.suggest_int("x", 0, 20) % 7, 10)
    asked = [study.ask().suggest_int("x", 0, 20) for _ in range(6)]
    assert len(set(asked)) == 6


# On a lattice.


def test_a_study_of_the_tuner_may_name_it_as_any_sampler_of_optuna():
    asked = drive(OptunaProposer(LATTICE, "tuner.optuna_sampler:LatticeSampler"))
    assert len(asked) == len(LATTICE) == len(set(asked))


def test_a_lattice_is_used_up_by_its_values_alone():
    sampler = LatticeSampler(LATTICE, seed=0)

    def objective(trial):
        return epoch_s(sampler.suggest(trial).config)

    study = run(sampler, objective, len(LATTICE))
    configs = [config_of(LATTICE, trial) for trial in study.trials]
    assert set(configs) == set(LATTICE)
    assert configs.index(FASTEST) < 14
    assert [t.params for t in run(LatticeSampler(LATTICE, seed=0), objective, 5).trials] == [
        t.params for t in study.trials[:5]
    ]
