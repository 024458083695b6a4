"""The line of JSON of the search benchmark."""

import json

from benchmarks.search.latency import Latency
from benchmarks.search.tables import summary
from tests.benchmarks.search.outcomes import outcome

KEYS = {
    *("success_5pct", "success_10pct", "cost_of_success"),
    *("cost_ratio_vs_best_peer", "cost_ratio_vs_reference", "lies_pct"),
}


def test_the_line_of_json_has_every_key_and_null_for_what_was_not_run():
    line = json.loads(json.dumps(summary([])))
    assert set(line) == {"held_out", "alien", "four_worker_cost_ratio", "suggest_p95_ms"}
    for name in ("held_out", "alien"):
        assert line[name] == dict.fromkeys(KEYS)
    assert line["four_worker_cost_ratio"] is line["suggest_p95_ms"] is None


def test_the_line_compares_with_the_best_peer_and_the_reference_set_by_set():
    runs = [
        outcome(arm="ours", set_name="held_out", cost=10),
        outcome(arm="ours x4", set_name="held_out", cost=14),
        outcome(arm="bad -0%", set_name="held_out", cost=100),
        outcome(arm="good -1%", set_name="held_out", cost=50),
        outcome(arm="reference", set_name="held_out", cost=20),
        outcome(arm="best -1%", set_name="develop", cost=1),
        outcome(arm="ours", set_name="table", cost=3, baseline_cost=2.5),
    ]
    latency = Latency(
        p95_ms=1.0, longest_ms=2.0, first_ms=3.0, cpu_p95_ms=0.5, cpu_longest_ms=1.5, observe_ms=0.1
    )
    line = summary(runs, {"100": latency})
    assert line["held_out"] == {
        "success_5pct": [100.0, 100.0, 100.0],
        "success_10pct": [100.0, 100.0, 100.0],
        "cost_of_success": [10.0, 10.0, 10.0],
        "cost_ratio_vs_best_peer": [5.0, 5.0, 5.0],
        "cost_ratio_vs_reference": [2.0, 2.0, 2.0],
        "lies_pct": [0.0, 0.0, 0.0],
    }
    assert line["alien"] == dict.fromkeys(KEYS)
    assert line["four_worker_cost_ratio"] == [1.4, 1.4, 1.4]
    assert line["real_stage_cost_in_baseline_trainings"] == [2.5, 2.5, 2.5]
    assert line["suggest_p95_ms"] == {"100": 1.0}
