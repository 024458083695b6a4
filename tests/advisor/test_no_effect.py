"""What changes nothing costs few runs: a parameter, or a seed, that the stage never reads."""

import json
import random
from collections import Counter
from dataclasses import replace

import pytest

from tests.advisor.laws import EPOCH_S, run_study
from tests.replay import recalled
from tests.studies import make_study, report
from tuner.advisor import Advisor
from tuner.advisor.judgement import plain_of
from tuner.advisor.messages import ask_as_dict
from tuner.core.trial import Purpose
from tuner.runs.journal import read_journal

PARAMETERS = {
    "batch_size": {"values": [6, 12, 24]},
    "micro_batch": {"values": [3, 6, 12]},
    "num_taus": {"values": [2, 3, 5]},
    "accum_steps": {"values": [1, 2]},
}
NOISE = (0.0, 0.012, -0.009, 0.004)
"""Relative changes of NRMSE by seed."""


def law(*, reads_accum_steps=False, reads_seed=True, quicker=lambda config: 1.0):
    """NRMSE and time of a stage, whose clock scatters by 0.4 %."""

    def of(run, epoch):
        config = run.config
        luck = random.Random(f"{config} {run.seed}").uniform(-0.004, 0.004)
        epoch_s = EPOCH_S * (0.6 / config.micro_batch + 0.16 * config.num_taus) * (1 + luck)
        epoch_s *= quicker(config)
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


def never_anything(run, epoch):
    """A stage that reads none of its parameters; its clock scatters by 1 %."""
    epoch_s = EPOCH_S * (1 + random.Random(f"{run.config} {run.seed}").uniform(-0.01, 0.01))
    return report(epoch, 0.0912345678 * (1 + 0.05 * (run.num_epochs - epoch)), epoch * epoch_s, epoch_s)


def test_where_no_parameter_changes_anything_nothing_is_recommended(tmp_path):
    advisor = played(tmp_path, never_anything)
    assert advisor.recommend() is None
    quickest = min(advisor.knowledge.observations.measured.values(), key=lambda found: found.time_s)
    assert quickest.config != advisor.study.baseline


def test_a_parameter_that_matters_beside_one_value_of_another_is_still_found(tmp_path):
    """Two equal pairs with small batches say nothing of large ones, where accumulation is 25 % faster."""
    matters = law(quicker=lambda c: 0.75 if c.batch_size == 24 and c.accum_steps == 2 else 1.0)
    found = played(tmp_path, matters).recommend().estimate.config
    assert (found.batch_size, found.accum_steps) == (24, 2)


def test_a_certificate_is_of_what_was_plain_when_it_began_and_any_prefix_says_so(tmp_path):
    """Its runs, of the guide's row too, which differs from the baseline's by accumulation alone, say else."""
    usual = law()

    def of(run, epoch):
        told = usual(run, epoch)
        is_odd = run.seed >= 1000 and run.config.accum_steps == 2
        return replace(told, nrmse=told.nrmse * 1.01) if is_odd else told

    advisor = played(tmp_path, of, certificate={"pairs": 4}, search={"sampler": "random"})
    [subject] = {
        r.config
        for r in advisor.records
        if r.purpose is Purpose.CERTIFY and r.config not in (advisor.study.baseline, advisor.study.guide)
    }
    assert advisor.recommend().estimate.config == subject
    twin = replace(subject, accum_steps=2)
    assert twin in advisor.knowledge.observations.measured
    assert plain_of(advisor.study, advisor.knowledge, twin) == subject


@pytest.mark.parametrize("reads_seed", [True, False])
def test_a_run_that_is_resumed_anywhere_decides_as_one_that_was_not(tmp_path, reads_seed):
    before = played(tmp_path, law(reads_seed=reads_seed), certificate={"pairs": 3})
    events = list(read_journal(tmp_path / "journal.jsonl"))
    for cut in [k for k, event in enumerate(events) if event["event"] == "ask"][::3]:
        advisor = recalled(events[:cut], Advisor(before.study, num_workers=1))
        answer = ask_as_dict(advisor.ask(events[cut]["elapsed_s"]))
        assert json.loads(json.dumps(answer)) == events[cut]["answer"]
