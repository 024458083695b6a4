"""The results that a calibration computes from its trials, against closed forms."""

import math
from pathlib import Path

import pytest

from benchmarks.calibration.results import Calibration, markdown_table
from benchmarks.training.trial_log import QualityRun
from tuner.core.objectives import Target

BASELINE, SMALL, LARGE = (6, 3, 5, 1), (12, 4, 4, 2), (24, 24, 2, 1)
DOCS = Path(__file__).parents[3] / "docs"


def calibration(*, seeds: int = 3) -> Calibration:
    """Means .090, .0918 and .099; the seed moves SMALL and LARGE by the same steps."""
    finals = {BASELINE: [0.09] * 3, SMALL: [0.0909, 0.0918, 0.0927], LARGE: [0.098, 0.099, 0.1]}
    return Calibration(
        runs=tuple(
            QualityRun(key=key, seed=seed, nrmses=(1.1 * values[seed], values[seed]))
            for key, values in finals.items()
            for seed in range(seeds)
        ),
        epoch_times_s={BASELINE: 1.0, SMALL: 0.8, LARGE: 0.3},
        target=Target.parse("nrmse < 0.095"),
        num_samples=2000,
    )


def test_paired_differences_are_relative_to_the_baseline_on_the_same_seed() -> None:
    assert calibration().paired_pct(SMALL) == pytest.approx([1.0, 2.0, 3.0])


def test_paired_deviation_is_pooled_over_configurations() -> None:
    expected = math.sqrt((1.0 + (10.0 / 9.0) ** 2) / 2.0)  # of {1, 2, 3} %, and of steps of .001 / .09
    assert calibration().paired_sd_pct == pytest.approx(expected)


def test_summary_counts_means_within_the_target() -> None:
    assert calibration().summary() == {
        "baseline_nrmse_mean": 0.09,
        "baseline_nrmse_sd": 0.0,
        "paired_sd_pct": 1.06,
        "feasible_share_pct": 66.7,
        "num_seeds": 3,
    }


def test_a_mean_near_the_target_is_not_decided() -> None:
    measured = calibration()
    assert [measured.is_decided(key) for key in (BASELINE, SMALL, LARGE)] == [True, True, True]
    assert not calibration(seeds=2).is_decided(LARGE), "t with one degree of freedom is 12.7"


def test_early_epochs_in_the_order_of_the_last_correlate_fully() -> None:
    assert calibration().rank_correlations == pytest.approx([1.0])


def test_the_table_has_a_row_for_each_configuration_of_the_grid() -> None:
    rows = markdown_table(calibration()).splitlines()
    assert rows[2] == "| 6, 3, 5, 1 | .0900 ± .0000 | baseline | 1.00 | in |"
    assert rows[3].startswith("| 12, 4, 4, 2 | .0918 ± .0009 | +2.0 ± 0.6 % | 0.80 |")


def test_the_docs_show_the_table_that_was_measured() -> None:
    assert (DOCS / "figures/calibration.md").read_text() in (DOCS / "stage.md").read_text()
