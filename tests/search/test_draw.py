"""The candidates: all of a small lattice, a fixed sample of a large one, and always what was tried."""

import numpy as np
import pytest

from tests.search.cases import LR, PRECISION, WEIGHT, lattice
from tuner.core.config import TrialConfig
from tuner.core.lattice import Lattice
from tuner.core.objectives import Target
from tuner.core.parameters import Continuous, Discrete
from tuner.core.traits import StageTraits
from tuner.search import draw as module
from tuner.search.candidates import Candidates
from tuner.search.draw import MAX_DRAWN, MIN_DRAWN, NUM_LOCAL, drawn_configs
from tuner.search.problem import Problem


def with_knobs(num_values: int) -> Lattice:
    """The small lattice times four knobs."""
    return lattice(*(Discrete(name=f"knob_{k}", values=tuple(range(num_values))) for k in range(4)))


SMALL, MIDDLE, LARGE = lattice(), with_knobs(4), with_knobs(8)
CONTINUOUS = lattice(LR, Continuous(name="decay", low=0.0, high=0.1))
LATTICES = {"small": SMALL, "middle": MIDDLE, "continuous": CONTINUOUS}
"""A large one goes the way of a middle one, but for some seconds."""


def problem(of: Lattice, **more) -> Problem:
    baseline = next(iter(drawn_configs(of, 0, [])))
    fields = {"baseline": baseline, "traits": StageTraits()} | more
    return Problem(
        lattice=of, target=Target.parse("nrmse < 0.095"), num_samples=200, num_epochs=4, seed=3, **fields
    )


def test_of_a_small_lattice_every_point_is_a_candidate_once():
    assert drawn_configs(SMALL, 0, []) == list(SMALL)


def test_the_large_lattice_here_has_a_hundred_thousand_points():
    assert len(LARGE) > 90_000


@pytest.mark.parametrize("name", LATTICES)
def test_asking_twice_gives_the_same_candidates(name):
    tried = drawn_configs(LATTICES[name], 9, [])[:3]
    assert drawn_configs(LATTICES[name], 0, tried) == drawn_configs(LATTICES[name], 0, tried)


@pytest.mark.parametrize("name", LATTICES)
def test_every_candidate_is_legal(name):
    of = LATTICES[name]
    tried = drawn_configs(of, 9, [])[:3]
    for config in drawn_configs(of, 0, tried):
        assert of.why_not(config) is None


def test_of_a_lattice_of_a_hundred_thousand_points_every_one_is_a_candidate():
    assert drawn_configs(LARGE, 0, []) == list(LARGE)


def test_of_a_larger_one_as_many_are_looked_at_as_are_allowed_each_once(monkeypatch):
    monkeypatch.setattr(module, "MAX_POINTS", 500)
    found = drawn_configs(LARGE, 0, [])
    assert len(found) == len(set(found)) == 500
    assert found != drawn_configs(LARGE, 1, [])


def test_where_something_is_continuous_every_point_of_the_lattice_has_a_draw_up_to_a_number():
    wide = lattice(LR, max_batch=400, max_micro=8)
    assert MIN_DRAWN < len(wide) < MAX_DRAWN
    assert {wide.index(config) for config in drawn_configs(wide, 0, [])} == set(range(len(wide)))
    assert len(drawn_configs(CONTINUOUS, 0, [])) == MIN_DRAWN
    wider = lattice(LR, max_batch=400, max_micro=24, max_taus=12)
    assert len(drawn_configs(wider, 0, [])) == MAX_DRAWN < len(wider)


def test_a_sample_of_a_large_lattice_stays_when_something_was_tried(monkeypatch):
    monkeypatch.setattr(module, "MAX_POINTS", 500)
    tried = drawn_configs(LARGE, 5, [])[:4]
    assert drawn_configs(LARGE, 0, tried) == drawn_configs(LARGE, 0, [])


def test_continuous_parameters_stay_within_their_bounds_and_reach_near_both():
    for seed in range(3):
        found = drawn_configs(CONTINUOUS, seed, drawn_configs(CONTINUOUS, 7, [])[:2])
        assert len(found) <= MIN_DRAWN + NUM_LOCAL
        for p in CONTINUOUS.continuous:
            values = np.array([config.as_dict()[p.name] for config in found])
            assert values.min() >= p.low
            assert values.max() <= p.high
            assert np.ptp(values) > 0.9 * (p.high - p.low)


def test_a_logarithmic_parameter_is_drawn_by_its_logarithm():
    values = np.array([config.as_dict()["lr"] for config in drawn_configs(CONTINUOUS, 0, [])])
    assert np.median(values) == pytest.approx(1e-3, rel=0.2)


def test_near_what_was_tried_more_is_looked_at():
    config = TrialConfig.from_dict(SMALL.point(5) | {"lr": 1e-4, "decay": 0.1})  # at two bounds
    tried = [config] * 3

    def num_near(found):
        return sum(c.micro_batch == config.micro_batch and c.as_dict()["lr"] < 2e-4 for c in found)

    assert num_near(drawn_configs(CONTINUOUS, 0, tried)) > num_near(drawn_configs(CONTINUOUS, 0, [])) + 40


def test_what_was_tried_off_the_lattice_does_no_harm_to_a_continuous_space():
    off = TrialConfig(batch_size=40, micro_batch=20, num_taus=9)
    assert len(drawn_configs(CONTINUOUS, 0, [off])) <= MIN_DRAWN + NUM_LOCAL


# The candidates.


@pytest.mark.parametrize("name", LATTICES)
def test_what_was_tried_is_always_a_candidate(name):
    of = LATTICES[name]
    off = TrialConfig(batch_size=40, micro_batch=20, num_taus=9)
    tried = [off, *drawn_configs(of, 77, [])[:5]]
    candidates = Candidates(problem(of), tried)
    assert all(candidates.covers(config) for config in tried)
    assert len(candidates.configs) == len(set(candidates.configs))
    assert [candidates.configs[row] for row in (candidates.index[c] for c in tried)] == tried


@pytest.mark.parametrize("name", LATTICES)
def test_a_grid_has_a_row_for_every_candidate(name):
    candidates = Candidates(problem(LATTICES[name]))
    for table in (
        candidates.quality_points,
        candidates.time_points,
        candidates.work,
        candidates.extents,
        candidates.quality_group,
    ):
        assert len(table) == len(candidates.configs)
        assert np.isfinite(table).all()
    assert candidates.quality_points.shape[1] == len(candidates.quality_is_ordered)
    assert candidates.time_points.shape[1] == len(candidates.time_is_ordered)


def test_only_a_listed_lattice_is_looked_at_whole():
    assert Candidates(problem(SMALL)).is_complete
    assert Candidates(problem(MIDDLE)).is_complete
    assert not Candidates(problem(CONTINUOUS)).is_complete


def test_a_grid_of_the_same_is_the_same():
    tried = drawn_configs(CONTINUOUS, 5, [])[:2]
    one, other = Candidates(problem(CONTINUOUS), tried), Candidates(problem(CONTINUOUS), tried)
    assert one.configs == other.configs
    assert (one.quality_points == other.quality_points).all()


def test_what_a_stage_calls_irrelevant_makes_one_group():
    of = lattice(PRECISION)
    candidates = Candidates(problem(of, traits=StageTraits(quality_invariant_to=("micro_batch",))))
    by_key = {}
    for config, group in zip(candidates.configs, candidates.quality_group.tolist(), strict=True):
        values = {k: v for k, v in config.as_dict().items() if k != "micro_batch"}
        by_key.setdefault(tuple(values.items()), set()).add(group)
    assert all(len(groups) == 1 for groups in by_key.values())
    assert len({next(iter(groups)) for groups in by_key.values()}) == len(by_key)


def test_without_such_a_word_every_configuration_is_a_group_of_its_own():
    candidates = Candidates(problem(SMALL))
    assert len(set(candidates.quality_group.tolist())) == len(SMALL)


def test_every_axis_spans_the_unit_interval_and_categories_are_unordered():
    of = lattice(PRECISION, WEIGHT, LR)
    candidates = Candidates(problem(of))
    ordered = candidates.quality_points[:, candidates.quality_is_ordered]
    assert ordered.min(axis=0) == pytest.approx(0.0, abs=0.02)
    assert ordered.max(axis=0) == pytest.approx(1.0, abs=0.02)
    assert (~candidates.quality_is_ordered).sum() == 1


@pytest.mark.parametrize(
    ("parameter", "value", "shown"),
    [
        (Continuous(name="lr", low=1e-4, high=3e-2, log=True), 0.005037936530328136, "0.005038"),
        (Continuous(name="decay", low=0.0, high=0.1), 0.012345678, "0.0123"),
        (Continuous(name="shift", low=1000.0, high=1000.1), 1000.0123456, "1000.0123"),
        (Continuous(name="factor", low=1.0, high=1.001, log=True), 1.000123456, "1.0001235"),
        (Continuous(name="size", low=1e4, high=1e7, log=True), 12345.678, "12350.0"),
        (Continuous(name="end", low=0.1234567, high=0.9), 0.12341, "0.1234567"),
        (Continuous(name="fixed", low=0.1234567, high=0.1234567), 0.1234567, "0.1234567"),
        (Continuous(name="below", low=-3.0, high=2.0), -1.23456, "-1.235"),
    ],
)
def test_a_continuous_value_has_few_digits_and_stays_in_its_range(parameter, value, shown):
    assert str(parameter.readable(value)) == shown


def test_what_is_drawn_has_few_digits_and_hardly_repeats():
    drawn = [config.as_dict()["lr"] for config in drawn_configs(lattice(LR), 1, [])]
    assert all(
        len(f"{value:g}".lstrip("0.")) <= len("1234e-05") and float(f"{value:.4g}") == value
        for value in drawn
    )
    assert len(set(drawn)) > 0.8 * len(drawn)
