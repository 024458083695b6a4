"""Finds the recommended values that have no measurable effect, so that the baseline's can be kept.

A search gives every parameter a value, also one that the stage never reads: which value wins is then luck. To
write it into a pipeline changes nothing here, and perhaps something in another stage that reads the same key.

Judged by pairs of full-budget runs with the same seed that differ in one parameter alone. There are two ways
to have no effect:

- *Unread*: NRMSE is equal to nine digits in every pair, whatever the values. What enters a training changes
  its rounding at least, so even one such pair is strong evidence, unless NRMSE is reported with few digits:
  then a tie may be chance, and two are wanted. The clock has to agree only on average, within `MARGIN` and
  not significantly apart: it guards against what changes the speed and not the arithmetic. Such a parameter
  passes when its effect is lost in the scatter of the clock; a few percent of the speed are then given up.
- *Equivalent*: where runs scatter, the 95 % intervals of both changes lie within `NRMSE_MARGIN` and `MARGIN`
  and contain 0, with `MIN_EQUIVALENT` pairs at least (Schuirmann, "A comparison of the two one-sided tests
  procedure and the power approach for assessing the equivalence of average bioavailability", 1987).

A parameter may matter in one regime and not in another (a chunk larger than the batch). So one of the pairs
must be of the recommended configuration itself, or the pairs must be of two different ones.

Knows records and configurations, not which of them deserves to win.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import combinations
from statistics import fmean

from tuner.core.config import TrialConfig
from tuner.core.limits import reported
from tuner.core.paired_mean import PairedMean
from tuner.core.parameters import ParameterValue
from tuner.core.trial import TrialRecord
from tuner.core.values import key
from tuner.errors import ConfigError

EQUAL = 1e-9
"""Relative difference up to which two NRMSE are equal."""

FINE_DIGITS = 7
"""Significant digits of a reported NRMSE from which a single tie is no chance."""

COARSE_DIGITS = 3
"""Fewer say nothing: two figures of two digits are equal within 5 % only."""

MARGIN = 0.03
"""Mean change of time, energy and peak memory that counts as none, on logarithms."""

NRMSE_MARGIN = 0.005
"""Mean change of NRMSE that counts as none where runs scatter, on logarithms."""

LEVEL = 0.05
"""Error level of the two-sided intervals."""

MIN_EQUIVALENT = 3
"""Pairs from which runs that scatter are judged."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NoEffect:
    """A parameter whose recommended value is as good as the baseline's.

    Attributes:
        name: Name of the parameter.
        kept: The baseline's value.
        recommended: The value of what is recommended.
        num_pairs: Pairs of runs that differ in these two values alone.
    """

    name: str
    kept: ParameterValue
    recommended: ParameterValue
    num_pairs: int

    @property
    def text(self) -> str:
        """Returns the effect in words, for people."""
        return f"{self.name} had no measurable effect: kept at the baseline's {self.kept}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Export:
    """The configuration that goes into a pipeline.

    Attributes:
        config: The recommended configuration with the baseline's values where they are as good.
        no_effect: These, in the order of the configuration.
    """

    config: TrialConfig
    no_effect: tuple[NoEffect, ...]


def to_export(
    records: Sequence[TrialRecord],
    baseline: TrialConfig,
    recommended: TrialConfig,
    is_legal: Callable[[TrialConfig], bool],
) -> Export:
    """The recommended configuration without the changes that have no measurable effect.

    Args:
        records: Records of every trial of the study.
        baseline: Whose values are kept.
        recommended: The estimate of the recommended configuration.
        is_legal: Whether a configuration keeps the study's constraints; what breaks them is not exported.
    """
    config, found = recommended, []
    theirs = baseline.as_dict()
    for name, value in recommended.as_dict().items():
        if name not in theirs or key(theirs[name]) == key(value):
            continue
        num_pairs = _num_without_effect(records, name, theirs[name], recommended)
        changed = _with(config, name, theirs[name]) if num_pairs else None
        if changed is not None and is_legal(changed):
            config = changed
            found.append(NoEffect(name=name, kept=theirs[name], recommended=value, num_pairs=num_pairs))
    return Export(config=config, no_effect=tuple(found))


def _with(config: TrialConfig, name: str, value: ParameterValue) -> TrialConfig | None:
    try:
        return TrialConfig.from_dict(config.as_dict() | {name: value})
    except ConfigError:
        return None


Rest = tuple[tuple[str, tuple[bool, ParameterValue]], ...]
"""A configuration without one of its parameters."""

Values = tuple[tuple[bool, ParameterValue], tuple[bool, ParameterValue]]
"""Two values of a parameter, see `key`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Twins:
    """Two runs with the same seed that differ in one parameter alone."""

    rest: Rest
    one: TrialRecord
    other: TrialRecord

    @property
    def is_equal(self) -> bool:
        return math.isclose(self.one.nrmse, self.other.nrmse, rel_tol=EQUAL)

    def change(self, metric: str) -> float | None:
        """Logarithm of the ratio of a figure; None when it was not reported, or others disturbed it."""
        is_disturbed = self.one.is_contended or self.other.is_contended
        before, after = (reported(record, metric) for record in (self.one, self.other))
        if not before or not after or (is_disturbed and metric in ("time_s", "energy_j")):
            return None
        return math.log(after / before)


def _num_without_effect(
    records: Iterable[TrialRecord], name: str, kept: ParameterValue, recommended: TrialConfig
) -> int:
    """Pairs which show that a parameter may as well have the baseline's value; 0 when they do not show it."""
    value = recommended.as_dict()[name]
    groups = _twins(records, name)
    mine = groups.get((key(kept), key(value)), ()) or groups.get((key(value), key(kept)), ())
    is_of_it = any(twins.rest == _rest(recommended, name) for twins in mine)
    if not (is_of_it or len({twins.rest for twins in mine}) > 1):
        return 0
    return len(mine) if _is_unread(mine, groups, is_of_it=is_of_it) or _is_equivalent(mine) else 0


def _twins(records: Iterable[TrialRecord], name: str) -> Mapping[Values, Sequence[_Twins]]:
    """Returns all pairs of runs that differ in one parameter alone, by its two values."""
    alike: dict[tuple[int, Rest], dict[tuple[bool, ParameterValue], TrialRecord]] = {}
    for record in records:
        values = record.config.as_dict()
        if record.is_full_budget and name in values:
            runs = alike.setdefault((record.seed, _rest(record.config, name)), {})
            runs[key(values[name])] = record
    found: dict[Values, list[_Twins]] = {}
    for (_, rest), runs in alike.items():
        for pair in combinations(sorted(runs, key=str), 2):
            one, other = (runs[value] for value in pair)
            found.setdefault(pair, []).append(_Twins(rest=rest, one=one, other=other))
    return found


def _rest(config: TrialConfig, name: str) -> Rest:
    return tuple((k, key(v)) for k, v in config.as_dict().items() if k != name)


def _is_unread(mine: Sequence[_Twins], groups: Mapping[Values, Sequence[_Twins]], *, is_of_it: bool) -> bool:
    digits = max(_digits(_as_reported(record)) for twins in mine for record in (twins.one, twins.other))
    if digits < COARSE_DIGITS or len(mine) < (1 if is_of_it and digits >= FINE_DIGITS else 2):
        return False
    is_timed = any(twins.change("time_s") is not None for twins in mine)
    return is_timed and all(
        all(twins.is_equal for twins in group) and _is_alike(_changes(group, "time_s")) and _is_close(group)
        for group in groups.values()
    )


def _is_equivalent(mine: Sequence[_Twins]) -> bool:
    nrmse, time = _changes(mine, "nrmse"), _changes(mine, "time_s")
    if min(len(nrmse), len(time)) < MIN_EQUIVALENT:
        return False
    return _lies_within(nrmse, NRMSE_MARGIN) and _lies_within(time, MARGIN) and _is_close(mine)


def _changes(group: Sequence[_Twins], metric: str) -> list[float]:
    return [change for twins in group if (change := twins.change(metric)) is not None]


def _is_alike(changes: Sequence[float]) -> bool:
    """Whether a mean change counts as none, as far as is known, and is not significant either."""
    if not changes:
        return True
    seen = PairedMean.of(changes)
    return abs(seen.mean) <= MARGIN and seen.lower(LEVEL / 2) <= 0 <= seen.upper(LEVEL / 2)


def _lies_within(changes: Sequence[float], margin: float) -> bool:
    seen = PairedMean.of(changes)
    return -margin <= seen.lower(LEVEL / 2) <= 0 <= seen.upper(LEVEL / 2) <= margin


def _is_close(group: Sequence[_Twins]) -> bool:
    """Whether energy and peak memory change by no more than the margin, on average, where they are known."""
    changes = (_changes(group, metric) for metric in ("energy_j", "peak_memory_gib"))
    return all(not seen or abs(fmean(seen)) <= MARGIN for seen in changes)


def _as_reported(record: TrialRecord) -> float:
    told = record.last.reported_quality if record.last else None
    return record.nrmse if told is None else told


def _digits(value: float) -> int:
    """Significant digits of a figure as it was reported."""
    return len(Decimal(repr(value)).normalize().as_tuple().digits)
