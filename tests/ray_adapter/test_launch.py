"""The dict that the stage is handed."""

from dataclasses import replace

from tests.studies import make_study
from tuner.advisor import Advisor, Run
from tuner.core.trial import Purpose
from tuner.ray_adapter.launch import trial_config
from tuner.runs.checkpoints import Checkpoints


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
        "device": "",
    }


def test_the_baseline_alone_measures_the_untrained_start():
    study = make_study()
    run = Advisor(study).ask()
    assert isinstance(run, Run)
    plain = trial_config(study, run)
    assert trial_config(study, run, measure_start=True) == plain | {"measure_start": True}
    assert trial_config(study, replace(run, purpose=Purpose.SEARCH), measure_start=True) == plain


def test_a_trial_of_a_resumable_stage_gets_its_folder_and_where_to_go_on(tmp_path):
    study, checkpoints = make_study(), Checkpoints(tmp_path)
    run = Advisor(study).ask()
    assert isinstance(run, Run)
    plain = trial_config(study, run)
    assert trial_config(study, run, checkpoints=checkpoints) == plain | {
        "checkpoints": str(tmp_path / "checkpoints/0001"),
        "from_epoch": 0,
    }
    again = replace(run, trial_id="0002", resumed_from="0001", from_epoch=3)
    assert trial_config(study, again, checkpoints=checkpoints) == plain | {
        "checkpoints": str(tmp_path / "checkpoints/0002"),
        "from_epoch": 3,
    }
