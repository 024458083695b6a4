"""The tuner's search in a plain Optuna script: seconds and NRMSE of a made-up stage."""

import random
import sys

import optuna

from tuner.core.config import TrialConfig
from tuner.core.lattice import Lattice
from tuner.core.objectives import Target
from tuner.core.parameters import Discrete
from tuner.optuna_sampler import LatticeSampler
from tuner.search import Problem

PROBLEM = Problem(
    lattice=Lattice(
        [
            Discrete(name="batch_size", values=tuple(range(6, 25))),
            Discrete(name="micro_batch", values=tuple(range(1, 13))),
            Discrete(name="num_taus", values=(2, 3, 4, 5)),
        ]
    ),
    target=Target.parse("nrmse < 0.095"),
    baseline=TrialConfig(batch_size=6, micro_batch=3, num_taus=5),
    num_samples=2000,
    num_epochs=10,
)
sampler = LatticeSampler(PROBLEM)


def train(config: TrialConfig, seed: int) -> tuple[float, float]:
    """Stands in for a training: seconds and NRMSE at full budget."""
    time_s = 20 * (2 / config.batch_size + 1 / config.micro_batch + 0.1 * config.num_taus)
    nrmse = 0.07 + 0.001 * config.batch_size + 0.004 * (5 - config.num_taus)
    return time_s, nrmse + random.Random(f"{config} {seed}").gauss(0, 0.0005)


def objective(trial: optuna.Trial) -> tuple[float, float]:
    run = sampler.suggest(trial)
    return train(run.config, run.seed)


storage = sys.argv[1] if len(sys.argv) > 1 else None  # such as sqlite:///study.db
study = optuna.create_study(storage=storage, directions=["minimize", "minimize"], sampler=sampler)
study.optimize(objective, n_trials=60, callbacks=[sampler.stop_when_decided])
print(f"{len(study.trials)} trials; qualified, the fastest first:")  # noqa: T201
print(*sampler.strategy(study).qualified, sep="\n")  # noqa: T201
