"""benchmarks/transfer.py: a warm start against a cold one, simulated."""

from benchmarks.search_results import Outcome
from benchmarks.transfer import Pair, play_pair, summary
from tests.benchmarks.test_scripts import last_line


def test_quick_ends_with_the_ratio_of_costs_and_says_simulated() -> None:
    printed, line = last_line("benchmarks.transfer", "--quick")
    assert set(line) == {"transfer_cost_ratio", "cold_cost", "warm_cost", "lies_pct"}
    assert printed.startswith("Simulated: ")


def outcome(arm: str, seed: int, cost: float) -> Outcome:
    return Outcome(
        arm=arm,
        instance="i",
        set_name="transfer",
        seed=seed,
        is_solvable=True,
        is_success=True,
        is_lie=False,
        has_answer=True,
        cost=cost,
    )


def test_the_ratio_is_cold_over_warm() -> None:
    runs = [outcome(arm, s, c) for arm, c in (("cold", 30.0), ("warm", 10.0)) for s in range(3)]
    line = summary(runs)
    assert line["transfer_cost_ratio"] == [3.0, 3.0, 3.0]
    assert line["cold_cost"] == [30.0, 30.0, 30.0]
    assert line["warm_cost"] == [10.0, 10.0, 10.0]


def test_every_arm_plays_the_second_card_and_none_fails() -> None:
    arms = ["cold", "warm", "warm +0.5 %", "warm, other law"]
    outcomes = play_pair(Pair("dev-middle-a100", 0, arms))
    assert [o.arm for o in outcomes] == arms
    assert not any(o.error for o in outcomes)
    assert outcomes[0].cost != outcomes[1].cost
