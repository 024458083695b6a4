"""What changes nothing costs few runs: a parameter, or a seed, that the stage never reads."""

import random
from collections import Counter
from dataclasses import replace

import pytest

from tests.advisor.laws import EPOCH_S, run_study
from tests.studies import make_study, report
from tuner.core.trial import Purpose

PARAMETERS = {
    "batch_size": {"values": [6, 12, 24]},
    "micro_batch": {"values": [3, 6, 12]},
    "num_taus": {"values": [2, 3, 5]},
    "accum_steps": {"values": [1, 2]},
}
NOISE = (0.0, 0.012, -0.009, 0.004)
"""Relative changes of NRMSE by seed."""


def law(*, reads_accum_steps=False, reads_seed=True):
    """NRMSE and time of a stage, whose clock scatters by 0.4 %."""

    def of(run, epoch):
        config = run.config
        luck = random.Random(f"{config} {run.seed}").uniform(-0.004, 0.004)
        epoch_s = EPOCH_S * (0.6 / config.micro_batch + 0.16 * config.num_taus) * (1 + luck)
        final = 0.0853211234 + 0.02 / config.num_taus + 1e-4 * config.batch_size
        final *= 1 + 0.01 * (config.accum_steps - 1) * reads_accum_steps
        final *= 1 + NOISE[run.seed % len(NOISE)] * reads_seed
        nrmse = final * (1 + 0.05 * (run.num_epochs - epoch))
        return report(epoch, nrmse, epoch * epoch_s, epoch_s)

    return of


def played(path, of, **changes):
    study = make_study(
        parameters=PARAMETERS,
        guide={"batch_size": 6, "micro_batch": 3, "num_taus": 5, "accum_steps": 2},
        target="nrmse < 0.0985",
        budget={"trials": 40, "hours": 100},
        **changes,
    )
    advisor, _, _ = run_study(study, of, path / "journal.jsonl")
    return advisor


def num_new_with_accumulation(advisor):
    tried = Counter(r.config.accum_steps for r in advisor.records if r.purpose is Purpose.SEARCH)
    return tried[2]


@pytest.mark.parametrize("sampler", ["surrogate", "random"])
def test_what_is_recommended_has_the_baselines_value_of_what_is_never_read(tmp_path, sampler):
    advisor = played(tmp_path, law(), search={"sampler": sampler})
    found = advisor.recommend().estimate
    assert found.config.accum_steps == 1
    assert found.records
    assert found.config in advisor.admitted
    twin = replace(found.config, accum_steps=2)
    assert twin not in advisor.admitted or found.time_s <= 1.03 * _time_s(advisor, twin)


def _time_s(advisor, config):
    return advisor.knowledge.observations.measured[config].time_s


def test_where_the_parameter_is_read_nothing_is_replaced(tmp_path):
    """The control: two accumulated batches are as fast, and 1 % worse, and the clock may decide."""
    advisor = played(tmp_path, law(reads_accum_steps=True), search={"sampler": "random"})
    tried = {(r.config, r.seed) for r in advisor.records if r.purpose is Purpose.REPLICATE}
    first = {r.config for r in advisor.records if r.purpose is not Purpose.REPLICATE}
    assert {config for config, _ in tried} <= first


def test_replicates_stop_at_two_where_the_seed_changes_nothing(tmp_path):
    """The target lies within the scatter that a model must assume of any seed."""
    advisor = played(tmp_path, law(reads_seed=False), search={"sampler": "random"})
    runs = Counter(r.config for r in advisor.records if r.is_whole)
    assert max(runs.values()) <= 3
    assert sum(num > 2 for num in runs.values()) <= 1
    assert advisor.recommend() is not None


def test_where_the_seed_changes_nrmse_replicates_go_on(tmp_path):
    """The control of the test above."""
    advisor = played(tmp_path, law(), search={"sampler": "random"})
    assert max(Counter(r.config for r in advisor.records if r.is_whole).values()) > 3
