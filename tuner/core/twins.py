"""Pairs of runs with the same seed that differ in one parameter alone: what they differ by is its effect.

Knows records and configurations. Judges nothing: `effects` does.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import combinations

from tuner.core.config import TrialConfig
from tuner.core.limits import reported
from tuner.core.parameters import ParameterValue
from tuner.core.trial import TrialRecord, TrialState
from tuner.core.values import key

EQUAL = 1e-9
"""Relative difference up to which two NRMSE are equal."""

BROKEN = (TrialState.FAILED, TrialState.INFEASIBLE)
"""States of a run whose twin shows, by being whole, that the two differ."""

Key = tuple[bool, ParameterValue]
"""A value of a parameter, see `key`."""

Rest = tuple[tuple[str, Key], ...]
"""A configuration without one of its parameters."""

Values = tuple[Key, Key]
"""Two values of a parameter."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Twins:
    """Two runs with the same seed that differ in one parameter alone; one of them at least is whole.

    Attributes:
        rest: What their configurations have in common.
        one: One run.
        other: The other run.
    """

    rest: Rest
    one: TrialRecord
    other: TrialRecord

    @property
    def is_whole(self) -> bool:
        """Whether both ran all epochs in one go; else one failed, diverged or ran out of memory."""
        return self.one.is_full_budget and self.other.is_full_budget

    @property
    def is_equal(self) -> bool:
        """Whether both are whole and have the same NRMSE, to nine digits."""
        return self.is_whole and is_equal(self.one.nrmse, self.other.nrmse)

    def change(self, metric: str) -> float | None:
        """Logarithm of the ratio of a figure; None when one lacks it, broke, or was disturbed by others."""
        if not self.is_whole:
            return None
        is_disturbed = self.one.is_contended or self.other.is_contended
        before, after = (reported(record, metric) for record in (self.one, self.other))
        if not before or not after or (is_disturbed and metric in ("time_s", "energy_j")):
            return None
        return math.log(after / before)


def is_equal(one: float, other: float) -> bool:
    """Whether two NRMSE are equal, to nine digits."""
    return math.isclose(one, other, rel_tol=EQUAL)


def between(groups: Mapping[Values, Sequence[Twins]], one: Key, other: Key) -> Sequence[Twins]:
    """The pairs with these two values, in whichever order."""
    return groups.get((one, other), ()) or groups.get((other, one), ())


def twins_of(records: Iterable[TrialRecord], name: str) -> Mapping[Values, Sequence[Twins]]:
    """Returns all pairs of runs that differ in one parameter alone, by its two values.

    Whole runs; also one that failed, diverged or ran out of memory beside a whole one.
    """
    alike: dict[tuple[int, Rest], dict[Key, TrialRecord]] = {}
    for record in records:
        values = record.config.as_dict()
        if name in values and (record.is_full_budget or record.state in BROKEN):
            runs = alike.setdefault((record.seed, rest_of(record.config, name)), {})
            known = runs.get(key(values[name]))
            if record.is_full_budget or known is None or not known.is_full_budget:
                runs[key(values[name])] = record
    found: dict[Values, list[Twins]] = {}
    for (_, rest), runs in alike.items():
        for pair in combinations(sorted(runs, key=str), 2):
            one, other = (runs[value] for value in pair)
            if one.is_full_budget or other.is_full_budget:
                found.setdefault(pair, []).append(Twins(rest=rest, one=one, other=other))
    return found


def rest_of(config: TrialConfig, name: str) -> Rest:
    """Returns a configuration without one of its parameters."""
    return tuple((k, key(v)) for k, v in config.as_dict().items() if k != name)


def num_digits(value: float) -> int:
    """Significant digits of a figure as it was reported."""
    return len(Decimal(repr(value)).normalize().as_tuple().digits)
