import pickle
import subprocess
import sys
from collections.abc import Sequence
from typing import Any

import optuna
import pytest
from optuna.distributions import BaseDistribution
from optuna.trial import FrozenTrial

from tests.search.cases import LR, PRECISION, WEIGHT, drive, full_budget_values, lattice, record
from tuner.core.config import TrialConfig
from tuner.core.lattice import Lattice
from tuner.core.parameters import Continuous, Discrete
from tuner.core.trial import TrialState
from tuner.errors import SpecError
from tuner.search import OptunaProposer

FAST = ["random", "tpe", "nsga2"]
BASELINE = TrialConfig(batch_size=6, micro_batch=3, num_taus=3)


class Corner(optuna.samplers.BaseSampler):
    """A sampler from elsewhere that always proposes one corner, legal or not."""

    def __init__(self, seed: int, micro_batch: int = 4) -> None:
        self.seed, self.micro_batch = seed, micro_batch

    def infer_relative_search_space(
        self, study: optuna.Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        raise AssertionError("the static space is given")

    def sample_relative(
        self, study: optuna.Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        return {"num_micro_batches": 8, "micro_batch": self.micro_batch, "num_taus": 3}

    def sample_independent(self, *args: object) -> Any:
        raise AssertionError("everything was proposed")


class NotASampler:
    def __init__(self, seed: int) -> None:
        self.seed = seed


def first(proposer: OptunaProposer, num_trials: int) -> Sequence[TrialConfig]:
    proposer.adopt("baseline", BASELINE)
    proposer.tell(record("baseline", BASELINE), full_budget_values(BASELINE))
    return drive(proposer, num_trials)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("name", FAST)
def test_every_point_is_proposed_once_and_nothing_else(name: str, seed: int) -> None:
    points = lattice(PRECISION, WEIGHT)
    asked = drive(OptunaProposer(points, name, {}, seed))
    assert len(asked) == len(points)
    assert set(asked) == set(points)


@pytest.mark.parametrize("name", FAST)
def test_without_results_every_point_is_proposed_once_too(name: str) -> None:
    """All are running, as with many workers."""
    points = lattice()
    proposer = OptunaProposer(points, name)
    asked = [proposer.propose(str(i)) for i in range(len(points))]
    assert set(asked) == set(points)
    assert proposer.propose("one more") is None


@pytest.mark.parametrize("name", FAST)
def test_an_adopted_point_is_not_proposed_again(name: str) -> None:
    points = lattice()
    proposer = OptunaProposer(points, name)
    proposer.adopt("baseline", BASELINE)
    asked = drive(proposer)
    assert len(asked) == len(points) - 1
    assert BASELINE not in asked


@pytest.mark.parametrize("name", FAST)
def test_the_same_seed_and_calls_give_the_same_proposals(name: str) -> None:
    points = lattice(PRECISION, LR)
    config = BASELINE.as_dict() | {"precision": "bf16", "lr": 1e-3}
    runs = []
    for seed in (0, 0, 1):
        proposer = OptunaProposer(points, name, {}, seed)
        proposer.adopt("baseline", TrialConfig.from_dict(config))
        runs.append(drive(proposer, 30))
    assert runs[0] == runs[1]
    assert runs[0] != runs[2]


def test_what_was_told_steers_tpe() -> None:
    asked = [
        drive(OptunaProposer(lattice(max_batch=12), seed=0), 30, is_oom=is_oom)
        for is_oom in (lambda config: config.micro_batch > 2, lambda config: config.micro_batch < 3)
    ]
    assert asked[0][:10] == asked[1][:10]
    assert asked[0] != asked[1]


@pytest.mark.parametrize("name", FAST)
def test_a_pickled_proposer_goes_on_as_the_original(name: str) -> None:
    proposer = OptunaProposer(lattice(max_batch=12), name)
    drive(proposer, 15)
    restored = pickle.loads(pickle.dumps(proposer))  # noqa: S301
    assert drive(proposer, 10) == drive(restored, 10)


@pytest.mark.parametrize("name", FAST)
def test_a_point_may_repeat_with_other_values_of_a_continuous_parameter(name: str) -> None:
    points = lattice(LR, max_batch=4, max_micro=2, max_taus=2)
    asked = drive(OptunaProposer(points, name), 30)
    assert len(points) < 30 == len(asked)
    assert len(set(asked)) == 30
    assert all(config in points for config in asked)


@pytest.mark.parametrize("name", FAST)
def test_a_continuous_parameter_of_one_value_keeps_it(name: str) -> None:
    fixed = Continuous(name="lr", low=0.01, high=0.01)
    asked = drive(OptunaProposer(lattice(fixed), name), 20)
    assert {dict(config.extra)["lr"] for config in asked} == {0.01}


def test_rounding_never_carries_a_continuous_value_out_of_its_range() -> None:
    """exp(log(x)) may differ from x in the last digit."""
    narrow = Continuous(name="lr", low=5.0, high=5.000000000000004, log=True)
    asked = drive(OptunaProposer(lattice(narrow), "random"), 8)
    assert all(config in lattice(narrow) for config in asked)


@pytest.mark.parametrize("log", [True, False])
def test_continuous_values_are_drawn_on_their_own_scale(log: bool) -> None:
    points = lattice(Continuous(name="lr", low=1e-4, high=1e-2, log=log))
    asked = drive(OptunaProposer(points, "random"), 200)
    below = sum(float(dict(config.extra)["lr"]) < 1e-3 for config in asked)
    assert 80 <= below <= 120 if log else 5 <= below <= 40


def test_a_lattice_of_one_point_is_used_up_by_one_proposal() -> None:
    one = [Discrete(name=n, values=(v,)) for n, v in BASELINE.as_dict().items()]
    assert drive(OptunaProposer(Lattice(one))) == [BASELINE]


def test_whole_numbers_among_reals_stay_whole() -> None:
    mixed = Discrete(name="weight", values=(0.5, 1, 2))
    asked = drive(OptunaProposer(lattice(mixed)))
    assert {repr(dict(config.extra)["weight"]) for config in asked} == {"0.5", "1", "2"}


def test_a_sampler_from_elsewhere_is_moved_to_the_lattice() -> None:
    proposer = OptunaProposer(lattice(), f"{__name__}:Corner", {"micro_batch": 1}, 5)
    nearest = TrialConfig(batch_size=8, micro_batch=1, num_taus=3)
    assert drive(proposer, 1) == [nearest]
    assert len(drive(OptunaProposer(lattice(), f"{__name__}:Corner"))) == len(lattice())


@pytest.mark.parametrize("name", FAST)
def test_options_reach_the_sampler(name: str) -> None:
    """Each changes what is proposed after the fifth trial, when it would still be the start."""
    options = {"random": {}, "tpe": {"n_startup_trials": 5}, "nsga2": {"population_size": 5}}[name]
    points = lattice(max_batch=12)
    plain, told = (drive(OptunaProposer(points, name, o), 10) for o in ({}, options))
    assert plain[:5] == told[:5]
    assert (plain == told) is (name == "random")


def test_nsga2_leaves_its_random_start_within_a_small_study() -> None:
    points = lattice(max_batch=12)
    assert drive(OptunaProposer(points, "nsga2"), 20) != drive(OptunaProposer(points, "random"), 20)


def test_nsga2_may_take_the_baseline_as_a_parent() -> None:
    proposer = OptunaProposer(lattice(max_batch=12), "nsga2", {"population_size": 4})
    first(proposer, 3)
    proposer.propose("child")
    generations = [t.system_attrs["NSGAIISampler:generation"] for t in proposer.study.trials]
    assert generations == [0, 0, 0, 0, 1]


def test_tpe_avoids_a_side_that_runs_out_of_memory_better_than_chance() -> None:
    """NRMSE alone would pull into it."""

    def num_oom(name: str, seed: int) -> int:
        points = lattice(max_batch=24, max_micro=12, max_taus=7)
        asked = drive(OptunaProposer(points, name, {}, seed), 60, is_oom=is_oom)
        return sum(is_oom(config) for config in asked[20:])

    def is_oom(config: TrialConfig) -> bool:
        return config.num_taus >= 5

    by_tpe, by_chance = (sum(num_oom(name, seed) for seed in range(5)) for name in ("tpe", "random"))
    assert by_tpe < 0.75 * by_chance


def test_gp_proposes_new_legal_points_even_if_all_began_with_oom(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    points = lattice(PRECISION)
    runs = []
    for _ in range(2):
        proposer = OptunaProposer(points, "gp", {"n_startup_trials": 3})
        asked = drive(proposer, 2, is_oom=lambda config: True)
        for trial_id in ("a", "b", "c", "d"):
            config = proposer.propose(trial_id)
            assert config is not None
            asked.append(config)
            proposer.tell(record(trial_id, config), full_budget_values(config))
        runs.append(asked)
    assert runs[0] == runs[1]
    assert len(set(runs[0])) == 6
    assert all(config in points for config in runs[0])
    assert capfd.readouterr() == ("", "")


def test_nothing_is_said_on_the_console(capfd: pytest.CaptureFixture[str]) -> None:
    for name in FAST:
        proposer = OptunaProposer(lattice(), name)
        proposer.adopt("lost", BASELINE)
        proposer.tell(record("lost", BASELINE, TrialState.FAILED, num_ran=0), None)
        drive(proposer)
        proposer.close()
    assert capfd.readouterr() == ("", "")


def test_importing_the_search_does_not_import_optuna() -> None:
    program = "import sys, tuner.search; sys.exit('optuna' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


@pytest.mark.parametrize(
    ("name", "options", "words"),
    [
        ("tpee", {}, "did you mean 'tpe'"),
        ("tpe", {"n_startup_trial": 3}, "did you mean 'n_startup_trials'"),
        ("tpe", {"multivariate": False}, "has no option 'multivariate'"),
        ("tpe", {"seed": 3}, "has no option 'seed'"),
        ("nsga2", {"population": 3}, "did you mean 'population_size'"),
        ("nsga2", {"population_size": 1}, "population_size"),
        ("random", {"n_startup_trials": 3}, "its options are: none"),
        ("no_such_module:Sampler", {}, "install the module"),
        (":Sampler", {}, "cannot be imported"),
        ("optuna.samplers:TPESampled", {}, "did you mean 'TPESampler'"),
        (f"{__name__}:NotASampler", {}, "derive it from"),
        (f"{__name__}:Corner", {"corner": 1}, "its options are: micro_batch"),
    ],
)
def test_a_mistake_in_the_study_is_one_message_with_its_fix(
    name: str, options: dict[str, object], words: str
) -> None:
    with pytest.raises(SpecError) as error:
        OptunaProposer(lattice(), name, options)
    assert words in str(error.value)
    assert error.value.hint
