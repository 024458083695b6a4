"""What is known of the CPU study's grid: which group is trained next, what is decided, what is kept."""

import pytest

from benchmarks.search.play import Task, instance_of
from benchmarks.search_real.truth import (
    FEW_SEEDS,
    FIRST_FRESH_SEED,
    Grid,
    group_of,
    groups_of,
    key_of,
    markdown,
    trained_key,
    write_table,
)
from benchmarks.training.trial_log import QualityRun
from tuner.spec import load_study

IN, OUT, NEAR = (24, 2, 1), (24, 2, 2), (32, 2, 1)
NRMSES = {IN: (0.0900, 0.0910), OUT: (0.0990, 0.1000), NEAR: (0.0946, 0.0956)}
FLAT = (0.1, 0.1, 0.1, 0.1, 0.1)


def runs_of(nrmses, *, first_seed=0):
    return [
        QualityRun(key=trained_key(group), seed=first_seed + k, nrmses=(*FLAT, nrmse))
        for group, values in nrmses.items()
        for k, nrmse in enumerate(values)
    ]


def grid_of(nrmses):
    return Grid.of({IN: 0.2, OUT: 0.2, NEAR: 0.2}, 0.095, runs_of(nrmses), num_epochs=6)


def test_the_cpu_study_has_65_groups_and_the_fastest_comes_first():
    study = load_study("cpu.yaml")
    groups = groups_of(study)
    assert set(groups) == {group_of(key_of(config)) for config in study.lattice}
    assert len(groups) == 65
    assert next(iter(groups)) == (32, 2, 1)
    assert list(groups.values()) == sorted(groups.values())
    assert all(group_of(trained_key(group)) == group for group in groups)


def test_every_group_gets_one_seed_before_any_gets_two():
    assert grid_of({}).wanted(20) == (IN, 0)
    assert grid_of({IN: (0.0950,)}).wanted(20) == (OUT, 0)
    assert grid_of(NRMSES).wanted(20) == (NEAR, 2)


def test_what_is_slow_is_decided_last():
    for seconds, chosen in ((0.40, NEAR), (0.41, IN)):
        groups = {IN: 0.2, NEAR: seconds}
        grid = Grid.of(groups, 0.095, runs_of({group: NRMSES[group] for group in groups}), num_epochs=6)
        assert grid.wanted(20) == (chosen, 2)


def test_a_group_is_decided_by_a_few_seeds_far_from_the_target():
    far = grid_of({IN: (0.0900, 0.0910) * 2, NEAR: (0.0946, 0.0956) * 2})
    assert far.is_decided(IN)
    assert far.is_feasible(IN)
    assert not far.is_decided(NEAR)
    assert not grid_of(NRMSES).is_decided(IN), "two seeds are too few"
    assert not far.is_feasible(OUT), "nothing is known of it"


def test_nothing_is_wanted_once_all_are_decided_or_have_their_seeds():
    few = {IN: NRMSES[IN] * 2, OUT: NRMSES[OUT] * 2, NEAR: NRMSES[NEAR] * 2}
    assert FEW_SEEDS == 4
    assert grid_of(few).wanted(most_seeds=4) is None
    assert grid_of(few).wanted(most_seeds=5) == (NEAR, 4)


def test_fresh_seeds_and_trials_of_another_length_are_not_of_the_grid():
    fresh = runs_of({IN: (0.2,)}, first_seed=FIRST_FRESH_SEED)
    short = [QualityRun(key=trained_key(IN), seed=5, nrmses=(0.2,))]
    grid = Grid.of({IN: 0.2}, 0.095, [*runs_of({IN: NRMSES[IN]}), *fresh, *short], num_epochs=6)
    assert grid.mean(IN) == pytest.approx(0.0905)
    assert grid.num_seeds(IN) == 2


def test_a_mean_is_no_surer_than_the_pooled_deviation_says():
    grid = grid_of({IN: (0.0900, 0.0900), OUT: (0.0990, 0.1010)})
    assert grid.standard_error(IN) == pytest.approx(grid.pooled_sd / 2**0.5)
    assert grid.standard_error(OUT) > grid.standard_error(IN)


def test_the_written_table_is_replayed_with_the_measured_times(tmp_path):
    study = load_study("cpu.yaml")
    runs = runs_of({IN: (0.0940, 0.0941), OUT: (0.0990,), (6, 5, 1): (0.0913, 0.0914)})
    times_s = {(24, 24, 2, 1): 0.5, (24, 12, 2, 1): 0.125, (24, 24, 2, 2): 0.1, (6, 3, 5, 1): 1.0}
    path = tmp_path / "table.jsonl"
    assert write_table(path, study, runs, times_s) == 7 == len(path.read_text().splitlines())
    instance = instance_of(Task(arm="ours", set_name="table", instance="t", seed=0, table=path))
    best = instance.study.lattice.config(instance.truth.optimum)
    assert (best.batch_size, best.micro_batch, best.num_taus, best.accum_steps) == (24, 12, 2, 1)
    assert instance.unit_s == pytest.approx(6 * 0.125)
    assert len(instance.study.lattice) == len(times_s)


def test_the_printed_grid_says_what_is_in_out_and_not_decided():
    lines = markdown(grid_of(NRMSES), {(24, 24, 2, 1): 0.2, (24, 12, 2, 1): 0.1}).splitlines()
    assert lines[2].startswith("| 24, 2, 1 | 0.09050")
    assert lines[2].endswith("| in, not decided | 12: 0.100 |")
    assert len(lines) == 5
