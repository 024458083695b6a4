"""A stage whose every figure is a law's, the times too: two runs that do the same report the same."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tests.stages import SyntheticStage, epoch_seconds

_MEASURED = ("setup_time_s", "warmup_time_s", "evaluate_time_s", "cpu_time_s", "load_average")


class ExactStage(SyntheticStage):
    """Sleeps for as long as it says, but reports what its law says and not what a clock showed."""

    @classmethod
    def offers_probe(cls, options: Mapping[str, Any]) -> bool:
        return False  # a probe would show what a clock showed

    def step(self) -> dict[str, Any]:
        epoch_time_s = epoch_seconds(self._params, self._options)
        told = {name: value for name, value in super().step().items() if not name.endswith("_cpu_time_s")}
        exact = {
            "time_s": told["epoch"] * epoch_time_s,
            "epoch_time_s": epoch_time_s,
            "peak_memory_gib": 0.01 * self._params["micro_batch"] * self._params["num_taus"],
        }
        return told | dict.fromkeys(_MEASURED, 0.0) | exact | {"contended": False, "contended_reason": ""}
