"""Tables of measured runs: exactly what was measured comes back."""

import json
from dataclasses import replace

import pytest

from tests.advisor.laws import run_study, smooth
from tests.replay import START, records_of
from tests.studies import make_study
from tuner.advisor.messages import Run
from tuner.core.config import TrialConfig
from tuner.core.trial import Purpose
from tuner.errors import RecordsError, TunerError
from tuner.runs.journal import read_journal
from tuner.simulate.hardware import hardware_law
from tuner.simulate.table import (
    TableRow,
    over_micro_batches,
    read_rows,
    table_instance,
)
from tuner.spec import load_hardware

STUDY = make_study(budget={"trials": 12, "hours": 10})
GUIDE = STUDY.guide


def row(config, seed: int, final: float, epoch_time_s: float | None = 1.0) -> TableRow:
    return TableRow(config=config, seed=seed, nrmses=(0.12,) * 5 + (final,), epoch_time_s=epoch_time_s)


def journal_rows(events) -> list[TableRow]:
    """The trials of a journal that ran to their full budget."""
    return [
        TableRow(
            config=record.config,
            seed=record.seed,
            nrmses=tuple(record.nrmse_curve.values()),
            epoch_time_s=record.time_s / record.num_epochs,
            peak_memory_gib=record.peak_memory_gib,
        )
        for record in records_of(events)
        if record.is_full_budget
    ]


def ask(config, seed: int) -> Run:
    return Run(trial_id="0001", config=config, seed=seed, num_epochs=6, purpose=Purpose.SEARCH)


def test_a_journal_replayed_as_a_table_answers_what_was_measured(tmp_path):
    advisor, _, _ = run_study(STUDY, smooth, tmp_path / "j")
    instance = table_instance(STUDY, journal_rows([START, *read_journal(tmp_path / "j")]))
    full = [record for record in advisor.records if record.is_full_budget]
    assert full
    assert {instance.study.lattice.config(k) for k in range(len(instance.study.lattice))} == {
        record.config for record in full
    }
    for record in full:
        seen = [instance.train(ask(record.config, record.seed), epoch).nrmse for epoch in range(1, 7)]
        assert seen == list(record.nrmse_curve.values())


def test_seeds_of_a_table_are_replayed_and_the_truth_is_their_mean():
    rows = [row(STUDY.baseline, 0, 0.090), row(STUDY.baseline, 1, 0.092), row(GUIDE, 0, 0.093)]
    instance = table_instance(STUDY, rows)
    assert [instance.train(ask(STUDY.baseline, seed), 6).nrmse for seed in (0, 1, 2)] == [0.090, 0.092, 0.090]
    assert instance.truth.nrmse[instance.baseline, -1] == pytest.approx(0.091)


def test_a_configuration_that_was_not_measured_is_an_error():
    instance = table_instance(STUDY, [row(STUDY.baseline, 0, 0.09)])
    other = TrialConfig(batch_size=24, micro_batch=24, num_taus=2)
    with pytest.raises(TunerError, match="which is outside the study"):
        instance.train(ask(other, 0), 1)


def test_a_table_without_the_baseline_or_without_times_is_refused():
    with pytest.raises(TunerError, match="lacks the baseline"):
        table_instance(STUDY, [row(GUIDE, 0, 0.09)])
    untimed = [row(STUDY.baseline, 0, 0.09, epoch_time_s=None)]
    with pytest.raises(TunerError, match=r"no time of batch_size=6"):
        table_instance(STUDY, untimed)
    instance = table_instance(STUDY, untimed, time_law=hardware_law(load_hardware("cpu")))
    assert instance.truth.time_s[0] == pytest.approx(6 * 0.68, rel=0.02)


def test_rows_can_be_spread_over_the_micro_batches_that_do_not_change_them():
    rows = over_micro_batches(STUDY, [row(STUDY.baseline, 0, 0.09), row(STUDY.baseline, 1, 0.091)])
    assert sorted((r.config.micro_batch, r.seed) for r in rows) == [
        (k, s) for k in (1, 2, 3, 6) for s in (0, 1)
    ]
    instance = table_instance(STUDY, rows, time_law=hardware_law(load_hardware("cpu")))
    assert len(set(instance.truth.nrmse[:, -1])) == 1
    assert len(set(instance.truth.time_s)) == 4


def test_trainings_of_another_length_are_refused():
    short = replace(row(STUDY.baseline, 0, 0.09), nrmses=(0.1, 0.09))
    with pytest.raises(TunerError, match=r"has 2 epochs of .* wants 6"):
        table_instance(STUDY, [short])


def test_a_file_of_calibration_trials_is_a_table(tmp_path):
    path = tmp_path / "calibration.jsonl"
    entries = [
        {"reference": "r", "config": [6, 3, 5, 1], "seed": 0, "nrmse": [0.2] * 6, "final_nrmse": None},
        {"config": {"batch_size": 12, "micro_batch": 4, "num_taus": 4}, "seed": 1, "nrmse": [0.1] * 6},
    ]
    path.write_text("\n".join(map(json.dumps, entries)))
    rows = read_rows(path)
    assert [r.config for r in rows] == [STUDY.baseline, replace(GUIDE, accum_steps=1)]
    path.write_text(path.read_text() + '\n{"seed": 1}')
    with pytest.raises(RecordsError, match=r"calibration\.jsonl:3: not a row"):
        read_rows(path)
