import os
import pickle
import statistics
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import optuna
import pytest
from optuna.samplers import PartialFixedSampler, RandomSampler
from optuna.trial import TrialState as OptunaState
from optuna.trial import create_trial

from tests.optuna_sampler import optuna_worker
from tests.processes import ROOT, wait_until
from tests.search.cases import LR, PRECISION, WEIGHT, lattice
from tests.search.situations import (
    BASELINE,
    FASTEST,
    LATTICE,
    NUM_EPOCHS,
    OTHERS,
    epoch_s,
    problem,
    ran,
    running,
    strategy,
)
from tuner.core.config import TrialConfig
from tuner.core.goal import Objective
from tuner.core.limits import Limit
from tuner.core.trial import TrialRecord, TrialState
from tuner.errors import SpecError
from tuner.optuna_sampler import LatticeSampler
from tuner.optuna_sampler.trials import config_of, records_of
from tuner.search.policy.stopping import Decided
from tuner.search.policy.strategy import RunStep

pytestmark = pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")

BOTH = ["minimize", "minimize"]
Law = Callable[[TrialConfig], float]


def nrmse(config: TrialConfig) -> float:
    """Large batches miss the target of 0.095."""
    return 0.085 + 0.004 * (config.batch_size - 4)


def time_s(config: TrialConfig) -> float:
    return NUM_EPOCHS * epoch_s(config)


def study_of(sampler: LatticeSampler, **more) -> optuna.Study:
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return optuna.create_study(sampler=sampler, **({"directions": BOTH} | more))


def objective_of(sampler: LatticeSampler, law: Law = nrmse) -> Callable[[optuna.Trial], tuple[float, float]]:
    def objective(trial: optuna.Trial) -> tuple[float, float]:
        config = sampler.suggest(trial).config
        return time_s(config), law(config)

    return objective


def searched(num_trials: int, law: Law = nrmse, **more) -> optuna.Study:
    sampler = LatticeSampler(problem(**more))
    study = study_of(sampler)
    study.optimize(objective_of(sampler, law), n_trials=num_trials)
    return study


def runs_of(study: optuna.Study, of=LATTICE) -> list[tuple[TrialConfig | None, int]]:
    return [(config_of(of, trial), trial.user_attrs["seed"]) for trial in study.trials]


@pytest.fixture(scope="module")
def study() -> optuna.Study:
    return searched(30)


# With a problem: what is proposed.


def test_every_proposal_is_legal_and_none_is_repeated_with_the_same_seed(study):
    runs = runs_of(study)
    assert all(config in LATTICE for config, _ in runs)
    assert len(set(runs)) == len(runs) == 30


def test_the_baseline_is_first_and_the_same_problem_gives_the_same_proposals(study):
    assert runs_of(study)[0] == (BASELINE, 0)
    assert runs_of(searched(12)) == runs_of(study)[:12]


def test_a_seed_given_is_that_of_the_first_runs():
    sampler = LatticeSampler(problem(), seed=7)
    trial = study_of(sampler).ask()
    assert sampler.suggest(trial).seed == 7


HISTORY: list[TrialRecord] = [
    ran(BASELINE, 0.08),
    ran(OTHERS[5], 0.092, memory_gib=0.5),
    ran(OTHERS[9], 0.09, seed=3),
    ran(OTHERS[2], 0.13, state=TrialState.STOPPED, num_ran=2),
    ran(OTHERS[-1], 0.1, state=TrialState.INFEASIBLE, num_ran=0, constraint="memory"),
    ran(OTHERS[12], 0.1, state=TrialState.FAILED, num_ran=0),
    running(OTHERS[7]),
]
STATES = {
    TrialState.COMPLETE: OptunaState.COMPLETE,
    TrialState.INFEASIBLE: OptunaState.COMPLETE,
    TrialState.STOPPED: OptunaState.PRUNED,
    TrialState.FAILED: OptunaState.FAIL,
    TrialState.RUNNING: OptunaState.RUNNING,
}


def as_trial(sampler: LatticeSampler, record: TrialRecord) -> optuna.trial.FrozenTrial:
    """A trial of a study of one value that says what a record does."""
    is_done = STATES[record.state] is OptunaState.COMPLETE
    attrs = {"seed": record.seed, "nrmse": record.nrmse, "time_s": record.time_s}
    return create_trial(
        state=STATES[record.state],
        params={name: record.config.as_dict()[name] for name in sampler.distributions},
        distributions=sampler.distributions,
        value=record.time_s if is_done else None,
        user_attrs=attrs | {"peak_memory_gib": record.peak_memory_gib},
        intermediate_values=record.nrmse_curve,
        constraints={record.constraint: 1.0} if record.constraint else None,
    )


@pytest.mark.parametrize("num", range(1, len(HISTORY) + 1))
def test_it_reads_a_study_as_the_records_it_is_and_proposes_what_the_search_does(num):
    sampler = LatticeSampler(problem())
    study = study_of(sampler, directions=["minimize"])
    for record in HISTORY[:num]:
        study.add_trial(as_trial(sampler, record))
    found = [replace(r, trial_id="") for r in records_of(problem(), study.trials)]
    assert found == [replace(record, trial_id="") for record in HISTORY[:num]]
    step = strategy(problem(), HISTORY[:num]).next_step()
    assert isinstance(step, RunStep)
    assert sampler.strategy(study).next_step() == step
    assert sampler.suggest(study.ask()) == step


def test_one_value_and_two_give_the_same_search(study):
    def by_attribute(trial):
        config = sampler.suggest(trial).config
        trial.set_user_attr("nrmse", nrmse(config))
        return time_s(config)

    def by_constraint(trial):
        config = sampler.suggest(trial).config
        trial.set_constraint("quality", nrmse(config) - 0.095)
        return time_s(config)

    for objective in (by_attribute, by_constraint):
        sampler = LatticeSampler(problem())
        single = study_of(sampler, directions=["minimize"])
        single.optimize(objective, n_trials=8)
        assert runs_of(single) == runs_of(study)[:8]


@pytest.mark.parametrize("kind", ["int", "float", "categorical"])
def test_the_objective_may_suggest_by_name_in_any_way_and_order(study, kind):
    def objective(trial):
        values = {}
        for parameter in reversed(LATTICE.discrete):
            low, high = parameter.values[0], parameter.values[-1]
            if kind == "categorical":
                values[parameter.name] = trial.suggest_categorical(parameter.name, parameter.values)
            else:
                values[parameter.name] = getattr(trial, f"suggest_{kind}")(parameter.name, low, high)
        trial.suggest_float("of no lattice", 0.0, 1.0)
        config = TrialConfig.from_dict({name: int(value) for name, value in values.items()})
        return time_s(config), nrmse(config)

    other = study_of(LatticeSampler(problem()))
    other.optimize(objective, n_trials=6)
    assert runs_of(other) == runs_of(study)[:6]


def test_what_is_suggested_in_a_narrower_range_is_still_legal():
    sampler = LatticeSampler(problem())
    study = study_of(sampler)
    for _ in range(8):
        trial = study.ask()
        batch_size = trial.suggest_int("batch_size", 6, 7)
        config = sampler.suggest(trial).config
        assert config in LATTICE
        assert config.batch_size == batch_size
        study.tell(trial, (time_s(config), nrmse(config)))
    assert len(set(runs_of(study))) == 8


def test_parameters_outside_the_lattice_are_the_independent_samplers():
    class Third(RandomSampler):
        def sample_independent(self, study, trial, param_name, param_distribution):
            return 0.3

    sampler = LatticeSampler(problem(), independent_sampler=Third())
    trial = study_of(sampler).ask()
    assert trial.suggest_float("x", 0.0, 1.0) == 0.3
    assert sampler.suggest(trial).config == BASELINE


def test_a_space_with_categories_and_something_continuous_is_searched_too():
    points = lattice(PRECISION, WEIGHT, LR, max_batch=6)
    values = BASELINE.as_dict() | {"precision": "fp32", "weight": 0.5, "lr": 1e-3}
    del values["accum_steps"]
    sampler = LatticeSampler(problem(points, baseline=TrialConfig.from_dict(values)))
    study = study_of(sampler)
    study.optimize(objective_of(sampler), n_trials=6)
    runs = runs_of(study, points)
    assert all(config in points for config, _ in runs)
    assert len(set(runs)) == 6


def test_a_baseline_off_the_lattice_is_run_first():
    outside = TrialConfig(batch_size=12, micro_batch=1, num_taus=5)
    sampler = LatticeSampler(problem(baseline=outside))
    study = study_of(sampler)
    study.optimize(objective_of(sampler), n_trials=4)
    configs = [config for config, _ in runs_of(study)]
    assert configs[0] == outside
    assert all(config in LATTICE for config in configs[1:])


# With a problem: what trials teach.


def test_it_finds_the_optimum_in_fewer_trials_than_random_without_repeats():
    wide = lattice(max_batch=16, max_micro=8, max_taus=4)
    feasible = [config for config in wide if nrmse(config) < 0.095]
    best_s = min(map(time_s, feasible))

    def num_until_found(configs):
        found = (k for k, c in enumerate(configs, 1) if c in feasible and time_s(c) < 1.05 * best_s)
        return next(found, len(wide))

    ours, at_random = [], []
    for seed in range(5):
        sampler = LatticeSampler(problem(wide, seed=seed))
        study = study_of(sampler)
        noise = np.random.default_rng(seed)
        law = lambda config, noise=noise: nrmse(config) + 0.0003 * noise.standard_normal()  # noqa: E731
        study.optimize(objective_of(sampler, law), n_trials=12)
        ours.append(num_until_found([config for config, _ in runs_of(study, wide)]))
        shuffled = np.random.default_rng(seed).permutation(len(wide))
        at_random.append(num_until_found([wide.config(int(row)) for row in shuffled]))
    assert statistics.median(ours) <= 12
    assert statistics.median(ours) < 0.6 * statistics.median(at_random)


def test_a_study_stops_when_it_is_decided_and_what_it_certified_is_truly_the_best():
    sampler = LatticeSampler(problem())
    study = study_of(sampler)
    study.optimize(objective_of(sampler), n_trials=80, callbacks=[sampler.stop_when_decided])
    assert len(study.trials) < 40
    judgement = sampler.strategy(study)
    assert isinstance(judgement.next_step(), Decided)
    feasible = [config for config in LATTICE if nrmse(config) < 0.095]
    assert time_s(judgement.qualified[0]) <= 1.03 * min(map(time_s, feasible))


def test_a_decided_search_goes_on_with_what_is_new():
    study = searched(45, law=lambda config: 0.2)
    configs = [config for config, _ in runs_of(study)]
    assert set(configs) == set(LATTICE)
    assert len(set(runs_of(study))) == 45


def test_what_failed_is_not_run_again():
    def objective(trial):
        config = sampler.suggest(trial).config
        if config.batch_size > 6:
            raise RuntimeError
        return time_s(config), 0.08

    sampler = LatticeSampler(problem())
    study = study_of(sampler)
    study.optimize(objective, n_trials=15, catch=(RuntimeError,))
    failed = [config_of(LATTICE, t) for t in study.trials if t.state is OptunaState.FAIL]
    assert failed
    assert len(set(failed)) == len(failed)


def test_out_of_memory_keeps_it_from_what_is_larger():
    def objective(trial):
        config = sampler.suggest(trial).config
        is_oom = config.micro_batch * config.num_taus > 6
        trial.set_constraint("memory", 1.0 if is_oom else -1.0)
        return (float("inf"), float("inf")) if is_oom else (time_s(config), 0.08)

    sampler = LatticeSampler(problem())
    study = study_of(sampler)
    study.optimize(objective, n_trials=12)
    broken = [trial for trial in study.trials if trial.constraints["memory"] > 0]
    assert 1 <= len(broken) <= 3


def test_a_trial_without_intermediate_values_or_time_may_be_pruned():
    def objective(trial):
        config = sampler.suggest(trial).config
        trial.set_user_attr("nrmse", nrmse(config))
        for epoch in range(1, NUM_EPOCHS):
            trial.report(nrmse(config) * 1.05 ** (NUM_EPOCHS - epoch), epoch)
        if nrmse(config) > 0.1 and trial.number % 2:
            raise optuna.TrialPruned
        return time_s(config)

    sampler = LatticeSampler(problem())
    study = study_of(sampler, directions=["minimize"])
    study.optimize(objective, n_trials=14)
    pruned = [t for t in study.trials if t.state is OptunaState.PRUNED]
    assert pruned
    assert len(set(runs_of(study))) == 14
    records = {r.trial_id: r for r in records_of(problem(), study.trials)}
    assert all(records[f"{t.number:04d}"].state is TrialState.STOPPED for t in pruned)


# With a problem: Optuna around it.


def test_ask_and_tell_with_several_trials_under_way_repeats_nothing():
    sampler = LatticeSampler(problem())
    study = study_of(sampler)
    for _ in range(3):
        trials = [study.ask(sampler.distributions) for _ in range(4)]
        for trial in trials:
            config = sampler.suggest(trial).config
            study.tell(trial, (time_s(config), nrmse(config)))
    assert len(set(runs_of(study))) == 12


def test_an_enqueued_configuration_is_run_and_not_proposed_again():
    sampler = LatticeSampler(problem())
    study = study_of(sampler)
    enqueued = {name: FASTEST.as_dict()[name] for name in sampler.distributions}
    for _ in range(2):
        study.enqueue_trial(enqueued)
    study.enqueue_trial({"batch_size": 6})
    study.optimize(objective_of(sampler, lambda config: 0.2), n_trials=24)
    configs = [config for config, _ in runs_of(study)]
    assert configs[:2] == [FASTEST, FASTEST]
    assert configs[2].batch_size == 6
    assert configs.count(FASTEST) == 2
    assert len(set(runs_of(study))) == 24


def test_a_partially_fixed_sampler_completes_what_is_fixed():
    sampler = LatticeSampler(problem())
    study = study_of(sampler)
    study.sampler = PartialFixedSampler({"batch_size": 6}, sampler)
    study.optimize(objective_of(sampler), n_trials=6)
    assert all(config in LATTICE and config.batch_size == 6 for config, _ in runs_of(study))


@pytest.mark.parametrize("pruner", [optuna.pruners.HyperbandPruner(), optuna.pruners.MedianPruner()])
def test_a_pruner_of_optuna_may_be_set(pruner):
    sampler = LatticeSampler(problem())
    study = study_of(sampler, directions=["minimize"], pruner=pruner)

    def objective(trial):
        config = sampler.suggest(trial).config
        trial.set_user_attr("nrmse", nrmse(config))
        for epoch in range(1, NUM_EPOCHS + 1):
            trial.report(nrmse(config), epoch)
            if trial.should_prune():
                raise optuna.TrialPruned
        return time_s(config)

    study.optimize(objective, n_trials=8)
    assert all(config in LATTICE for config, _ in runs_of(study))


@pytest.mark.parametrize("storage", ["memory", "sqlite"])
def test_two_threads_repeat_nothing(tmp_path, storage):
    sampler = LatticeSampler(problem())
    url = f"sqlite:///{tmp_path / 'study.db'}" if storage == "sqlite" else None
    study = study_of(sampler, storage=url)
    study.optimize(objective_of(sampler), n_trials=8, n_jobs=2)
    assert all(trial.state is OptunaState.COMPLETE for trial in study.trials)
    assert len(set(runs_of(study))) == 8


def start_worker(path, num_trials):
    command = [sys.executable, "-m", "tests.optuna_sampler.optuna_worker", str(path), str(num_trials)]
    return subprocess.Popen(command, cwd=ROOT, env=os.environ | {"OMP_NUM_THREADS": "1"})


def test_processes_that_share_a_database_continue_one_search(tmp_path, study):
    """One after the other as one would alone; two at once without repeating anything."""
    path = tmp_path / "study.db"
    assert start_worker(path, 3).wait(120) == 0
    optuna_worker.main(str(path), 2)
    stored = optuna.load_study(study_name="study", storage=f"sqlite:///{path}")
    assert runs_of(stored) == runs_of(study)[:5]
    other = start_worker(path, 3)
    wait_until(lambda: len(stored.get_trials(deepcopy=False)) > 5)  # it has begun
    optuna_worker.main(str(path), 3)
    assert other.wait(120) == 0
    assert len(set(runs_of(stored))) == len(stored.trials) == 11


def test_a_pickled_sampler_goes_on_as_the_original(study):
    restored = pickle.loads(pickle.dumps(LatticeSampler(problem())))  # noqa: S301
    other = study_of(restored)
    other.optimize(objective_of(restored), n_trials=5)
    assert runs_of(other) == runs_of(study)[:5]


# Mistakes.


def test_a_study_that_does_not_say_its_nrmse_is_told_how():
    sampler = LatticeSampler(problem())
    study = study_of(sampler, directions=["minimize"])
    with pytest.raises(SpecError, match=r"trial 0 .*NRMSE.*set_user_attr"):
        study.optimize(lambda trial: time_s(sampler.suggest(trial).config), n_trials=2)


def test_maximising_a_problem_is_a_mistake():
    sampler = LatticeSampler(problem())
    with pytest.raises(SpecError, match="minimises"):
        sampler.suggest(study_of(sampler, directions=["minimize", "maximize"]).ask())


def test_a_baseline_with_other_parameters_is_a_mistake():
    with pytest.raises(SpecError, match="does not name the lattice's parameters"):
        LatticeSampler(problem(baseline=replace(BASELINE, accum_steps=2)))


def test_what_needs_a_problem_says_so():
    study = study_of(LatticeSampler())
    with pytest.raises(SpecError, match="no lattice"):
        study.sampler.suggest(study.ask())
    with pytest.raises(SpecError, match="nothing can be qualified"):
        LatticeSampler(LATTICE).strategy(study)


def test_illegal_fixed_parameters_are_a_mistake():
    sampler = LatticeSampler(problem())
    study = study_of(sampler)
    study.enqueue_trial({"batch_size": 7, "micro_batch": 2, "num_taus": 2})
    with pytest.raises(SpecError, match="not legal together"):
        sampler.suggest(study.ask())


def test_looking_at_the_search_does_not_import_optuna():
    code = "import sys, tuner.search; sys.exit('optuna' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"objective": Objective.ENERGY}, "no figures for 'objective: energy_j'"),
        ({"limits": (Limit.parse("power_w <= 150"),)}, "no figures for 'power_w <= 150'"),
    ],
)
def test_a_problem_whose_figures_no_trial_of_optuna_reports_is_refused(more, words) -> None:
    with pytest.raises(SpecError, match=words):
        LatticeSampler(problem(**more))
