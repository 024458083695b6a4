"""Runs trials of a study in an SQLite file: `optuna_worker.py FILE NUM_TRIALS`."""

import sys

import optuna

from tests.search.situations import NUM_EPOCHS, epoch_s, problem
from tuner.optuna_sampler import LatticeSampler


def main(path: str, num_trials: int) -> None:
    sampler = LatticeSampler(problem())
    study = optuna.create_study(
        study_name="study",
        directions=["minimize"] * 2,
        storage=f"sqlite:///{path}",
        sampler=sampler,
        load_if_exists=True,
    )

    def objective(trial: optuna.Trial) -> tuple[float, float]:
        run = sampler.suggest(trial)
        return NUM_EPOCHS * epoch_s(run.config), 0.085 + 0.004 * (run.config.batch_size - 4)

    study.optimize(objective, n_trials=num_trials)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
