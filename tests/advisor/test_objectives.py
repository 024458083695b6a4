"""Whole studies in virtual time: each objective ends with its own optimum, and no limit is broken."""

import json

import pytest

from tests.advisor.objectives_case import TRAITS, instance, played
from tests.replay import replay
from tuner.advisor import Advisor
from tuner.certificate.conclusion import StudyOutcome, conclude
from tuner.core.goal import Objective
from tuner.report.conclusion import conclusion_text
from tuner.report.files import recommended_yaml, result_dict, summary
from tuner.report.progress import best_text
from tuner.report.trials_table import trials_csv
from tuner.runs.journal import read_journal
from tuner.runs.progress import Progress
from tuner.runs.result import RunResult

PROVENANCE = {"device": {"name": "simulated", "kind": "simulated"}, "hardware_mismatch": ""}


def result_of(of, advisor) -> RunResult:
    return RunResult(
        study=of.study,
        records=advisor.records,
        provenance=PROVENANCE,
        finish_reason=advisor.finish_reason,
        admitted=advisor.admitted,
    )


def test_the_three_objectives_of_the_case_have_three_optima_that_are_told_apart():
    optima = {name: instance(objective=name.value).optimum for name in Objective}
    assert len(set(optima.values())) == 3
    for name, best in optima.items():
        objective = instance(objective=name.value).objective
        others = [objective[row] for other, row in optima.items() if other != name]
        assert min(others) > 1.05 * objective[best]


@pytest.mark.parametrize("name", list(Objective))
@pytest.mark.parametrize("num_workers", [1, 2])
def test_each_objective_ends_with_its_own_optimum(name, num_workers, tmp_path):
    of = instance(objective=name.value, decision={"trainings": 500})
    advisor = played(of, tmp_path / "j", num_workers=num_workers)
    found = advisor.recommend()
    assert found is not None
    assert of.is_success(found.estimate.config)
    assert found.speedup == pytest.approx(of.objective[of.baseline] / of.objective[of.optimum], rel=0.05)
    assert name.better in advisor.finish_reason
    assert f"{found.speedup:.2f}x the baseline" in best_text(Progress.of(advisor, 0.0))


@pytest.mark.parametrize(
    "case",
    [
        {"limits": ["energy_j <= baseline"]},
        {"limits": ["peak_memory_gib <= 8"]},
        {"limits": ["energy_j <= 0.8 * baseline", "peak_memory_gib < 6"]},
        {"objective": "energy_j", "limits": ["time_s <= 0.45 * baseline"]},
    ],
    ids=["relative", "memory", "two", "time"],
)
def test_a_better_configuration_that_breaks_a_limit_is_neither_certified_nor_recommended(case, tmp_path):
    of = instance(**case)
    free = instance(objective=of.study.objective.value)
    assert of.optimum != free.optimum  # the limit costs something
    advisor = played(of, tmp_path / "j")
    found = advisor.recommend()
    assert found is not None
    assert of.is_success(found.estimate.config)
    assert not any(of.is_lie(config) for config in advisor.admitted)
    assert all(limit.text in advisor.finish_reason for limit in of.study.limits)


def test_a_figure_without_a_law_is_learnt_and_kept(tmp_path):
    of = instance(limits=["power_w <= 150"])
    advisor = played(of, tmp_path / "j")
    found = advisor.recommend()
    assert found is not None
    assert found.estimate.records[0].last.power_w <= 150
    broken = [r for r in advisor.records if r.last is not None and r.last.power_w > 150]
    assert len(broken) <= 3


def test_where_every_configuration_breaks_a_limit_the_nearest_miss_names_it(tmp_path):
    of = instance(limits=["energy_j <= 0.1 * baseline"])
    advisor = played(of, tmp_path / "j")
    assert advisor.recommend() is None
    conclusion = conclude(advisor.records, of.study.goal, advisor.admitted)
    assert conclusion.outcome is StudyOutcome.TARGET_NOT_MET
    assert "no configuration met nrmse < 0.095 and energy_j <= 0.1 * baseline" in conclusion_text(conclusion)
    assert "breaks energy_j <= 0.1 * baseline, that is " in conclusion_text(conclusion)


def test_a_device_that_reports_no_energy_ends_the_study_after_its_first_epoch(tmp_path):
    advisor = played(instance(objective="energy_j", reports_energy=False), tmp_path / "j")
    assert [record.epoch for record in advisor.records] == [1]
    why = "objective energy_j: the device reports no energy. Fix: objective: time_s"
    assert advisor.finish_reason == why
    assert why in conclusion_text(conclude(advisor.records, advisor.study.goal, advisor.admitted))


def test_a_limited_figure_that_is_never_reported_ends_the_study_after_its_first_epoch(tmp_path):
    advisor = played(instance(limits=["gpu_util_pct >= 50"]), tmp_path / "j")
    assert [record.epoch for record in advisor.records] == [1]
    assert "the device reports no gpu_util_pct" in advisor.finish_reason


@pytest.mark.parametrize("sampler", ["tpe", "random"])
def test_a_sampler_of_optunas_is_judged_by_the_same_goal(sampler, tmp_path):
    of = instance(
        objective="energy_j",
        limits=["time_s <= 0.8 * baseline"],
        search={"sampler": sampler},
        budget={"trials": 20, "hours": 1000},
    )
    advisor = played(of, tmp_path / "j")
    assert not any(of.is_lie(config) for config in advisor.admitted)
    found = advisor.recommend()
    assert found is not None
    assert found.speedup is not None
    assert found.speedup > 1
    told = {t.user_attrs["trial_id"]: t for t in advisor._proposer.study.trials}
    for record in (r for r in advisor.records if r.is_full_budget and r.trial_id in told):
        trial, row = told[record.trial_id], of.row(record.config)
        assert trial.values[0] == pytest.approx(of.objective[row], rel=0.05)  # joules, not seconds
        if of.truth.time_s[row] > 0.85 * of.truth.time_s[of.baseline]:
            assert trial.constraints["quality"] > 0  # it breaks the limit, whatever its NRMSE


@pytest.mark.parametrize(
    "case",
    [
        {"objective": "energy_j", "limits": ["peak_memory_gib <= 20"]},
        {"objective": "time_to_target_s", "target": "nrmse <= 1.03 * baseline"},
    ],
    ids=["energy", "time to target"],
)
def test_every_prefix_of_the_journal_gives_its_next_answer(case, tmp_path):
    of = instance(**case, budget={"trials": 12, "hours": 1000})
    original = played(of, tmp_path / "j", num_workers=2)
    events = list(read_journal(tmp_path / "j"))
    again = replay(events, Advisor(of.study, num_workers=2, traits=TRAITS))  # checks every answer
    assert again.records == original.records
    assert again.recommend() == original.recommend()


def test_trials_that_can_no_longer_be_lower_in_energy_are_stopped_and_say_so(tmp_path):
    of = instance(
        objective="energy_j",
        search={"sampler": "random"},
        budget={"trials": 25, "hours": 1000},
    )
    advisor = played(of, tmp_path / "j")
    reasons = [r.reason for r in advisor.records if r.is_censored]
    assert any("J at full budget, more energy than the incumbent's" in reason for reason in reasons)
    best = advisor.incumbent
    assert best is not None
    stopped = [r for r in advisor.records if "more energy" in r.reason]
    row = of.row(best.config)
    assert all(of.objective[of.row(r.config)] > of.objective[row] for r in stopped)


@pytest.fixture(scope="module")
def frugal(tmp_path_factory):
    of = instance(objective="energy_j", limits=["time_s <= 0.45 * baseline"])
    return of, result_of(of, played(of, tmp_path_factory.mktemp("run") / "j"))


def test_the_outputs_tell_the_objective_beside_the_time_and_how_the_limits_stand(frugal):
    of, result = frugal
    told = json.loads(json.dumps(result_dict(result)))
    best, baseline = told["recommended"], told["baseline"]
    assert (told["objective"], told["limits"]) == ("energy_j", ["time_s <= 0.45 * baseline"])
    assert best["objective"] == pytest.approx(of.objective[of.optimum], rel=0.02)
    assert told["speedup"] == pytest.approx(baseline["objective"] / best["objective"])
    assert best["limits"] == [
        {
            "limit": "time_s <= 0.45 * baseline",
            "value": best["time_s"],
            "threshold": pytest.approx(0.45 * baseline["time_s"]),
            "is_met": True,
        }
    ]
    assert baseline["limits"][0]["is_met"] is False
    text = summary(result)
    assert "objective energy_j, target nrmse < 0.095, limits time_s <= 0.45 * baseline" in text
    assert "energy_j  speed-up" in text
    assert f"{told['speedup']:.2f}x less energy than the baseline's" in text
    assert "within time_s <= 0.45 * baseline" in text
    chosen = recommended_yaml(result.conclusion.recommendation, result)
    assert "objective: energy_j" in chosen
    assert f"objective_value: {round(best['objective'], 3)}" in chosen


def test_the_table_of_trials_has_the_time_to_the_target_of_each(tmp_path):
    of = instance(objective="time_to_target_s", budget={"trials": 2, "hours": 1000})
    advisor = played(of, tmp_path / "j")
    lines = trials_csv(result_of(of, advisor)).splitlines()
    column = lines[0].split(",").index("time_to_target_s")
    told = float(lines[1].split(",")[column])
    assert told == of.study.goal.reached_by(advisor.records[0], None).seconds < advisor.records[0].time_s
