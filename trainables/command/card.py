"""The card of a script: whether it has one, what it is, and the instruments that measure it there.

Asks NVML, as the driver answers in this process. Does not start the script, and never imports torch.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, ClassVar

from trainables.command.mistakes import mistake
from trainables.telemetry import device
from trainables.telemetry.card_memory import CardMemoryMeter
from trainables.telemetry.cards import JoinedMonitor, capacity_gib, cards_here, name_of, opened_cards
from trainables.telemetry.instruments import Instruments
from trainables.telemetry.memory import MemoryMeter


class NoMemoryMeter(MemoryMeter):
    """Measures nothing: a script's memory on a CPU is known only where it tells it itself."""

    def _start_peak(self) -> None:
        """Does nothing."""

    def peak_gib(self) -> float:
        """Returns 0, which stands for not measured."""
        return 0.0

    def require_released(self) -> None:
        """Never raises: the script has ended."""


def kind_of(options: Mapping[str, Any]) -> str:
    """Returns what the option ``device`` means here: ``cuda`` or ``cpu``."""
    asked = str(options.get("device", "auto"))
    if asked != "auto":
        return asked
    with opened_cards() as cards:
        return "cuda" if cards else "cpu"


def describe(kind: str) -> dict[str, Any]:
    """Describes the device that a script is measured on; see ``telemetry.device.describe``.

    Memory is that of the smallest card. On a CPU it is None: a figure from the script may be of anything.

    Raises:
        ValueError: No card is visible, or cards of several kinds are; the message has the fix.
    """
    described = device.describe("cpu") | {"memory_gib": None}
    if kind != "cuda":
        return described
    with opened_cards() as cards:
        names = sorted({name_of(card) for card in cards})
        sizes = [capacity_gib(card) for card in cards]
    if not names:
        seen = f"CUDA_VISIBLE_DEVICES={os.environ.get('CUDA_VISIBLE_DEVICES')!r}"
        fix = f"write auto or cpu, or see that NVML shows a card to Ray's workers ({seen}; try nvidia-smi)"
        raise mistake("device", kind, fix)
    if len(names) > 1:
        fix = f"leave cards of one kind visible: {' and '.join(names)} would not compare"
        raise mistake("device", kind, fix)
    known = [size for size in sizes if size is not None]
    smallest = round(min(known), 2) if len(known) == len(sizes) else None
    return described | {"kind": "cuda", "name": names[0], "memory_gib": smallest}


class MeasuredOnItsCard:
    """What a stage says of the cards of a script; the part of ``CommandStage`` that asks NVML.

    Attributes:
        starts_own_ranks: Whether a trial may use several cards; see ``StudyHooks``.
    """

    starts_own_ranks: ClassVar[bool] = True

    @classmethod
    def device_kind(cls, options: Mapping[str, Any]) -> str:
        """Returns ``cuda`` if the options allow it and a card is visible here, else ``cpu``."""
        return kind_of(options)

    @classmethod
    def describe_device(cls, options: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Describes the card and its memory, or this machine without; see ``describe``."""
        return describe(kind_of(options or {}))

    @classmethod
    def instruments(cls, device_kind: str) -> Instruments:
        """Returns instruments that see what a script does on all visible cards, without torch."""
        cards = cards_here() if device_kind == "cuda" else []
        if not cards:
            return Instruments(meter=NoMemoryMeter())
        return Instruments(meter=CardMemoryMeter(cards), card=JoinedMonitor(cards))
