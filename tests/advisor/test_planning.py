"""The runs planned after a search that proposes by itself, and with runs that are left to be paired."""

from dataclasses import replace

import pytest

from tests.search.situations import running
from tests.studies import make_study
from tuner.advisor import Advisor
from tuner.advisor.agenda import Task
from tuner.advisor.knowledge import Knowledge
from tuner.advisor.planning import make_proposer, next_step
from tuner.core.config import TrialConfig
from tuner.core.measurement import Measurement, Status
from tuner.core.study import StudySpec
from tuner.core.traits import StageTraits
from tuner.core.trial import Purpose, TrialRecord, TrialState
from tuner.errors import SpecError
from tuner.search.observations import Probed
from tuner.search.policy.probing import ProbeStep
from tuner.search.policy.stopping import Decided
from tuner.search.problem import Problem

NUM_EPOCHS = 2
FAST = TrialConfig(batch_size=24, micro_batch=24, num_taus=2, accum_steps=1)
OUTSIDE = TrialConfig(batch_size=5, micro_batch=5, num_taus=9)


def study(sampler: str = "surrogate", pairs: int = 0) -> StudySpec:
    stage = {"class": "tests.stages:SyntheticStage", "num_epochs": NUM_EPOCHS, "num_samples": 240}
    return make_study(
        stage=stage,
        search={"sampler": sampler},
        budget={"trials": 9, "hours": 1},
        certificate={"pairs": pairs},
        guide=None,
    )


def knowledge_of(spec: StudySpec, *records: TrialRecord) -> Knowledge:
    found = Knowledge(
        Problem(
            lattice=spec.lattice,
            target=spec.target,
            baseline=spec.baseline,
            num_samples=240,
            num_epochs=NUM_EPOCHS,
            traits=StageTraits(can_probe=True),
        )
    )
    for record in records:
        found.put(record)
    return found


def ended(
    trial_id: str, config: TrialConfig, nrmse: float, epoch_s: float, *, seed: int = 0, baseline: bool = False
) -> TrialRecord:
    reports = tuple(
        Measurement(status=Status.OK, epoch=k, nrmse=nrmse, time_s=k * epoch_s, epoch_time_s=epoch_s)
        for k in range(1, NUM_EPOCHS + 1)
    )
    return TrialRecord(
        trial_id=trial_id,
        config=config,
        seed=seed,
        num_epochs=NUM_EPOCHS,
        purpose=Purpose.BASELINE if baseline else Purpose.SEARCH,
        state=TrialState.COMPLETE,
        measurements=reports,
    )


def plan(
    spec: StudySpec, knowledge: Knowledge, *, is_searching: bool = True, probe_cost_s: float | None = None
):
    return next_step(
        spec,
        knowledge,
        make_proposer(spec),
        "0099",
        is_searching=is_searching,
        has_time=True,
        probe_cost_s=probe_cost_s,
    )


def certified(spec: StudySpec) -> Knowledge:
    """A clear winner after two runs, and times known well."""
    records = [ended(f"000{k}", FAST, 0.08, 1.0, seed=k) for k in range(2)]
    found = knowledge_of(spec, ended("0009", spec.baseline, 0.08, 9.0, baseline=True), *records)
    found.put_probes(
        Probed(config=c, epoch_time_s=1.0 if c == FAST else 5.0) for c in spec.lattice if c != spec.baseline
    )
    return found


@pytest.mark.parametrize("sampler", ["surrogate", "tpe", "random"])
def test_what_is_new_is_a_search_and_what_is_known_a_replicate(sampler):
    spec = study(sampler)
    new = plan(spec, knowledge_of(spec, ended("0001", spec.baseline, 0.08, 9.0, baseline=True)))
    assert new.purpose is Purpose.SEARCH
    assert new.seed == (1 if sampler == "surrogate" else 0), "0 is the baseline's"
    known = [ended("0001", spec.baseline, 0.08, 9.0, baseline=True), ended("0002", FAST, 0.08, 1.0)]
    again = plan(spec, knowledge_of(spec, *known))
    assert again == Task(Purpose.REPLICATE, FAST, 1)


def test_a_sampler_is_not_asked_while_its_find_is_to_be_verified():
    spec = study("tpe")
    sampler = make_proposer(spec)
    known = [ended("0001", spec.baseline, 0.08, 9.0, baseline=True), ended("0002", FAST, 0.08, 1.0)]
    for _ in range(2):  # a proposal would refuse the same trial twice
        found = next_step(
            spec,
            knowledge_of(spec, *known),
            sampler,
            "0003",
            is_searching=True,
            has_time=True,
            probe_cost_s=None,
        )
        assert found == Task(Purpose.REPLICATE, FAST, 1)


@pytest.mark.parametrize("sampler", ["surrogate", "tpe"])
def test_when_the_search_is_over_nothing_new_is_tried(sampler):
    spec = study(sampler)
    knowledge = knowledge_of(spec, ended("0001", spec.baseline, 0.08, 9.0, baseline=True))
    assert isinstance(plan(spec, knowledge, is_searching=False), Decided)


def test_in_the_end_baseline_and_winner_take_turns_with_seeds_the_search_never_used():
    spec = study(pairs=2)
    knowledge, asked = certified(spec), []
    for k in range(10):
        task = plan(spec, knowledge)
        if isinstance(task, Decided):
            break
        asked.append((task.config, task.seed))
        assert task.purpose is Purpose.CERTIFY
        is_baseline = task.config == spec.baseline
        run = ended(f"01{k:02d}", task.config, 0.08, 9.0 if is_baseline else 1.0, seed=task.seed)
        knowledge.put(replace(run, purpose=Purpose.CERTIFY))
    assert asked == [(spec.baseline, 1000), (FAST, 1000), (spec.baseline, 1001), (FAST, 1001)]


def test_a_certificate_waits_for_what_runs_and_lets_nothing_run_beside_it():
    spec = study(pairs=2)
    knowledge = certified(spec)
    other = next(config for config in spec.lattice if config not in (FAST, spec.baseline))
    knowledge.put(running(other))
    assert plan(spec, knowledge) == Decided(reason="")
    knowledge = certified(spec)
    task = plan(spec, knowledge)
    knowledge.put(replace(running(task.config, seed=task.seed), purpose=Purpose.CERTIFY))
    assert plan(spec, knowledge) == Decided(reason="")


def test_without_a_winner_there_is_nothing_to_certify():
    spec = study(pairs=3)
    knowledge = knowledge_of(spec, ended("0001", spec.baseline, 0.08, 9.0, baseline=True))
    assert isinstance(plan(spec, knowledge, is_searching=False), Decided)


def test_probing_is_the_models_alone():
    records = "0001", study().baseline, 0.08, 9.0
    for sampler, kind in (("surrogate", ProbeStep), ("tpe", Task)):
        spec = study(sampler)
        knowledge = knowledge_of(spec, ended(*records, baseline=True))
        assert isinstance(plan(spec, knowledge, probe_cost_s=0.01), kind)


# What is known.


def test_beliefs_are_made_again_when_something_ended_and_kept_while_it_runs():
    spec = study()
    knowledge = knowledge_of(spec, ended("0001", spec.baseline, 0.08, 9.0, baseline=True))
    before = knowledge.predictions
    assert knowledge.predictions is before
    knowledge.put(running(FAST))
    under_way = knowledge.predictions
    assert under_way is not before
    reported = running(FAST).observed(ended("x", FAST, 0.08, 1.0).measurements[0])
    knowledge.put(reported)
    assert knowledge.predictions is under_way
    knowledge.put(reported.ended(TrialState.STOPPED))
    assert knowledge.predictions is not under_way


def test_beliefs_do_not_depend_on_when_they_were_asked_for():
    spec = study()
    records = [ended("0001", spec.baseline, 0.08, 9.0, baseline=True), ended("0002", OUTSIDE, 0.09, 2.0)]
    early, late = knowledge_of(spec), knowledge_of(spec)
    for record in records:
        early.put(record)
        assert early.predictions.feasible is not None
        late.put(record)
    for knowledge in (early, late):
        knowledge.put_probes([Probed(config=FAST, epoch_time_s=1.0)])
    assert early.predictions.candidates.configs == late.predictions.candidates.configs
    assert (early.predictions.feasible == late.predictions.feasible).all()
    assert (early.predictions.time_s == late.predictions.time_s).all()


def test_a_configuration_off_the_lattice_is_believed_something_of_too():
    spec = study()
    knowledge = knowledge_of(
        spec, ended("0001", OUTSIDE, 0.08, 2.0), ended("0002", OUTSIDE, 0.08, 2.0, seed=1)
    )
    assert knowledge.predictions.probability(OUTSIDE) > 0.9


def test_of_a_configuration_probed_twice_the_newer_probe_counts():
    spec = study()
    knowledge = knowledge_of(spec)
    for seconds in (1.0, 3.0):
        knowledge.put_probes([Probed(config=FAST, epoch_time_s=seconds)])
    assert knowledge.predictions.time_s[knowledge.predictions.candidates.index[FAST]] == pytest.approx(
        6.0, rel=0.05
    )


def test_a_trial_nobody_asked_for_is_an_error():
    with pytest.raises(KeyError, match="0007"):
        knowledge_of(study()).record("0007")


def test_an_option_of_the_surrogate_is_a_mistake_with_file_and_line():
    study = make_study(search={"sampler": "surrogate", "options": {"n_startup_trials": 5}})
    with pytest.raises(SpecError, match=r":\d+: the sampler 'surrogate' has no options.*n_startup_trials"):
        Advisor(study)
