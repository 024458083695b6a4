"""Hardware profiles: what a card can do, how to recognise it, what the guide says of it.

Knows nothing of how a device is detected: it compares a description with a profile.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """A figure and where it comes from."""

    value: float
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class GuideRow:
    """The guide's "Recommended Ranges" for a card, each (low, high) and inclusive."""

    batch_size: tuple[int, int]
    micro_batch: tuple[int, int]
    num_taus: tuple[int, int]
    speedup: tuple[float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class HardwareProfile:
    """A device that studies are written for.

    Attributes:
        name: As studies name it, such as `a100_40gb`.
        description: In words.
        kind: "cuda" or "cpu".
        device_names: A device matches when its name contains one of these; empty for any name.
        excluded_names: ... and none of these.
        memory_range_gib: The memory such a device reports, GiB, (low, high); None for any.
        memory_gib: Memory.
        peak_fp32_tflops: Peak rate of float32 outside tensor cores, TFLOP/s, as are the next two.
        peak_tf32_tflops: TF32 on tensor cores, dense.
        peak_bf16_tflops: bfloat16 on tensor cores with float32 accumulation, dense.
        bandwidth_gb_s: Memory bandwidth, 1e9 bytes a second.
        guide: The guide's row for it, None when it has none.
    """

    name: str
    description: str
    kind: str
    device_names: tuple[str, ...] = ()
    excluded_names: tuple[str, ...] = ()
    memory_range_gib: tuple[float, float] | None = None
    memory_gib: Figure | None = None
    peak_fp32_tflops: Figure | None = None
    peak_tf32_tflops: Figure | None = None
    peak_bf16_tflops: Figure | None = None
    bandwidth_gb_s: Figure | None = None
    guide: GuideRow | None = None

    def why_not(self, device: Mapping[str, Any]) -> str | None:
        """None when a device fits the profile; else in words why it does not.

        Args:
            device: `{"kind": "cuda" or "cpu", "name": ..., "memory_gib": ...}`; memory may lack.
        """
        kind, name, memory_gib = (
            device["kind"],
            str(device.get("name", "")),
            device.get("memory_gib"),
        )
        wanted = f"the study was written for {self.description}"
        if kind != self.kind:
            return f"{wanted}, and this device is a {_KINDS.get(kind, kind)} ({name})"
        low_name = name.lower()
        is_named = any(part.lower() in low_name for part in self.device_names)
        is_other = any(part.lower() in low_name for part in self.excluded_names)
        if (self.device_names and not is_named) or is_other:
            return f"{wanted}, and this device is {name}"
        if self.memory_range_gib and memory_gib is not None:
            low, high = self.memory_range_gib
            if not low <= memory_gib <= high:
                return f"{wanted} ({low:g}-{high:g} GiB), and this {name} has {memory_gib:.1f} GiB"
        return None

    def as_dict(self) -> dict[str, Any]:
        """The profile as a study or a profile file spells it, absent figures left out."""
        values: dict[str, Any] = _plain(self)
        return values


_KINDS = {"cpu": "CPU", "cuda": "CUDA device"}


def _plain(value: Any) -> Any:
    if isinstance(value, HardwareProfile | GuideRow | Figure):
        pairs = ((f.name, getattr(value, f.name)) for f in fields(value))
        return {name: _plain(item) for name, item in pairs if item is not None and item != ()}
    return list(value) if isinstance(value, tuple) else value
