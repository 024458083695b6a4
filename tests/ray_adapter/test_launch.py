"""What the stage is handed."""

from tests.studies import make_study
from tuner.advisor import Advisor, Run
from tuner.ray_adapter.launch import trial_config


def test_a_trial_gets_its_parameters_the_studys_options_its_seed_and_its_threads():
    study = make_study(seed=5, resources={"cpus": 3, "threads": 2})
    run = Advisor(study).ask()
    assert isinstance(run, Run)
    assert trial_config(study, run) == {
        "params": {"batch_size": 6, "micro_batch": 3, "num_taus": 5, "accum_steps": 1},
        "seed": 5,
        "num_epochs": 6,
        "stage": {"num_samples": 2000},
        "num_threads": 2,
    }
