"""The words in which records are reported."""

from dataclasses import replace

import pytest

from tests.studies import GUIDE, make_record
from tuner.certificate.conclusion import conclude
from tuner.core.config import TrialConfig
from tuner.core.goal import Goal, Objective
from tuner.core.limits import Limit
from tuner.core.objectives import Target
from tuner.core.study_sections import StageSpec
from tuner.core.trial import Purpose, TrialState
from tuner.report.conclusion import conclusion_text
from tuner.report.text import duration, result_table, trial_line, work_table

TARGET = Goal(target=Target.parse("nrmse < 0.095"))
STAGE = StageSpec(class_path="m:C", num_epochs=2, num_samples=2000)
BASELINE = make_record("0001", curve=(0.1, 0.09), epoch_time_s=10.0, purpose=Purpose.BASELINE)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0:00"), (59.6, "1:00"), (3599, "59:59"), (3600, "1:00:00"), (36061, "10:01:01"), (-5, "0:00")],
)
def test_durations(seconds, text):
    assert duration(seconds) == text


def test_the_closing_table_shows_figures_of_full_budget_trials_only():
    guide = make_record(
        "0002",
        config=TrialConfig(**GUIDE),
        curve=(0.1,),
        state=TrialState.STOPPED,
        purpose=Purpose.GUIDE,
    )
    best = make_record(
        "0003", config=TrialConfig(batch_size=24, micro_batch=24, num_taus=4), epoch_time_s=4.0
    )
    lines = result_table(conclude([BASELINE, guide, best], TARGET)).splitlines()
    cells = [line.rsplit(maxsplit=9) for line in lines]
    assert cells[0][-4:] == ["time_s", "nrmse", "peak_memory_gib", "speed-up"]
    assert cells[1] == ["baseline", "6", "3", "5", "1", "1", "20.00", "0.0900", "0.250", "1.00x"]
    assert cells[2] == ["guide's row", "12", "4", "4", "2", "-", "stopped", "-", "0.250", "-"]
    assert cells[3] == ["recommended", "24", "24", "4", "1", "1", "8.00", "0.0900", "0.250", "2.50x"]
    assert len(set(map(len, lines))) == 1


def test_the_work_table_holds_the_guides_numbers_and_both_of_its_counts():
    """See the guide, "Computational cost per epoch": 3,330 -> 2,004 passes, 10,000 -> 8,000 evaluations."""
    guide = make_record("0002", config=TrialConfig(**GUIDE), purpose=Purpose.GUIDE)
    lines = work_table(conclude([BASELINE, guide], TARGET), STAGE).splitlines()
    assert lines[0].split()[2:4] == ["num_forward_passes", "num_sample_evals"]
    assert lines[1].split() == ["baseline", "3,330", "10,000", "333", "15", "6"]
    assert "2,004 (-40 %)" in lines[2]
    assert "8,000 (-20 %)" in lines[2]
    assert lines[2].endswith(" 24")


def test_the_nearest_miss_has_a_row_when_nothing_met_the_target():
    table = result_table(conclude([BASELINE], Goal(target=Target.parse("nrmse < 0.01"))))
    assert "nearest miss" in table
    assert "recommended" not in table


def test_a_further_parameter_of_the_stage_has_a_column():
    config = TrialConfig(batch_size=6, micro_batch=3, num_taus=5, extra=(("precision", "bf16"),))
    record = make_record("0001", config=config, purpose=Purpose.BASELINE)
    assert "precision" in result_table(conclude([record], TARGET)).splitlines()[0]


def test_a_stopped_trial_shows_its_reason_and_a_running_one_its_progress():
    stopped = make_record(curve=(0.1,), state=TrialState.STOPPED, reason="too slow")
    assert trial_line(stopped).endswith("after epoch 1/2: too slow")
    running = make_record(curve=(0.1,), state=TrialState.RUNNING)
    assert trial_line(running).endswith("epoch 1/2, NRMSE 0.1000")
    assert trial_line(make_record(curve=(), state=TrialState.RUNNING)).endswith("epoch 0/2")


def test_another_objective_and_limited_figures_have_columns_and_the_speed_up_is_in_the_objective():
    goal = Goal(
        target=Target.parse("nrmse < 0.095"),
        objective=Objective.TIME_TO_TARGET,
        limits=(Limit.parse("num_chunks <= 3"), Limit.parse("time_s <= 50")),
    )
    quick = make_record(
        "0002",
        config=TrialConfig(batch_size=24, micro_batch=24, num_taus=4),
        curve=(0.09, 0.09),
        epoch_time_s=4.0,
    )
    busy = replace(quick, measurements=tuple(replace(m, num_chunks=4) for m in quick.measurements))
    table = result_table(conclude([BASELINE, quick], goal)).splitlines()
    assert table[0].split()[-4:] == ["peak_memory_gib", "time_to_target_s", "num_chunks", "speed-up"]
    assert table[1].split()[-3:] == ["20.00", "0", "1.00x"]
    assert table[2].split()[-3:] == ["4.00", "0", "5.00x"]
    broken = conclude([replace(BASELINE, measurements=busy.measurements), busy], goal)
    assert "4!" in result_table(broken)


def test_a_time_to_the_target_that_was_never_reached_is_a_bound():
    goal = Goal(target=Target.parse("nrmse < 0.08"), objective=Objective.TIME_TO_TARGET)
    conclusion = conclude([BASELINE], goal)
    assert ">20.00" in result_table(conclusion)
    assert "the nearest miss is" in conclusion_text(conclusion)
