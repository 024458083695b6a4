"""The supposed time and memory of cards: the guide's own rows come out of them."""

from dataclasses import replace

import numpy as np
import pytest

from tuner.core.config import TrialConfig
from tuner.core.workload import Workload
from tuner.errors import SpecError
from tuner.simulate.hardware import hardware_law
from tuner.spec import load_hardware

BASELINE = (6, 3, 5, 1)
NAMES = ("batch_size", "micro_batch", "num_taus", "accum_steps")


def columns(*keys):
    return {name: np.array([key[k] for key in keys]) for k, name in enumerate(NAMES)}


def epoch_s(law, key) -> float:
    return float(law.epoch_time_s(columns(key), 2000)[0])


@pytest.mark.parametrize(
    ("card", "row"),
    [("a100_40gb", (12, 4, 4, 2)), ("h100_80gb", (24, 8, 4, 1)), ("rtx4090", (12, 4, 4, 2))],
)
def test_the_guides_row_is_as_much_faster_as_the_guide_says(card, row):
    profile = load_hardware(card)
    law = hardware_law(profile)
    low, high = profile.guide.speedup
    assert low <= epoch_s(law, BASELINE) / epoch_s(law, row) <= high
    assert law.peak_memory_gib(columns(row))[0] < law.memory_gib


def test_the_baseline_takes_30_to_40_minutes_on_an_a100_and_the_guides_row_less_than_half():
    law = hardware_law(load_hardware("a100_40gb"))
    assert 30 <= 6 * epoch_s(law, BASELINE) / 60 <= 40
    assert 10 <= 6 * epoch_s(law, (12, 4, 4, 2)) / 60 <= 17


@pytest.mark.parametrize(("card", "rows"), [("rtx4090", 18), ("a100_40gb", 36), ("h100_80gb", 81)])
def test_as_many_rows_fit_as_docs_stage_says(card, rows):
    law = hardware_law(load_hardware(card))
    fits = law.peak_memory_gib(columns((rows, rows, 1, 1), (rows + 1, rows + 1, 1, 1))) <= law.memory_gib
    assert fits.tolist() == [True, False]


def test_the_time_is_the_sum_over_the_work_of_the_cost_mathematics():
    law = replace(hardware_law(load_hardware("a100_40gb")), saturation_rows=0.0)
    work = Workload(
        config=TrialConfig(batch_size=15, micro_batch=5, num_taus=3, accum_steps=4), num_samples=2000
    )
    expected = (
        work.num_iterations * (law.batch_s + law.step_s / 4)
        + work.num_chunks * law.launch_s
        + work.num_rows * law.row_s
    )
    assert epoch_s(law, (15, 5, 3, 4)) == pytest.approx(expected)


def test_few_rows_take_as_long_as_those_that_saturate_the_card():
    law = hardware_law(load_hardware("h100_80gb"))
    few, enough = 6 * epoch_s(law, (6, 1, 2, 1)), 6 * epoch_s(law, (6, 1, 7, 1))
    assert few == pytest.approx(enough)


def test_a_loader_is_a_floor_and_tiles_round_up():
    law = hardware_law(load_hardware("a100_40gb"))
    slow = replace(law, loader_s=10.0)
    assert epoch_s(slow, (6, 6, 2, 1)) == 333 * 10.0
    tiled = replace(law, tile_rows=16)
    assert epoch_s(tiled, (12, 3, 3, 1)) == pytest.approx(
        epoch_s(law, (12, 3, 3, 1)) + 167 * 4 * 7 * law.row_s
    )


def test_a_card_without_a_figure_cannot_be_simulated_and_the_message_names_it():
    profile = replace(load_hardware("a100_40gb"), peak_tf32_tflops=None)
    with pytest.raises(SpecError, match=r"no peak_tf32_tflops.*\n?.*Fix: add peak_tf32_tflops"):
        hardware_law(profile)


def test_a_cpu_never_runs_out_of_memory():
    law = hardware_law(load_hardware("cpu"))
    assert np.isinf(law.memory_gib)
    assert epoch_s(law, BASELINE) == pytest.approx(0.68, rel=0.02)  # docs/stage.md
