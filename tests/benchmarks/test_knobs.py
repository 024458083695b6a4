"""The trials, pairs and output of benchmarks.knobs, on a tiny problem."""

from pathlib import Path

import pytest

from benchmarks.knobs import KNOBS, Setting, markdown_table, measure, summary
from benchmarks.training.runs import Runs
from benchmarks.training.trial_log import params_of
from trainables.consistency.params import DistillParams
from trainables.consistency.schedules import REFERENCE_BATCH
from trainables.consistency.stage import ConsistencyStage

NAME = '(24, 24, 4, 1) lr_scaling: "none"'


def setting(*nrmses: float, epoch_s: float = 1.0, **knob: str) -> Setting:
    return Setting(key=(24, 24, 4, 1), knob=knob, nrmses=nrmses, epoch_s=epoch_s)


def test_an_effect_is_the_mean_of_paired_differences() -> None:
    groups = [[setting(0.1, 0.2), setting(0.101, 0.206, epoch_s=0.8, lr_scaling="none")]]
    assert summary(groups) == {"num_seeds": 2, "effects": {NAME: [2.0, 1.0, 0.8]}}
    line = markdown_table(groups).splitlines()[3]
    assert line == '| 24, 24, 4, 1 | `lr_scaling: "none"` | .1535 | +2.0 ± 1.0 % | 0.80 x |'


def test_every_knob_is_legal_and_does_something_where_it_is_measured() -> None:
    for key, knobs in KNOBS.items():
        default = DistillParams.parse(params_of(key), num_samples=2000)
        for knob in knobs:
            turned = DistillParams.parse(params_of(key) | dict(knob), num_samples=2000)
            assert turned != default
            if "drop_last" in knob:
                assert turned.samples_in_epoch(2000) != default.samples_in_epoch(2000)
            if knob.keys() & {"lr_scaling", "ema_unit"}:
                assert turned.effective_batch_size != REFERENCE_BATCH


def test_measuring_trains_the_defaults_and_each_knob_on_the_same_seeds(tmp_path: Path) -> None:
    tiny = {"problem": "burgers", "num_samples": 40, "num_eval_trajectories": 3, "grid_points": 16}
    tiny |= {"operator_width": 4, "operator_depth": 1, "operator_steps": 3, "teacher_width": 8}
    tiny |= {"teacher_depth": 2, "teacher_steps": 5, "device": "cpu", "cache_dir": str(tmp_path)}
    runs = Runs(ConsistencyStage, tiny)
    default, turned = measure(runs, (6, 6, 3, 1), [{"tau_schedule": "3,2"}], 2, 2)
    again = runs.train(params_of((6, 6, 3, 1)), seed=1, num_epochs=2)[-1]["nrmse"]
    runs.stop()
    assert default.nrmses[1] == again
    assert all(a != b for a, b in zip(default.nrmses, turned.nrmses, strict=True))
    assert default.epoch_s > 0.0
    assert default.name == "defaults"
    assert turned.effect_pct(default)[0] == pytest.approx(
        50 * sum(b / a - 1 for a, b in zip(default.nrmses, turned.nrmses, strict=True))
    )
