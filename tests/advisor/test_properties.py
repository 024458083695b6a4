"""Properties of the advisor in any event: losses, failures, out of memory, probes, one worker or four."""

import json
import math
import tempfile
from collections import Counter
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.replay import recalled, replay
from tests.studies import make_study, report
from tuner.advisor import Advisor, Probe, Run, Wait
from tuner.advisor.messages import ProbeResult, ask_as_dict
from tuner.core.config import TrialConfig
from tuner.core.measurement import Status
from tuner.core.traits import StageTraits
from tuner.core.trial import Purpose, TrialState
from tuner.runs.journal import Journal, read_journal
from tuner.runs.journaled import JournaledAdvisor
from tuner.scheduling import Stop
from tuner.simulate import VirtualClock, simulate

PARAMETERS = {
    "batch_size": {"values": [4, 8]},
    "micro_batch": {"values": [1, 2, 4, 8]},
    "num_taus": {"low": 2, "high": 3},
    "accum_steps": {"values": [1, 2]},
}


@dataclass(frozen=True)
class World:
    """The facts of one made-up study."""

    num_workers: int = 1
    sampler: str = "surrogate"
    target: str = "nrmse < 0.095"
    level: float = 0.088
    noise: float = 0.0008
    rows_that_fit: int = 100
    lost_share: float = 0.0
    can_probe: bool = True
    trials: int = 12
    hours: float = 1.0
    draw: int = 0

    def study(self):
        return make_study(
            parameters=PARAMETERS,
            baseline={"batch_size": 4, "micro_batch": 1, "num_taus": 3},
            guide={"batch_size": 8, "micro_batch": 4, "num_taus": 2, "accum_steps": 2},
            stage={
                "class": "tests.stages:SyntheticStage",
                "options": {},
                "num_epochs": 3,
                "num_samples": 240,
            },
            budget={"trials": self.trials, "hours": self.hours},
            certificate={"pairs": 2},
            search={"sampler": self.sampler},
            target=self.target,
        )

    def advisor(self):
        traits = StageTraits(can_probe=self.can_probe, quality_invariant_to=("micro_batch",))
        return Advisor(self.study(), num_workers=self.num_workers, traits=traits)

    def epoch_s(self, config: TrialConfig) -> float:
        return 240 * (0.02 / config.batch_size + 0.01 / config.micro_batch + 0.005 * config.num_taus)

    def does_not_fit(self, config: TrialConfig) -> bool:
        return config.micro_batch * config.num_taus > self.rows_that_fit

    def law(self, run: Run, epoch: int):
        rng = np.random.default_rng([self.draw, int(run.trial_id), epoch])
        if rng.uniform() < self.lost_share:
            return None
        if self.does_not_fit(run.config):
            return report(0, math.nan, 0.0, 0.1, status=Status.OOM, error="CUDA out of memory")
        took_s = self.epoch_s(run.config)
        final = (
            self.level + 0.003 * math.log2(run.config.effective_batch_size / 4) + 0.004 / run.config.num_taus
        )
        luck = (
            self.noise * np.random.default_rng([self.draw, run.seed, run.config.num_taus]).standard_normal()
        )
        nrmse = (final + luck) * (1 + 0.1 * (run.num_epochs - epoch)) * (1 + 0.002 * rng.standard_normal())
        return report(epoch, float(nrmse), epoch * took_s, took_s)

    def probe(self, probe: Probe):
        results = [
            ProbeResult(config=c, status=Status.OOM, epoch_time_s=0.0, peak_memory_gib=0.0)
            if self.does_not_fit(c)
            else ProbeResult(
                config=c, status=Status.OK, epoch_time_s=1.02 * self.epoch_s(c), peak_memory_gib=1.0
            )
            for c in probe.configs
        ]
        return results, 0.05 * len(results)


class Watched(JournaledAdvisor):
    """Keeps the answers; `twice` says everything twice, and asks again whenever it is told to wait."""

    def __init__(self, *args, twice: bool = False) -> None:
        super().__init__(*args)
        self.twice, self.answers = twice, []

    def ask(self):
        answer = super().ask()
        if isinstance(answer, Wait) and self.twice:
            assert self.advisor.ask(self.elapsed_s) == answer
        if not isinstance(answer, Wait):
            self.answers.append(answer)
        return answer

    def observe(self, trial_id, measurement):
        decision = super().observe(trial_id, measurement)
        if self.twice:
            again = self.advisor.observe(trial_id, measurement, self.elapsed_s)
            assert isinstance(again, Stop) == isinstance(decision, Stop)
        return decision

    def tell(self, trial_id, ending):
        super().tell(trial_id, ending)
        if self.twice:
            self.advisor.tell(trial_id, ending)

    def probed(self, trial_id, results):
        super().probed(trial_id, results)
        if self.twice:
            self.advisor.probed(trial_id, results, self.elapsed_s + 1.0)


@cache
def play(world: World, *, twice: bool = False):
    """The advisor, its answers, its last word and the journal's events; none may be changed."""
    clock, advisor = VirtualClock(), world.advisor()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "journal.jsonl"
        journal = Journal(path)
        watched = Watched(advisor, journal, clock, twice=twice)
        last = simulate(watched, world.law, clock, num_workers=world.num_workers, probe=world.probe)
        journal.close()
        return advisor, watched.answers, last, list(read_journal(path))


ANY_WORLD = st.builds(
    World,
    num_workers=st.sampled_from([1, 4]),
    sampler=st.sampled_from(["surrogate", "surrogate", "surrogate", "random"]),
    target=st.sampled_from(["nrmse < 0.095", "nrmse <= 1.05 * baseline", "nrmse < 0.05"]),
    level=st.sampled_from([0.084, 0.090, 0.094]),
    noise=st.sampled_from([0.0, 0.0008, 0.003]),
    rows_that_fit=st.sampled_from([100, 12, 6]),
    lost_share=st.sampled_from([0.0, 0.0, 0.15]),
    can_probe=st.booleans(),
    trials=st.sampled_from([4, 12]),
    hours=st.sampled_from([1.0, 0.01, 0.004]),
    draw=st.integers(0, 5),
)


def drawn(num: int) -> list[World]:
    """Worlds, always the same."""
    worlds: list[World] = []

    @settings(max_examples=num, database=None, derandomize=True, phases=[Phase.generate])
    @given(ANY_WORLD)
    def take(world: World) -> None:
        worlds.append(world)

    take()
    return list(dict.fromkeys(worlds))


PLAYED = drawn(16)
"""Every property is asked of each of them, and each is played once: a world costs more than a question."""
WORLDS = st.sampled_from(PLAYED)
FEW = settings(max_examples=8, suppress_health_check=list(HealthCheck), derandomize=True)


@pytest.mark.parametrize("world", PLAYED)
def test_only_legal_points_are_run_or_probed(world):
    lattice = world.study().lattice
    for answer in play(world)[1]:
        configs = (answer.config,) if isinstance(answer, Run) else getattr(answer, "configs", ())
        assert all(lattice.why_not(config) is None for config in configs)


@pytest.mark.parametrize("world", PLAYED)
def test_a_configuration_runs_once_with_a_seed_unless_it_was_lost(world):
    advisor, answers, _, _ = play(world)
    assert [a.trial_id for a in answers if isinstance(a, Run)] == [r.trial_id for r in advisor.records]
    kept = [(r.config, r.seed) for r in advisor.records if r.state is not TrialState.FAILED]
    assert len(kept) == len(set(kept))
    asked = Counter((r.config, r.seed) for r in advisor.records)
    assert max(asked.values()) <= 1 + world.study().resources.retries


@pytest.mark.parametrize("world", PLAYED)
def test_nothing_is_probed_twice_and_one_probe_runs_at_a_time(world):
    _, answers, _, events = play(world)
    probed = Counter(c for answer in answers if isinstance(answer, Probe) for c in answer.configs)
    assert max(probed.values(), default=0) <= 1
    assert world.can_probe or not probed
    under_way = set()
    for event in events:
        if event["event"] == "ask" and event["answer"]["kind"] == "probe":
            assert not under_way
            under_way.add(event["answer"]["trial_id"])
        elif event["event"] == "probed":
            under_way.remove(event["trial_id"])


@pytest.mark.parametrize("world", PLAYED)
def test_saying_everything_twice_changes_nothing(world):
    advisor, answers, last, events = play(world)
    again, same, same_last, same_events = play(world, twice=True)
    assert answers == same
    assert last == same_last
    assert advisor.records == again.records
    assert [e["event"] for e in events] == [e["event"] for e in same_events]
    assert advisor.recommend() == again.recommend()


def check_any_prefix_gives_the_next_answer(world, data):
    """Replays the journal of a world up to an ask that `data` draws."""
    events = play(world)[3]
    asks = [k for k, event in enumerate(events) if event["event"] == "ask"]
    cut = data.draw(st.sampled_from(asks))
    following = replay(events[:cut], world.advisor()).ask(events[cut]["elapsed_s"])
    assert json.loads(json.dumps(ask_as_dict(following))) == events[cut]["answer"]


@FEW
@given(WORLDS, st.data())
def test_any_prefix_of_the_journal_gives_the_next_answer(world, data):
    check_any_prefix_gives_the_next_answer(world, data)


@FEW
@given(WORLDS, st.data())
def test_an_advisor_that_only_recalls_a_prefix_of_the_journal_gives_its_next_answer(world, data):
    events = play(world)[3]
    asks = [k for k, event in enumerate(events) if event["event"] == "ask"]
    cut = data.draw(st.sampled_from(asks))
    advisor = recalled(events[:cut], world.advisor())
    assert advisor.records == replay(events[:cut], world.advisor()).records
    if world.sampler == "surrogate":  # what a sampler of Optuna drew before is not drawn again
        following = advisor.ask(events[cut]["elapsed_s"])
        assert json.loads(json.dumps(ask_as_dict(following))) == events[cut]["answer"]


@FEW
@given(WORLDS, st.integers(0, 10**6))
def test_asking_in_vain_at_any_moment_changes_nothing_that_comes_later(world, at):
    """Waits are not in the journal: an advisor that was asked in vain must go on as one that was not."""
    events = play(world)[3]
    calls = [k for k, event in enumerate(events) if event["event"] != "stop"]  # a stop is part of its report
    cut = calls[at % len(calls)]
    advisor = replay(events[:cut], world.advisor())
    elapsed_s = next((e["elapsed_s"] for e in reversed(events[:cut]) if "elapsed_s" in e), 0.0)
    if isinstance(advisor.ask(elapsed_s), Wait):
        replay(events[cut:], advisor)  # compares every answer with the journal's


@pytest.mark.parametrize("world", PLAYED)
def test_what_is_recommended_was_certified_and_the_search_says_why_it_ended(world):
    advisor, _, last, _ = play(world)
    assert last.reason
    found = advisor.recommend()
    if found is not None:
        assert found.probability >= 1 - world.study().decision.max_error
        runs = [r for r in advisor.records if r.is_full_budget]
        group = {**found.estimate.config.as_dict(), "micro_batch": 0}
        assert sum({**r.config.as_dict(), "micro_batch": 0} == group for r in runs) >= 2


@pytest.mark.parametrize("world", PLAYED)
def test_no_more_configurations_are_tried_than_the_budget_allows(world):
    advisor, _, _, _ = play(world)
    assert len({r.config for r in advisor.records}) <= world.trials


@pytest.mark.parametrize("num_workers", [1, 2, 4])
@pytest.mark.parametrize("sampler", ["surrogate", "tpe", "random"])
@pytest.mark.parametrize("hours", [0.004, 0.007, 0.01])
def test_a_budget_of_time_that_ends_in_mid_search_ends_it_in_words(num_workers, sampler, hours):
    world = World(
        num_workers=num_workers, sampler=sampler, hours=hours, trials=50, can_probe=False, level=0.094
    )
    advisor, _, last, events = play(world)
    assert last.reason
    assert len(advisor.records) >= 1
    longest_s = 3 * max(map(world.epoch_s, world.study().lattice))
    assert max(e["elapsed_s"] for e in events if "elapsed_s" in e) <= 3600 * hours + longest_s
    assert replay(events, world.advisor()).records == advisor.records


@pytest.mark.parametrize("num_workers", [1, 4])
@pytest.mark.parametrize("sampler", ["surrogate", "tpe", "random"])
def test_lost_trials_are_run_again_whoever_chose_them(num_workers, sampler):
    world = World(num_workers=num_workers, sampler=sampler, lost_share=0.15, can_probe=False)
    advisor, _, last, _ = play(world)
    assert last.reason
    lost = [r for r in advisor.records if r.state is TrialState.FAILED]
    assert lost
    assert sampler == "surrogate" or any(r.purpose is Purpose.SEARCH for r in lost)
    for record in lost:
        repeats = [r for r in advisor.records if (r.config, r.seed) == (record.config, record.seed)]
        assert len(repeats) > 1
