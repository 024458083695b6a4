"""Finds whether the seed changes NRMSE at all: some trainings are deterministic, or never read their seed.

Then one more seed teaches nothing: what two runs with different seeds say is all that there is to know.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from tuner.core.trial import TrialRecord
from tuner.core.twins import num_digits

DIGITS = 5
"""Significant digits to which NRMSE has to agree, and with which it has to be reported at least."""

MIN_REPEATS = 3
"""Runs beyond the first seed of their configuration, all together, from which agreement is no chance."""

MIN_GROUPS = 2
"""Configurations that several seeds must have been seen of: one may lie where the seed does not show."""


def num_alike(groups: Iterable[Sequence[TrialRecord]]) -> int:
    """Counts the runs that show that the seed changes nothing; 0 if that is not shown.

    Args:
        groups: Whole runs, those of equal quality together.
    """
    several = [runs for runs in groups if len({run.seed for run in runs}) > 1]
    repeats = sum(len({run.seed for run in runs}) - 1 for runs in several)
    if len(several) < MIN_GROUPS or repeats < MIN_REPEATS or not all(map(is_alike, several)):
        return 0
    return sum(map(len, several))


def is_alike(runs: Sequence[TrialRecord]) -> bool:
    """Whether runs with different seeds, two at least, agree in NRMSE to `DIGITS` digits."""
    values = [run.nrmse for run in runs]
    is_fine = max(num_digits(run.reported_quality) for run in runs) >= DIGITS
    is_close = max(values) - min(values) <= 10.0**-DIGITS * max(map(abs, values))
    return len({run.seed for run in runs}) > 1 and is_fine and is_close
