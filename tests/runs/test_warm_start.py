"""A study that starts from what another card taught: cheaper, never surer than its own card allows."""

from dataclasses import dataclass, replace
from itertools import cycle
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.advisor.test_properties import (
    FEW,
    PLAYED,
    World,
    check_any_prefix_gives_the_next_answer,
    play,
)
from tests.journals import write_journal
from tests.replay import rebuild, replay
from tests.studies import make_study
from tuner.advisor import Advisor, Run
from tuner.core.traits import StageTraits
from tuner.core.trial import Purpose
from tuner.core.warm_start import WarmStart, warm_start_run
from tuner.errors import RecordsError, TunerError, WarmStartError
from tuner.runs.journal import Journal, read_journal
from tuner.runs.journaled import write_start
from tuner.runs.warm_start import check_same_study, read_run, warm_start_from

TRAITS = StageTraits(quality_invariant_to=("micro_batch",), can_probe=True)


@dataclass(frozen=True)
class OtherCard(World):
    """The same NRMSE, but for `factor`, on a card with other times; it may know an earlier run."""

    warm_start: WarmStart | None = None
    factor: float = 1.0

    def study(self):
        """A study whose recommendation is for so few trainings that it ends before its budget is spent."""
        study = super().study()
        return replace(study, decision=replace(study.decision, trainings=500.0))

    def advisor(self):
        return Advisor(self.study(), num_workers=self.num_workers, traits=TRAITS, warm_start=self.warm_start)

    def epoch_s(self, config):
        return 240 * (0.03 / config.batch_size + 0.002 / config.micro_batch + 0.001 * config.num_taus)

    def law(self, run, epoch):
        measured = super().law(run, epoch)
        return measured and replace(measured, nrmse=self.factor * measured.nrmse)


def learnt(world: World) -> WarmStart:
    runs = [warm_start_run(record, "earlier") for record in play(world)[0].records]
    return WarmStart(source="earlier", device="card", num_epochs=3, runs=tuple(run for run in runs if run))


def trained_s(advisor: Advisor) -> float:
    """Returns the training seconds of the search; a certificate costs the same whatever was known before."""
    return sum(record.time_s for record in advisor.records if record.purpose is not Purpose.CERTIFY)


@pytest.fixture(scope="module")
def earlier() -> WarmStart:
    return learnt(World(trials=40))


def test_what_the_other_card_taught_saves_training_and_ends_in_a_certified_recommendation():
    cold_s = warm_s = 0.0
    for draw in range(3):
        warm_start = learnt(World(trials=40, draw=draw))
        cold, *_ = play(OtherCard(trials=40, draw=draw + 10))
        warm, *_ = play(OtherCard(trials=40, draw=draw + 10, warm_start=warm_start))
        found = warm.recommend()
        assert found is not None
        assert found.estimate.config in warm.admitted
        cold_s, warm_s = cold_s + trained_s(cold), warm_s + trained_s(warm)
    assert warm_s < 0.8 * cold_s


def test_time_is_this_cards_and_no_seed_of_the_other_card_is_used_again(earlier):
    world = OtherCard(trials=40, warm_start=earlier)
    advisor, answers, _, _ = play(world)
    best = advisor.recommend().estimate
    assert best.time_s == pytest.approx(3 * world.epoch_s(best.config))
    used = {run.seed for run in earlier.runs}
    assert all(answer.seed > max(used) for answer in answers if isinstance(answer, Run))


def num_runs_before(advisor, config) -> int:
    """Counts the earlier run's full-budget runs that bear on a configuration's NRMSE."""
    predictions = advisor.knowledge.predictions
    group, index = predictions.candidates.quality_group, predictions.candidates.index
    here = [c for c, one in predictions.measured.items() for _ in one.records]
    return predictions.num_runs[index[config]] - sum(group[index[c]] == group[index[config]] for c in here)


def test_the_baseline_is_measured_here_all_the_same(earlier):
    answer = OtherCard(warm_start=earlier).advisor().ask()
    assert isinstance(answer, Run)
    assert answer.purpose is Purpose.BASELINE


def test_runs_on_the_other_card_count_towards_the_seeds_the_study_wants(earlier):
    """The baseline's two seeds are known from the other card; it runs here once, for its time."""
    advisor, *_ = play(OtherCard(trials=40, warm_start=earlier))
    baseline = advisor.study.baseline
    assert num_runs_before(advisor, baseline) >= 2
    searched = [r for r in advisor.records if r.purpose is not Purpose.CERTIFY]
    assert sum(record.config == baseline for record in searched) == 1


def test_one_run_here_certifies_what_another_card_ran_often_enough(earlier):
    advisor, *_ = play(OtherCard(trials=40, warm_start=earlier))
    runs = {c: sum(r.config == c and r.is_full_budget for r in advisor.records) for c in advisor.admitted}
    assert 1 in runs.values()
    assert all(num_runs_before(advisor, config) >= 1 for config, num in runs.items() if num == 1)


@pytest.mark.parametrize("factor", [0.9, 1.15])
def test_a_stage_that_is_not_the_same_after_all_is_noticed_and_the_warm_start_dropped(earlier, factor):
    world = OtherCard(trials=12, warm_start=earlier, factor=factor)
    advisor, _, _, events = play(world)
    assert advisor.warm_start_contradiction.startswith("earlier is no longer believed")
    (dropped,) = [event for event in events if event["event"] == "prior_dropped"]
    assert dropped["reason"] == advisor.warm_start_contradiction
    assert num_runs_before(advisor, advisor.study.baseline) == 0
    assert replay(events, world.advisor()).records == advisor.records


def test_a_dropped_warm_start_that_the_advisor_would_keep_is_refused(earlier):
    world = OtherCard(trials=4, warm_start=earlier)
    events = play(world)[3]
    forged = [*events[:2], {"event": "prior_dropped", "elapsed_s": 0.0, "reason": "because"}, *events[2:]]
    with pytest.raises(RecordsError, match="because"):
        replay(forged, world.advisor())


WARM = list(zip(PLAYED[:8], cycle([1.0, 1.005, 1.05]), cycle([0.084, 0.090]), strict=False))
"""Worlds with the factor of the NRMSE there, and the level in the world that they start from."""


def warm(world: World, factor: float, level: float) -> OtherCard:
    earlier = learnt(World(level=level, trials=12))
    return OtherCard(**vars(world) | {"warm_start": earlier, "factor": factor})


@pytest.mark.parametrize("case", WARM)
def test_nothing_is_certified_that_did_not_run_to_full_budget_on_this_card(case):
    advisor, *_ = play(warm(*case))
    here = {record.config for record in advisor.records if record.is_full_budget}
    assert set(advisor.admitted) <= here
    found = advisor.recommend()
    if found is not None:
        assert found.estimate.config in advisor.admitted
        assert all(record.is_full_budget for record in found.estimate.records)


@FEW
@given(st.sampled_from(WARM), st.data())
def test_any_prefix_of_a_warm_started_journal_gives_the_next_answer(case, data):
    check_any_prefix_gives_the_next_answer(warm(*case), data)


# The folder of an earlier run.


def write_run(folder: Path, world: World, *, name: str = "earlier", **changes) -> Path:
    """The journal of a study as a session would have written it; `changes` are of its start."""
    path = folder / name / "journal.jsonl"
    path.parent.mkdir()
    journal, advisor = Journal(path), world.advisor()
    device = {"device": {"name": "some card", "kind": "cuda"}}
    write_start(journal, world.study(), advisor, device, world.num_workers)
    journal.close()
    [start] = read_journal(path)
    write_journal(path, [start | changes, *play(world)[3]])
    return path.parent


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return write_run(tmp_path_factory.mktemp("runs"), World(trials=12))


def test_a_run_is_rebuilt_from_its_own_journal_alone(tmp_path, earlier):
    world = OtherCard(trials=12, warm_start=earlier)
    events = list(read_journal(write_run(tmp_path, world) / "journal.jsonl"))
    again = rebuild(world.study(), events)
    assert again.warm_start == earlier
    assert again.admitted == play(world)[0].admitted


def test_its_trials_are_read_as_they_ran(folder):
    earlier = read_run(folder)
    ran = [r for r in play(World(trials=12))[0].records if r.nrmse_curve]
    assert [(run.config, run.seed) for run in earlier.runs] == [(r.config, r.seed) for r in ran]
    assert {run.source for run in earlier.runs} == {"earlier"}
    assert (earlier.device, earlier.is_simulated) == ("some card", False)


def test_a_killed_run_teaches_what_it_had_learnt_whole_or_torn(folder, tmp_path):
    lines = (folder / "journal.jsonl").read_bytes().split(b"\n")
    cut = next(k for k in reversed(range(len(lines))) if b'"observe"' in lines[k])
    killed = tmp_path / "killed"
    killed.mkdir()
    (killed / "journal.jsonl").write_bytes(b"\n".join(lines[:cut]) + b"\n" + lines[cut][:40])
    whole, torn = read_run(folder), read_run(killed)
    assert torn.runs[0].curve == whole.runs[0].curve
    assert 0 < len(torn.runs) <= len(whole.runs)


def test_a_link_to_a_run_is_a_run(folder, tmp_path):
    (tmp_path / "last").symlink_to(folder)
    assert read_run(tmp_path / "last") == read_run(folder)


def test_a_run_hands_on_what_it_had_itself_taken(tmp_path, earlier):
    chained = read_run(write_run(tmp_path, OtherCard(trials=4, warm_start=earlier), name="second"))
    assert {run.source for run in chained.runs} == {"earlier", "second"}


def test_a_run_does_not_hand_on_what_it_had_dropped(tmp_path, earlier):
    world = OtherCard(trials=12, warm_start=earlier, factor=1.15)
    assert {run.source for run in read_run(write_run(tmp_path, world, name="second")).runs} == {"second"}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "there is no journal.jsonl"),
        ("", "does not begin with the start of a run"),
        ('{"event":"ask","elapsed_s":0}\n', "does not begin with the start of a run"),
        ("no json\n", "not a journal line"),
    ],
)
def test_what_is_no_run_is_refused(tmp_path, content, message):
    if content is not None:
        (tmp_path / "journal.jsonl").write_text(content)
    with pytest.raises(RecordsError, match=message):
        read_run(tmp_path)


def test_a_run_without_a_full_training_is_refused(folder, tmp_path):
    (tmp_path / "journal.jsonl").write_text((folder / "journal.jsonl").read_text().splitlines()[0] + "\n")
    with pytest.raises(RecordsError, match="none of its trials ran to its full budget"):
        read_run(tmp_path)


def test_real_and_simulated_runs_do_not_learn_from_each_other(folder, tmp_path):
    study = World().study()
    with pytest.raises(WarmStartError, match="that run is real; a simulated one cannot learn from it"):
        check_same_study(read_run(folder), study, is_simulated=True)
    other = write_run(tmp_path, World(), provenance={"device": {"name": "x", "kind": "simulated"}})
    with pytest.raises(WarmStartError, match="that run is simulated; a real one cannot learn from it"):
        check_same_study(read_run(other), study, is_simulated=False)


@pytest.mark.parametrize(
    ("stage", "message"),
    [
        ({"class": "tests.stages:OtherStage"}, r"stage.class differs: tests.stages:SyntheticStage there"),
        ({"num_epochs": 4}, "stage.num_epochs differs: 3 there, 4 here"),
        ({"num_samples": 480}, "stage.num_samples differs: 240 there, 480 here"),
    ],
)
def test_another_stage_or_budget_is_refused_before_a_worker_starts(folder, stage, message):
    given = World().study().as_dict()["stage"] | stage
    study = make_study(stage=given)
    with pytest.raises(WarmStartError, match=message):
        check_same_study(read_run(folder), study, is_simulated=False)


def test_another_option_of_the_stage_is_refused_by_name(folder):
    stage = World().study().as_dict()["stage"] | {"options": {"a": 0.09}}
    with pytest.raises(WarmStartError, match=r"stage option a differs: not given there, 0\.09 here"):
        warm_start_from(read_run(folder), make_study(stage=stage), TRAITS)


def test_what_the_stage_says_of_its_options_is_compared_rather_than_what_was_written(tmp_path):
    """`auto` may mean one problem there and another here; a cache folder means nothing."""
    said = {"problem": "burgers", "data_seed": 0}
    traits = replace(TRAITS, quality_options=said)
    earlier = read_run(write_run(tmp_path, World(), traits=traits.as_dict()))
    stage = World().study().as_dict()["stage"] | {"options": {"cache_dir": "/elsewhere"}}
    study = make_study(stage=stage)
    assert warm_start_from(earlier, study, traits).num_full
    with pytest.raises(WarmStartError, match="problem differs: burgers there, turbulence2d here"):
        warm_start_from(earlier, study, replace(traits, quality_options=said | {"problem": "turbulence2d"}))


def test_a_stage_that_now_says_otherwise_what_cannot_change_its_nrmse_is_refused(folder):
    with pytest.raises(WarmStartError, match="quality_invariant_to differs: micro_batch there, nothing here"):
        warm_start_from(read_run(folder), World().study(), replace(TRAITS, quality_invariant_to=()))


def test_another_lattice_target_baseline_and_budget_are_fine(folder):
    study = make_study(
        stage=World().study().as_dict()["stage"],
        target="nrmse <= 1.1 * baseline",
        budget={"trials": 3, "hours": 1},
        seed=5,
    )
    earlier = read_run(folder)
    warm_start = warm_start_from(earlier, study, TRAITS)
    assert (len(warm_start.runs), warm_start.num_left_out) == (len(earlier.runs), 0)


def test_runs_that_this_space_cannot_express_are_left_out_and_counted(folder):
    parameters = {
        "batch_size": {"values": [4, 8]},
        "micro_batch": {"values": [1, 2, 4, 8]},
        "num_taus": {"low": 2, "high": 3},
    }
    stage = World().study().as_dict()["stage"]
    baseline = {"batch_size": 4, "micro_batch": 1, "num_taus": 3}
    study = make_study(stage=stage, parameters=parameters, baseline=baseline, guide=None)
    earlier = read_run(folder)
    warm_start = warm_start_from(earlier, study, TRAITS)
    assert all(run.config.accum_steps == 1 for run in warm_start.runs)
    assert warm_start.num_left_out == sum(run.config.accum_steps != 1 for run in earlier.runs) > 0
    values = {"lr": {"values": [0.5, 1.0], "type": "float"}}
    with pytest.raises(TunerError, match="its runs vary other parameters than this study"):
        warm_start_from(
            earlier,
            make_study(
                stage=stage, parameters=parameters | values, baseline=baseline | {"lr": 0.5}, guide=None
            ),
            TRAITS,
        )
