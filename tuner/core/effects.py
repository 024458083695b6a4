"""Finds the recommended values that have no measurable effect, so that the baseline's can be kept.

A search gives every parameter a value, also one that the stage never reads: which value wins is then luck. To
write it into a pipeline changes nothing here, and perhaps something in another stage that reads the same key.

Judged by pairs of full-budget runs with the same seed that differ in one parameter alone. There are two ways
to have no effect:

- *Unread*: NRMSE is equal to nine digits in every pair, whatever the values. What enters a training changes
  its rounding at least, so even one such pair is strong evidence, unless NRMSE is reported with few digits:
  then a tie may be chance, and two are wanted. The clock has to agree only on average: within `MARGIN` where
  the change is not significant, within `SLIGHT` where it is, as a device that gets warmer makes it. That
  guards against what changes the speed and not the arithmetic. A parameter whose effect is lost in the
  scatter of the clock passes; a few percent of the speed are then given up.
- *Equivalent*: where runs scatter, the 95 % intervals of both changes lie within `NRMSE_MARGIN` and `MARGIN`;
  that of NRMSE contains 0, and the clock agrees as above, with `MIN_EQUIVALENT` pairs at least (Schuirmann,
  "A comparison of the two one-sided tests procedure and the power approach for assessing the equivalence of
  average bioavailability", 1987).

A run that failed, diverged or ran out of memory differs from a whole one, whatever the reason.

A parameter may matter in one regime and not in another (a chunk larger than the batch). So one of the pairs
must be of the recommended configuration itself, or the pairs must be of two different ones.

A parameter whose recommended value is the baseline's already is named too, where it is unread.

Knows records and configurations, not which of them deserves to win.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from statistics import fmean

from tuner.core.config import TrialConfig
from tuner.core.paired_mean import PairedMean
from tuner.core.parameters import ParameterValue
from tuner.core.twins import AllTwins, Key, Twins, Values, between, num_digits, rest_of
from tuner.core.values import key
from tuner.errors import ConfigError

FINE_DIGITS = 7
"""Significant digits of a reported NRMSE from which a single tie is no chance."""

COARSE_DIGITS = 3
"""Fewer say nothing: two figures of two digits are equal within 5 % only."""

MARGIN = 0.03
"""Mean change of time, energy and peak memory that counts as none, on logarithms."""

SLIGHT = 0.01
"""Mean change of time that counts as none even if it is significant, on logarithms."""

NRMSE_MARGIN = 0.005
"""Mean change of NRMSE that counts as none where runs scatter, on logarithms."""

LEVEL = 0.05
"""Error level of the two-sided intervals."""

MIN_EQUIVALENT = 3
"""Pairs from which runs that scatter are judged."""


Seen = frozenset[tuple[str, Key]]
"""Values of the other parameters beside which one was seen to make no difference."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NoEffect:
    """A parameter whose recommended value is as good as the baseline's.

    Attributes:
        name: Name of the parameter.
        kept: The baseline's value.
        recommended: The value of what is recommended.
        other: The value that was compared with the baseline's: the recommended one, unless the two are equal.
        num_pairs: Pairs of runs that differ in `kept` and `other` alone.
        is_legal: Whether the baseline's value can be kept; False if it breaks a constraint of the study.
    """

    name: str
    kept: ParameterValue
    recommended: ParameterValue
    other: ParameterValue
    num_pairs: int
    is_legal: bool = True

    @property
    def exported(self) -> ParameterValue:
        """The value that goes into a pipeline."""
        return self.kept if self.is_legal else self.recommended

    @property
    def text(self) -> str:
        """Returns the effect in words, for people."""
        if self.is_legal:
            return f"{self.name} had no measurable effect: kept at the baseline's {self.kept}"
        return (
            f"{self.name} had no measurable effect: {self.recommended} stays, because the baseline's "
            f"{self.kept} breaks a constraint here"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Export:
    """The configuration that goes into a pipeline.

    Attributes:
        config: The recommended configuration with the baseline's values where they are as good.
        no_effect: The parameters without a measurable effect, in the order of the configuration.
    """

    config: TrialConfig
    no_effect: tuple[NoEffect, ...]


def to_export(
    twins: AllTwins,
    baseline: TrialConfig,
    recommended: TrialConfig,
    is_legal: Callable[[TrialConfig], bool],
) -> Export:
    """The recommended configuration without the changes that have no measurable effect.

    Args:
        twins: The pairs of all trials of the study.
        baseline: Whose values are kept.
        recommended: The estimate of the recommended configuration.
        is_legal: Whether a configuration keeps the study's constraints; what breaks them is not exported.
    """
    theirs = baseline.as_dict()
    found = [
        one
        for name in recommended.as_dict()
        if name in theirs and (one := _no_effect(twins, name, theirs[name], recommended))
    ]
    differing = [one for one in found if key(one.kept) != key(one.recommended)]
    config = recommended
    for several in (differing, *([one] for one in differing)):  # two may be legal only together
        changed = with_values(config, {one.name: one.kept for one in several})
        if changed is not None and is_legal(changed):
            config = changed
    values = {name: key(value) for name, value in config.as_dict().items()}
    kept = (replace(one, is_legal=values[one.name] == key(one.kept)) for one in found)
    return Export(config=config, no_effect=tuple(kept))


def unread(
    twins: AllTwins, baseline: TrialConfig, left_out: Collection[str] = ()
) -> Mapping[str, Mapping[Key, Seen]]:
    """The values that make no difference against the baseline's, by parameter, and beside which others.

    Shown by pairs of two different configurations at least, see above; runs that scatter show nothing here.

    Args:
        twins: The pairs of all trials of the study.
        baseline: Whose values the others are compared with; the same one in every call with these pairs.
        left_out: Parameters of which nothing is said.
    """
    found = {
        name: twins.judged(name, partial(_unread_values, kept=key(kept)))
        for name, kept in baseline.as_dict().items()
        if name not in left_out and twins.are_equal(name)
    }
    return {name: seen for name, seen in found.items() if seen}


def _unread_values(groups: Mapping[Values, Sequence[Twins]], kept: Key) -> Mapping[Key, Seen]:
    found = {}
    for value in sorted({value for pair in groups for value in pair} - {kept}, key=str):
        mine = between(groups, kept, value)
        if len({twins.rest for twins in mine}) > 1 and _is_unread(mine, groups, is_of_it=False):
            found[value] = frozenset(one for twins in mine for one in twins.rest)
    return found


def _no_effect(twins: AllTwins, name: str, kept: ParameterValue, recommended: TrialConfig) -> NoEffect | None:
    """Finds whether a parameter may as well have the baseline's value; None if that is not shown."""
    groups, are_equal = twins.of(name), twins.are_equal(name)
    value = recommended.as_dict()[name]
    if key(kept) != key(value):
        num = _num_without_effect(groups, name, kept, value, recommended, are_equal=are_equal)
        seen = [(num, value)]
    else:
        others = sorted({pair for values in groups for pair in values} - {key(kept)}, key=str)
        seen = [
            (_num_without_effect(groups, name, kept, other, recommended, are_equal=True), other)
            for _, other in (others if are_equal else ())
        ]
    num_pairs, other = max(seen, key=lambda one: one[0], default=(0, value))
    if not num_pairs:
        return None
    return NoEffect(name=name, kept=kept, recommended=value, other=other, num_pairs=num_pairs)


def with_values(config: TrialConfig, values: Mapping[str, ParameterValue]) -> TrialConfig | None:
    """Returns a configuration with other values; None if there is none, as with no sample in a batch."""
    try:
        return TrialConfig.from_dict({**config.as_dict(), **values})
    except ConfigError:
        return None


def _num_without_effect(
    groups: Mapping[Values, Sequence[Twins]],
    name: str,
    kept: ParameterValue,
    value: ParameterValue,
    recommended: TrialConfig,
    *,
    are_equal: bool,
) -> int:
    """Pairs which show that two values of a parameter are as good as each other; 0 if they do not show it.

    Args:
        groups: The parameter's pairs.
        name: The parameter.
        kept: The one value.
        value: The other.
        recommended: The configuration that is to be exported.
        are_equal: Whether NRMSE is the same within each of the pairs.
    """
    mine = between(groups, key(kept), key(value))
    is_of_it = any(twins.rest == rest_of(recommended, name) for twins in mine)
    if not (is_of_it or len({twins.rest for twins in mine}) > 1):
        return 0
    if are_equal and _is_unread(mine, groups, is_of_it=is_of_it):
        return len(mine)
    return len(mine) if key(value) == key(recommended.as_dict()[name]) and _is_equivalent(mine) else 0


def _is_unread(mine: Sequence[Twins], groups: Mapping[Values, Sequence[Twins]], *, is_of_it: bool) -> bool:
    """Whether pairs of equal NRMSE show that the stage does not read their parameter."""
    digits = max(num_digits(record.reported_quality) for twins in mine for record in (twins.one, twins.other))
    if digits < COARSE_DIGITS or len(mine) < (1 if is_of_it and digits >= FINE_DIGITS else 2):
        return False
    is_timed = any(twins.change("time_s") is not None for twins in mine)
    return is_timed and all(_is_as_fast(group) and _is_close(group) for group in groups.values())


def _is_equivalent(mine: Sequence[Twins]) -> bool:
    nrmse, time = _changes(mine, "nrmse"), _changes(mine, "time_s")
    if min(len(nrmse), len(time)) < MIN_EQUIVALENT or not all(twins.is_whole for twins in mine):
        return False
    is_as_good = _is_insignificant(nrmse) and _lies_within(nrmse, NRMSE_MARGIN)
    return is_as_good and _is_as_fast(mine) and _lies_within(time, MARGIN) and _is_close(mine)


def _changes(group: Sequence[Twins], metric: str) -> list[float]:
    return [change for twins in group if (change := twins.change(metric)) is not None]


def _is_as_fast(group: Sequence[Twins]) -> bool:
    """Whether the mean change of time counts as none, as far as is known."""
    changes = _changes(group, "time_s")
    if not changes:
        return True
    size = abs(fmean(changes))
    return size <= SLIGHT or (size <= MARGIN and _is_insignificant(changes))


def _is_insignificant(changes: Sequence[float]) -> bool:
    seen = PairedMean.of(changes)
    return seen.lower(LEVEL / 2) <= 0 <= seen.upper(LEVEL / 2)


def _lies_within(changes: Sequence[float], margin: float) -> bool:
    seen = PairedMean.of(changes)
    return -margin <= seen.lower(LEVEL / 2) and seen.upper(LEVEL / 2) <= margin


def _is_close(group: Sequence[Twins]) -> bool:
    """Whether energy and peak memory change by no more than the margin, on average, where they are known."""
    changes = (_changes(group, metric) for metric in ("energy_j", "peak_memory_gib"))
    return all(not seen or abs(fmean(seen)) <= MARGIN for seen in changes)
