"""Says where a trial runs, in Ray's resources. Imports no ray."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tuner.core.hardware import HardwareProfile


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """The place where a trial runs, in Ray's resources.

    Attributes:
        num_gpus: Whole GPUs a trial, all of one node; 0 if it uses none.
        accelerator_type: The resource that names the kind of card; empty for any kind.
    """

    num_gpus: int = 0
    accelerator_type: str = ""

    @property
    def resources(self) -> dict[str, float]:
        """The resources asked for beside CPUs and GPUs."""
        return {self.accelerator_type: ANY_OF_A_NODE} if self.accelerator_type else {}


ANY_OF_A_NODE = 0.001
"""Amount of a node's accelerator type, which Ray counts as one: any number of trials may ask for it."""


def most_gpus(nodes: Sequence[Mapping[str, Any]]) -> int:
    """Returns the whole GPUs of the node that has the most; nodes as `ray.nodes()` lists them."""
    return max((_num_gpus(node) for node in nodes), default=0)


def choose_accelerator(
    hardware: HardwareProfile, nodes: Sequence[Mapping[str, Any]], num_gpus: int = 1
) -> tuple[str, int]:
    """The one kind of card that a run uses, and how many trials fit on those of this kind.

    Ray gives every node with cards it knows a resource `accelerator_type:NAME`. The study's own kind is taken
    where a trial fits, else the kind on which the most fit.

    Args:
        hardware: The hardware that the study was written for.
        nodes: The nodes, as `ray.nodes()` lists them.
        num_gpus: Whole cards a trial, 1 or more; all of one node.

    Returns:
        The resource's name, empty where no node with a card has one; and the number of trials at once.
    """
    slots: Counter[str] = Counter()
    for node in nodes:
        offered = node["Resources"] if node["Alive"] else {}
        kinds = [name for name in offered if name.startswith(_ACCELERATOR)]
        slots[kinds[0] if kinds else ""] += _num_gpus(node) // num_gpus
    wanted = [name.lower() for name in hardware.device_names]

    def preference(kind: str) -> tuple[bool, bool, int]:
        name = kind.removeprefix(_ACCELERATOR).lower()
        is_studys = bool(name) and any(part in name for part in wanted)
        return is_studys, bool(kind), slots[kind]

    best = max(sorted(kind for kind in slots if slots[kind]), key=preference, default="")
    return best, slots[best]


def _num_gpus(node: Mapping[str, Any]) -> int:
    return int(node["Resources"].get("GPU", 0)) if node["Alive"] else 0


_ACCELERATOR = "accelerator_type:"
