"""A study of a script on a card: what it asks Ray for, and what its card's memory decides."""

import json

import pytest
import yaml

from tests.ray_adapter.test_place import CPU_NODE, node
from tests.studies import make_study, study_of_two
from tuner.core.traits import StageTraits
from tuner.errors import ClusterError, StageError
from tuner.ray_adapter.cluster import Resources
from tuner.ray_adapter.device import check_resources, choose_place
from tuner.ray_adapter.place import Place
from tuner.ray_adapter.stages import capacity_gib, check_parameters, may_use_card
from tuner.runs.journal import read_journal

A100 = "accelerator_type:A100"


def script_study(*, gpus=1, stage="trainables.command:CommandStage", **options):
    words = ["{python}", "-c", "", "{batch_size}", "{micro_batch}", "{num_taus}", "{accum_steps}"]
    return make_study(
        stage={"class": stage, "num_epochs": 1, "num_samples": 100, "options": {"command": words} | options},
        resources={"gpus": gpus},
    )


@pytest.mark.parametrize(
    ("gpus", "nodes", "place", "num_workers"),
    [
        (1, [node("A100", 4), CPU_NODE], Place(num_gpus=1, accelerator_type=A100), 4),
        (2, [node("A100", 4), node("A100", 3)], Place(num_gpus=2, accelerator_type=A100), 3),
        (3, [node("A100", 2), node("A100", 2), node("A100", 4)], Place(num_gpus=3, accelerator_type=A100), 1),
        # The kind on which most trials fit, not that with the most cards.
        (4, [node("A100", 3), node("A100", 3), node("V100", 4)],
         Place(num_gpus=4, accelerator_type="accelerator_type:V100"), 1),
        (2, [node("", 4)], Place(num_gpus=2), 2),
        (1, [CPU_NODE], Place(), 1),
    ],
)  # fmt: skip
def test_a_trial_gets_whole_cards_of_one_node(gpus, nodes, place, num_workers):
    study = script_study(gpus=gpus)
    check_resources(study, Resources(num_cpus=16, num_gpus=0, dashboard=""), nodes)
    assert choose_place(study, nodes) == (place, num_workers)


@pytest.mark.parametrize(
    ("gpus", "nodes", "most"),
    [
        (5, [node("A100", 4), node("A100", 4)], 4),
        (2, [CPU_NODE], 0),
        (2, [node("A100", 8, is_alive=False), node("A100", 1)], 1),
    ],
)
def test_more_cards_than_any_node_has_are_refused_with_the_fix(gpus, nodes, most):
    """Ray would wait for ever for a node that has as many."""
    study = script_study(gpus=gpus)
    with pytest.raises(ClusterError, match=f"wants {gpus} GPUs .*no node has more than {most}") as raised:
        check_resources(study, Resources(num_cpus=16, num_gpus=8, dashboard=""), nodes)
    assert raised.value.hint == f"lower resources.gpus in {study.path}, or run where a node has {gpus}."


def test_one_card_or_none_is_never_too_many():
    for nodes in ([], [CPU_NODE], [node("A100", 1)]):
        check_resources(script_study(), Resources(num_cpus=16, num_gpus=0, dashboard=""), nodes)


def test_several_cards_are_for_a_stage_that_starts_ranks_on_cards():
    check_parameters(script_study(gpus=2))
    with pytest.raises(StageError, match=r"resources.gpus=2, but the stage uses none \(device: cpu\)"):
        check_parameters(script_study(gpus=2, device="cpu"))
    with pytest.raises(StageError, match=r"resources.gpus=2, but a trial of .*SyntheticStage uses one card"):
        check_parameters(make_study(resources={"gpus": 2}))


def test_a_stage_on_the_cpu_asks_for_no_card():
    assert not may_use_card(script_study(device="cpu"))
    assert may_use_card(script_study())
    assert may_use_card(make_study())


@pytest.mark.parametrize(
    ("kind", "memory_gib", "capacity"), [("cuda", 40, 40.0), ("cuda", None, None), ("cpu", 503.0, None)]
)
def test_what_must_fit_is_the_cards_memory_where_it_is_known(kind, memory_gib, capacity):
    assert capacity_gib({"kind": kind, "memory_gib": memory_gib}) == capacity


CODE = """
import json, random, sys, time
batch_size, seed = map(int, sys.argv[1:3])
time.sleep(0.5 / batch_size)
print(json.dumps({"nrmse": 0.05 + 0.0001 * random.Random(seed).random()}))
"""


def test_a_scripts_memory_is_held_against_its_card_and_not_the_hosts(tmp_path, call_on_ray):
    """39 of the card's 40 GiB were once "39 of 503 GiB, passed"."""
    words = ["{python}", "-c", CODE, "{batch_size}", "{seed}", "{micro_batch}", "{num_taus}"]
    stage = {
        "class": "tests.ray_adapter.recorded_card:OnRecordedCard",
        "num_epochs": 1,
        "num_samples": 100,
        "options": {"command": words},
    }
    study = study_of_two(5, stage, budget={"trials": 4, "hours": 0.02}, certificate={"pairs": 3})
    (tmp_path / "study.yaml").write_text(yaml.safe_dump(study))
    done = call_on_ray("--space", tmp_path / "study.yaml", "--runs-dir", tmp_path / "runs")
    assert done.returncode == 0, done.stdout[-1500:] + done.stderr
    first, *_ = read_journal(tmp_path / "runs/last/journal.jsonl")
    assert first["provenance"]["device"]["kind"] == "cuda"
    assert first["provenance"]["device"]["name"] == "NVIDIA A100-SXM4-40GB"
    assert StageTraits(**first["traits"]).capacity_gib == 40.0
    checks = json.loads((tmp_path / "runs/last/certificate.json").read_text())["checks"]
    (memory,) = (check for check in checks if check["key"] == "memory")
    assert (memory["outcome"], memory["figures"]["peak_gib"], memory["figures"]["memory_gib"]) == (
        "failed",
        39,
        40,
    )
    assert memory["figures"]["headroom_pct"] == pytest.approx(2.5)
