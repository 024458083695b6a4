"""benchmarks/transfer.py: a warm start against a cold one, simulated."""

from pathlib import Path
from typing import Any

import pytest

from benchmarks.search.results import ArmRun, load
from benchmarks.transfer import ARMS, QUICK_INSTANCES, Pair, play_pair, summary
from tests.benchmarks.test_scripts import last_line


@pytest.fixture(scope="module")
def quick(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, dict[str, Any], list[ArmRun]]:
    """All that the quick comparison printed, its last line, and the outcomes that it saved."""
    saved: Path = tmp_path_factory.mktemp("transfer") / "outcomes.jsonl"
    printed, line = last_line("benchmarks.transfer", "--quick", "--save", str(saved))
    return printed, line, load(saved)


def test_quick_ends_with_the_ratio_of_costs_and_says_simulated(
    quick: tuple[str, dict[str, Any], list[ArmRun]],
) -> None:
    printed, line, _ = quick
    assert set(line) == {"transfer_cost_ratio", "cold_cost", "warm_cost", "lies_pct"}
    assert printed.startswith("Simulated: ")


def outcome(arm: str, seed: int, cost: float) -> ArmRun:
    return ArmRun(
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


@pytest.fixture(scope="module")
def middle() -> list[ArmRun]:
    """Every arm on one law."""
    return play_pair(Pair("dev-middle-a100", 0, ARMS))


def test_every_arm_plays_the_second_card_and_none_fails(middle: list[ArmRun]) -> None:
    assert [o.arm for o in middle] == ["cold", "warm", "warm +0.5 %", "warm, other law"]
    assert not any(o.error for o in middle)
    assert middle[0].cost != middle[1].cost


def test_on_two_laws_a_warm_start_is_right_for_more_than_15_percent_less(
    middle: list[ArmRun], quick: tuple[str, dict[str, Any], list[ArmRun]]
) -> None:
    """On the two laws played here alone; `python -m benchmarks.transfer` tells of seven, with the error."""
    outcomes = [*quick[2], *middle]
    assert {o.instance for o in outcomes} == {*QUICK_INSTANCES, "dev-middle-a100"}
    assert all(o.is_success for o in outcomes if o.arm == "warm")
    cold, warm = (sum(o.charged for o in outcomes if o.arm == arm) for arm in ("cold", "warm"))
    assert warm < 0.85 * cold
