"""One run uses one kind of card."""

import pytest

from tuner.ray_adapter.place import Place, choose_accelerator
from tuner.spec import load_hardware


def node(kind="", num_cards=1, *, is_alive=True):
    resources = {"CPU": 16.0, "memory": 1e11, "node:10.0.0.1": 1.0, "GPU": float(num_cards)}
    if kind:
        resources[f"accelerator_type:{kind}"] = 1.0
    return {"Alive": is_alive, "Resources": resources}


CPU_NODE = {"Alive": True, "Resources": {"CPU": 8.0}}


@pytest.mark.parametrize(
    ("nodes", "chosen"),
    [
        ([node("A100"), node("H100", 8)], ("accelerator_type:A100", 1)),
        ([node("A100-40G", 2), node("A100-40G", 1), node("H100", 8)], ("accelerator_type:A100-40G", 3)),
        ([node("V100", 2), node("H100", 8), CPU_NODE], ("accelerator_type:H100", 8)),
        ([node("A100", is_alive=False), node("V100", 1)], ("accelerator_type:V100", 1)),
        ([node("", 4), CPU_NODE], ("", 4)),
        ([CPU_NODE], ("", 0)),
    ],
)
def test_the_studys_own_card_is_taken_where_the_cluster_has_it_and_else_the_most_frequent(nodes, chosen):
    """The speed-ups of two kinds of card mixed in one run would be of neither."""
    assert choose_accelerator(load_hardware("a100_40gb"), nodes) == chosen


def test_any_number_of_trials_may_ask_for_the_kind_of_a_node_that_has_one_of_it():
    asked = Place(num_gpus=1, accelerator_type="accelerator_type:A100").resources
    assert 8 * asked["accelerator_type:A100"] < 1
    assert Place().resources == {}
