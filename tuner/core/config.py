"""One configuration of the stage, in the guide's words.

Knows nothing of the ranges and rules of a study: that is the lattice's business.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields

from tuner.core.parameters import ParameterValue
from tuner.errors import ConfigError


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialConfig:
    """The configuration that one trial runs with.

    Attributes:
        batch_size: Samples a batch.
        micro_batch: Samples (or the rows that the stage makes of them) a chunk of gradient accumulation
            inside a batch.
        num_taus: Noise levels at which every sample is evaluated.
        accum_steps: Batches an optimizer step.
        extra: Further parameters of the stage (learning rate, precision ...), sorted by name.

    Raises:
        ConfigError: One of the guide's values is not a positive integer.
    """

    batch_size: int
    micro_batch: int
    num_taus: int
    accum_steps: int = 1
    extra: tuple[tuple[str, ParameterValue], ...] = ()

    def __post_init__(self) -> None:
        for name in CORE_NAMES:
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise ConfigError(f"{name}={value!r} is not a positive integer.")

    @classmethod
    def from_dict(cls, values: Mapping[str, ParameterValue]) -> TrialConfig:
        """Builds a configuration from `{name: value}`; names beyond the guide's four go to `extra`.

        Raises:
            ConfigError: One of batch_size, micro_batch, num_taus is missing, or a value is illegal.
        """
        missing = [name for name in CORE_NAMES if name not in values and name != "accum_steps"]
        if missing:
            raise ConfigError(f"the configuration {dict(values)} lacks {', '.join(missing)}.")
        known = {name: values[name] for name in CORE_NAMES if name in values}
        extra = tuple(sorted((k, v) for k, v in values.items() if k not in CORE_NAMES))
        return cls(**known, extra=extra)  # type: ignore[arg-type]  # checked in __post_init__

    def as_dict(self) -> dict[str, ParameterValue]:
        """The configuration as `{name: value}`, the guide's four names first."""
        return {name: getattr(self, name) for name in CORE_NAMES} | dict(self.extra)

    @property
    def effective_batch_size(self) -> int:
        """Samples an optimizer step: what learning dynamics depend on (guide, "Relationship ...")."""
        return self.batch_size * self.accum_steps

    def __str__(self) -> str:
        return " ".join(f"{name}={value}" for name, value in self.as_dict().items())


CORE_NAMES = tuple(f.name for f in fields(TrialConfig) if f.name != "extra")
"""The guide's four parameters, in the guide's order."""


def divisors(number: int) -> list[int]:
    """The divisors of a positive integer, ascending."""
    return [candidate for candidate in range(1, number + 1) if number % candidate == 0]
