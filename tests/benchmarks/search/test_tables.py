"""The line of JSON of the search benchmark."""

import json

from benchmarks.search.latency import Latency
from benchmarks.search.tables import summary
from tests.benchmarks.search.outcomes import outcome


def test_the_line_of_json_has_every_key_and_null_for_what_was_not_run():
    line = json.loads(json.dumps(summary([])))
    assert line == dict.fromkeys(
        [
            "cost_ratio_vs_best_peer",
            "cost_ratio_vs_best_peer_alien",
            "lies_pct",
            "four_worker_cost_ratio",
            "suggest_p95_ms",
            "real_stage_cost_in_baseline_trainings",
        ]
    )


def test_the_line_compares_with_the_best_peer_on_held_out_instances_only():
    runs = [
        outcome(arm="ours", set_name="held_out", cost=10),
        outcome(arm="ours x4", set_name="held_out", cost=14),
        outcome(arm="bad -0%", set_name="held_out", cost=100),
        outcome(arm="good -1%", set_name="held_out", cost=50),
        outcome(arm="best -1%", set_name="dev", cost=1),
        outcome(arm="ours", set_name="table", cost=3, baseline_cost=2.5),
    ]
    latency = Latency(p95_ms=1.0, longest_ms=2.0, cpu_p95_ms=0.5, observe_ms=0.1)
    line = summary(runs, {"100": latency})
    assert line["cost_ratio_vs_best_peer"] == [5.0, 5.0, 5.0]
    assert line["cost_ratio_vs_best_peer_alien"] is None
    assert line["four_worker_cost_ratio"] == [1.4, 1.4, 1.4]
    assert line["real_stage_cost_in_baseline_trainings"] == [2.5, 2.5, 2.5]
    assert line["suggest_p95_ms"] == {"100": 1.0}
