"""Hardware profiles: what a card can do, how to recognise it, and what the guide says about it.

Knows nothing of how a device is detected: it compares a description with a profile.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from tuner.core.study_keys import study_key


@dataclass(frozen=True, slots=True, kw_only=True)
class SourcedFigure:
    """A figure and where it comes from."""

    value: float = field(metadata=study_key("The figure.", gt=0))
    source: str = field(metadata=study_key("The source of the figure.", min_length=1))


@dataclass(frozen=True, slots=True, kw_only=True)
class GuideRow:
    """The guide's recommended ranges for a card, each [low, high] and inclusive."""

    batch_size: tuple[int, int] = field(metadata=study_key("The range of batch_size."))
    micro_batch: tuple[int, int] = field(metadata=study_key("The range of micro_batch."))
    num_taus: tuple[int, int] = field(metadata=study_key("The range of num_taus."))
    speedup: tuple[float, float] = field(
        metadata=study_key("The speed-up over the baseline that the guide expects there.")
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class HardwareProfile:
    """A device that a study is written for."""

    name: str = field(metadata=study_key("A short name, such as a100_40gb.", min_length=1))
    description: str = field(metadata=study_key("The device in words.", min_length=1))
    kind: str = field(metadata=study_key("cuda or cpu.", choices=("cuda", "cpu")))
    device_names: tuple[str, ...] = field(
        default=(),
        metadata=study_key("A device fits if its name contains one of these; empty: any name fits."),
    )
    excluded_names: tuple[str, ...] = field(
        default=(), metadata=study_key("A device does not fit if its name contains one of these.")
    )
    memory_range_gib: tuple[float, float] | None = field(
        default=None,
        metadata=study_key("The memory that such a device reports, [low, high], GiB; none: any amount fits."),
    )
    memory_gib: SourcedFigure | None = field(
        default=None, metadata=study_key("Its memory according to the data sheet, GiB.")
    )
    peak_fp32_tflops: SourcedFigure | None = field(
        default=None, metadata=study_key("Peak rate of float32 outside tensor cores, TFLOP/s.")
    )
    peak_tf32_tflops: SourcedFigure | None = field(
        default=None, metadata=study_key("Peak rate of TF32 on tensor cores, without sparsity, TFLOP/s.")
    )
    peak_bf16_tflops: SourcedFigure | None = field(
        default=None,
        metadata=study_key(
            "Peak rate of bfloat16 on tensor cores with float32 accumulation, without sparsity, TFLOP/s."
        ),
    )
    bandwidth_gb_s: SourcedFigure | None = field(
        default=None, metadata=study_key("Memory bandwidth, GB/s (10^9 bytes a second).")
    )
    guide: GuideRow | None = field(
        default=None, metadata=study_key("The guide's recommendation for this device.")
    )

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
    if isinstance(value, HardwareProfile | GuideRow | SourcedFigure):
        pairs = ((f.name, getattr(value, f.name)) for f in fields(value))
        return {name: _plain(item) for name, item in pairs if item is not None and item != ()}
    return list(value) if isinstance(value, tuple) else value
