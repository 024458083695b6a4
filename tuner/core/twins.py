"""Pairs of runs with the same seed that differ in one parameter alone: what they differ by is its effect.

Knows records and configurations. Judges nothing: `effects` does.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import TypeVar, cast

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

Judgement = TypeVar("Judgement")


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


class AllTwins:
    """All pairs of runs that differ in one parameter alone: a run more costs what it is paired with.

    Whole runs; also one that failed, diverged or ran out of memory beside a whole one. Of two runs of a
    configuration with one seed the last whole one counts.

    Args:
        records: Records of trials that have ended; others are left out.
    """

    def __init__(self, records: Iterable[TrialRecord] = ()) -> None:
        self._alike: dict[tuple[str, int, Rest], dict[Key, tuple[TrialRecord, bool]]] = {}
        self._found: dict[str, dict[Values, dict[tuple[int, Rest], Twins]]] = {}
        self._kept: dict[str, object] = {}
        self._equal: dict[str, bool] = {}
        for record in records:
            self.add(record)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, AllTwins) and self._alike == other._alike and self._found == other._found

    __hash__ = None  # type: ignore[assignment]  # it grows

    def add(self, record: TrialRecord) -> None:
        """Takes a run that has ended."""
        is_full = record.is_full_budget
        if not is_full and record.state not in BROKEN:
            return
        values = keyed(record.config)
        for k, (name, value) in enumerate(values):
            rest = values[:k] + values[k + 1 :]
            runs = self._alike.setdefault((name, record.seed, rest), {})
            known = runs.get(value)
            if not is_full and known is not None and known[1]:
                continue
            runs[value] = record, is_full
            for other, (twin, is_twin_full) in runs.items():
                if other != value and (is_full or is_twin_full):
                    self._pair(name, rest, (value, record), (other, twin))

    def _pair(
        self, name: str, rest: Rest, one: tuple[Key, TrialRecord], other: tuple[Key, TrialRecord]
    ) -> None:
        (low, before), (high, after) = sorted((one, other), key=lambda run: str(run[0]))
        pairs = self._found.setdefault(name, {}).setdefault((low, high), {})
        where, found = (before.seed, rest), Twins(rest=rest, one=before, other=after)
        if where in pairs:  # of a run that was repeated
            self._equal.pop(name, None)
        elif self._equal.get(name):
            self._equal[name] = found.is_equal
        pairs[where] = found
        self._kept.pop(name, None)

    def of(self, name: str) -> Mapping[Values, Sequence[Twins]]:
        """Returns the pairs that differ in a parameter, by its two values."""
        return {values: tuple(pairs.values()) for values, pairs in self._found.get(name, {}).items()}

    def are_equal(self, name: str) -> bool:
        """Whether NRMSE is the same within each of the pairs that differ in a parameter."""
        if name not in self._equal:
            found = self._found.get(name, {}).values()
            self._equal[name] = all(twins.is_equal for pairs in found for twins in pairs.values())
        return self._equal[name]

    def judged(self, name: str, judge: Callable[[Mapping[Values, Sequence[Twins]]], Judgement]) -> Judgement:
        """Returns what `judge` says of a parameter's pairs; it is asked again once there is another pair.

        Args:
            name: The parameter.
            judge: A function of the pairs alone, the same one in every call for this parameter.
        """
        if name not in self._kept:
            self._kept[name] = judge(self.of(name))
        return cast(Judgement, self._kept[name])


def keyed(config: TrialConfig) -> Rest:
    """Returns the values of a configuration; see `key`."""
    return tuple((name, key(value)) for name, value in config.as_dict().items())


def rest_of(config: TrialConfig, name: str) -> Rest:
    """Returns a configuration without one of its parameters."""
    return tuple(one for one in keyed(config) if one[0] != name)


def num_digits(value: float) -> int:
    """Significant digits of a figure as it was reported."""
    return len(Decimal(repr(value)).normalize().as_tuple().digits)
