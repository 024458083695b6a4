"""Fronts of time_s and NRMSE, both to be small.

Among records, a trial that did not run to its full budget is never on the front.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Sequence

from tuner.core.trial import TrialRecord

Point = tuple[float, float]
"""A pair (time_s, NRMSE), or any two figures of which less is better."""


def dominates(one: Point, other: Point) -> bool:
    """Whether a point is at least as good in both figures and better in one."""
    return one != other and one[0] <= other[0] and one[1] <= other[1]


def ranks(points: Sequence[Point]) -> list[int]:
    """The non-dominated rank of every point: 0 on the front, 1 on the front without those, and so on.

    Of equal points, all have the same rank. In the order of their figures, only a point that came before
    can dominate one, and of a front the newest has the least second figure: asking that one is enough.
    """
    found = [0] * len(points)
    newest: list[Point] = []  # of each front
    for k in sorted(range(len(points)), key=points.__getitem__):
        point = points[k]
        rank = bisect_left(newest, True, key=lambda before: not dominates(before, point))
        newest[rank : rank + 1] = [point]
        found[k] = rank
    return found


def front(records: Iterable[TrialRecord]) -> list[TrialRecord]:
    """The full-budget trials that no other one beats in both time_s and NRMSE, fastest first.

    Of trials equal in both, all are kept.
    """
    eligible = sorted((record for record in records if record.is_full_budget), key=_figures)
    return [r for r, rank in zip(eligible, ranks([_figures(r) for r in eligible]), strict=True) if rank == 0]


def _figures(record: TrialRecord) -> Point:
    return record.time_s, record.nrmse
