"""The sentence at the end of a study: with errors of means, with a certificate, and of a simulation."""

from dataclasses import replace

import pytest

from tests.certificate.cases import BASELINE, GOAL, GUIDE, WINNER, paired, run
from tuner.certificate import Conditions, Verdict
from tuner.certificate.conclusion import StudyOutcome, conclude
from tuner.core.certificate_terms import Terms
from tuner.core.config import TrialConfig
from tuner.core.trial import Purpose
from tuner.report.certificate import certificate_dict, verdict_sentence
from tuner.report.conclusion import conclusion_text, speedup_basis, speedup_text

OTHER = TrialConfig(batch_size=16, micro_batch=16, num_taus=3)
TERMS = Terms(pairs=3, nrmse_margin_pct=4)
CERTIFIED_BY_PAIRS = (2.5, 3.5, 3.0)


def searched(config, *times_s, nrmse=0.092, **more):
    """Runs of the search with seeds 0, 1, 2 ...; the baseline's first one is the reference."""
    purpose = Purpose.BASELINE if config == BASELINE else Purpose.SEARCH
    return [run(config, seed, nrmse, time_s, purpose=purpose, **more) for seed, time_s in enumerate(times_s)]


# Means with their errors.


def test_the_best_of_twelve_runs_is_not_faster_than_the_one_run_of_the_baseline():
    """Twelve runs of the same speed: their minimum lies 8 % below the baseline's only run, their mean not."""
    times = [4.0 * (1 + 0.02 * k) for k in (-4, -3, -2, -1, -1, 0, 0, 1, 2, 2, 3, 4)]
    found = conclude([*searched(BASELINE, 4.0), *searched(WINNER, *times)], GOAL)
    assert min(times) < 0.93 * 4.0 < sum(times) / 12
    assert found.outcome is StudyOutcome.KEEP_BASELINE
    assert conclusion_text(found).endswith("is faster than its 4.00 s.")


def test_a_difference_within_the_error_of_several_runs_is_not_recommended_and_says_so():
    found = conclude([*searched(BASELINE, 4.0, 4.3, 3.9), *searched(WINNER, 4.1, 3.6, 4.0, 3.9)], GOAL)
    assert found.outcome is StudyOutcome.KEEP_BASELINE
    assert "but the difference is within the error of 3 and 4 runs." in conclusion_text(found)


def test_a_difference_of_less_than_a_percent_is_no_reason_to_change_however_sure_it_is():
    runs = [*searched(BASELINE, *[4.0, 4.001] * 5), *searched(WINNER, *[3.965, 3.966] * 5)]
    found = conclude(runs, GOAL)
    assert found.outcome is StudyOutcome.KEEP_BASELINE
    assert "but less than 1 % may be luck, and is no reason to change." in conclusion_text(found)


def test_one_run_of_either_has_no_error_and_the_certificate_decides():
    found = conclude([*searched(BASELINE, 4.0), *searched(WINNER, 3.9, 3.8)], GOAL)
    assert found.outcome is StudyOutcome.RECOMMENDED
    assert speedup_text(found.speedup) == "1.04x"
    assert speedup_basis(found.speedup) == "means of 1 and 2 runs"


def test_what_is_surely_faster_is_recommended_before_what_may_be_faster_still():
    unsure, sure = searched(WINNER, 2.0, 5.6), searched(OTHER, 3.9, 3.91)
    found = conclude([*searched(BASELINE, 4.0, 4.01, 4.0), *unsure, *sure], GOAL)
    assert found.recommendation.estimate.config == OTHER


def test_without_a_certificate_the_speed_up_has_the_interval_of_its_means():
    found = conclude([*searched(BASELINE, 4.0, 4.1, 3.9), *searched(WINNER, 2.0, 2.02, 1.98)], GOAL)
    shown = found.speedup
    assert (shown.ratio, shown.is_paired) == (pytest.approx(2.0), False)
    assert 1.88 < shown.low < 1.95
    assert 2.05 < shown.high < 2.13
    assert "faster than the baseline's 4.00 s (means of 3 and 3 runs)" in conclusion_text(found)
    assert speedup_text(shown) in conclusion_text(found)


def test_a_drift_between_the_certificates_rounds_unseats_nothing_that_the_search_found():
    """Within each pair the winner is 15 % faster; over all runs the scatter is larger than that."""
    slow = (1.0, 1.3, 1.7, 2.2)
    drifting = [
        run(config, 1000 + k, 0.092, time_s * factor)
        for k, factor in enumerate(slow)
        for config, time_s in ((BASELINE, 4.0), (WINNER, 3.4))
    ]
    records = [*searched(BASELINE, 4.0), *searched(WINNER, 3.4, 3.41), *drifting]
    found = conclude(
        records, GOAL, terms=Terms(pairs=4, nrmse_margin_pct=4), conditions=Conditions(memory_gib=8)
    )
    assert found.is_certified
    assert found.speedup.ratio == pytest.approx(4.0 / 3.4)


# One certificate a study.


def changed_winner(**more):
    """The pairs were of WINNER; then a run of OTHER turned out to be faster."""
    records = [
        *searched(BASELINE, 4.0),
        *searched(WINNER, 1.3, 1.3),
        *paired(CERTIFIED_BY_PAIRS),
        *searched(OTHER, 1.1, 1.1),
    ]
    return conclude(records, GOAL, terms=TERMS, conditions=Conditions(memory_gib=8), **more)


def test_what_is_recommended_instead_of_the_certificates_subject_is_evidence_and_says_whose_pairs_ran():
    found = changed_winner()
    assert found.recommendation.estimate.config == OTHER
    assert (found.certificate, found.is_certified) == (None, False)
    assert (found.spent.config, found.spent.verdict) == (WINNER, Verdict.CERTIFIED)
    said = conclusion_text(found)
    assert "evidence, no certificate. The certificate's 3 pairs went to " + str(WINNER) in said
    assert "Those pairs show: certified; 3.01x" in said
    assert said.endswith(f"A new run would certify {OTHER}: --warm-start keeps what this one learned.")


def test_a_run_that_goes_on_says_nothing_of_a_subject_while_nothing_is_recommended():
    assert changed_winner(admitted={}, is_over=False).spent is None


def test_pairs_of_what_is_not_recommended_any_more_are_told_of_also_where_nothing_is():
    found = changed_winner(admitted={BASELINE: 1.0})
    assert found.outcome is StudyOutcome.KEEP_BASELINE
    assert f"went to {WINNER}" in conclusion_text(found)
    assert "--warm-start" not in conclusion_text(found)


def test_the_audited_row_of_the_guide_has_no_certificate_of_its_pairs():
    """Three rounds of it exist, but they were not run to prove it."""
    audit = [run(GUIDE, 1000 + k, 0.0912 + 1e-5 * k, 1.0) for k in range(3)]
    row = [replace(r, purpose=Purpose.GUIDE) for r in searched(GUIDE, 1.0)]
    records = [*searched(BASELINE, 4.0), *row, *searched(WINNER, 1.3, 1.3), *paired(CERTIFIED_BY_PAIRS)]
    found = conclude([*records, *audit], GOAL, terms=TERMS, conditions=Conditions(memory_gib=8))
    assert found.recommendation.estimate.config == GUIDE
    assert found.certificate is None
    assert found.spent.config == WINNER


# A simulation.


@pytest.mark.parametrize(
    ("changes", "measured", "simulated"),
    [
        (CERTIFIED_BY_PAIRS, Verdict.CERTIFIED, "simulated: would be certified"),
        ((6.0, 6.1, 5.9), Verdict.NOT_CERTIFIED, "simulated: would not be certified"),
        ((3.9, 4.1, 3.0), Verdict.UNDECIDED, "simulated: would be undecided"),
    ],
)
def test_no_simulation_is_certified_or_reads_as_if_it_were(changes, measured, simulated):
    records = [*searched(BASELINE, 4.0), *searched(WINNER, 1.3, 1.3), *paired(changes, base=0.089)]
    real = conclude(records, GOAL, terms=TERMS, conditions=Conditions(memory_gib=8))
    assert real.certificate.verdict is measured
    assert conclusion_text(real).startswith("Recommended: ")
    supposed = conclude(records, GOAL, terms=TERMS, conditions=Conditions(memory_gib=8, is_simulated=True))
    assert supposed.certificate.verdict == simulated
    assert verdict_sentence(supposed.certificate).startswith(simulated.capitalize())
    assert certificate_dict(supposed.certificate)["simulated"] is True
    assert not supposed.is_certified
    assert conclusion_text(supposed) == "Simulated, nothing was measured. " + conclusion_text(real)
    assert "--resume" not in verdict_sentence(supposed.certificate)
