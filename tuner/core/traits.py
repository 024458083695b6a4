"""The properties that a stage and its device state of themselves before any trial.

Plain values, kept in the journal: a replay needs them as the advisor did.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class StageTraits:
    """Properties that may be relied on beside what trials report.

    Attributes:
        quality_invariant_to: Parameters that, says the stage, cannot change NRMSE.
        can_probe: Whether configurations can be timed without training them.
        probes_in_proportion: Whether epoch times of probes are only in proportion to those of trainings, by a
            factor that is learnt from configurations that were both probed and trained.
        capacity_gib: Memory of the device; None when it is not a limit that is known.
        quality_options: The stage's options as far as NRMSE depends on them, settled for the device; None
            when the stage was not asked.
    """

    quality_invariant_to: tuple[str, ...] = ()
    can_probe: bool = False
    probes_in_proportion: bool = False
    capacity_gib: float | None = None
    quality_options: Mapping[str, Any] | None = None

    def as_dict(self) -> dict[str, Any]:
        """Returns the traits as plain JSON values; `from_dict` reads them back."""
        return asdict(self) | {"quality_invariant_to": list(self.quality_invariant_to)}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> StageTraits:
        """Reads what `as_dict` gave."""
        return cls(**{**values, "quality_invariant_to": tuple(values["quality_invariant_to"])})
