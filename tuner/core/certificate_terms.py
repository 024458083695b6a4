"""Defines what a certificate is asked to prove, after how many runs it is judged, and at which levels.

Every time it is judged is a chance to be wrong. A false certificate needs one of its claims (faster, NRMSE
within the margin, within the target) to be false and to pass a test all the same. So each claim has looks,
whose levels add up to no more than `LEVEL` (Bonferroni's inequality), whichever way a study goes:

- What pairs show: one look at `SINGLE_LEVEL`, then those of a later `--certify` at the rest of `LEVEL`; or
  those of `--certify` from the start.
- An absolute target, which the winner's runs decide without the baseline's: the same looks, as long as the
  winner never runs alone. Once such a run is asked for, `ALONE` is in place of the single look. Its levels
  add up to `SINGLE_LEVEL` too, and stay as they are if the hours end between two looks: else runs that look
  bad could be cut off in favour of an earlier look at a wider level. If the hours do not allow such a run,
  there was nothing to choose by, and the single look keeps its level.

While the winner runs alone no pair is added, so what the pairs have shown is not tested again: each claim is
judged at the last look that its own runs have reached.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from tuner.core.study_keys import study_key

LEVEL = 0.05
"""Probability accepted that a check passes although what it says is false, all looks together."""

SINGLE_LEVEL = 0.04
"""The level of the look after `pairs`; a later `--certify` has the rest of `LEVEL` for its looks."""

ALONE = ((1, 0.02), (2, 0.01), (4, 0.01))
"""Looks at an absolute target if the winner goes on alone: runs, as a multiple of the pairs, and level."""

LOOKS = (4, 8, 16, 32)
"""Numbers of pairs after which a certificate that is to be firm is judged; with the last it is given up."""


LOOKS_ALONE = (*LOOKS, 64, 128)
"""Numbers of runs after which an absolute target may be judged once a certificate with `pairs` is to be firm.

Each look has at least twice the runs of the one before. A run of the winner alone costs little, so they go on
for longer than the looks at pairs.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """A time at which a certificate is judged.

    Attributes:
        num_pairs: Pairs that have been run by then.
        level: The level of each test at that look.
    """

    num_pairs: int
    level: float


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetLook:
    """A time at which an absolute target is judged.

    Attributes:
        num_runs: Runs of the winner that have been made by then, in pairs or alone.
        level: The level of the test at that look.
    """

    num_runs: int
    level: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """The terms under which a recommended configuration is certified.

    Attributes:
        looked: Pairs after which it had been judged before it was asked to become firm; 0 if it had not.
        looked_runs: Runs of the winner by then, in pairs or alone. 0 if it had not been judged, or if it was
            ordered with a version that judged the target by pairs: its looks stay those of the pairs.
            These two are not in the study file. The other fields are, and their metadata describes them.
    """

    pairs: int = field(
        default=3,
        metadata=study_key(
            "How many fresh seeds the recommended configuration and the baseline are each run with, in "
            "turn; up to 4 times as many runs of the former if only an absolute target is undecided then; 0: "
            "no certificate.",
            ge=0,
            le=1000,
        ),
    )
    until_firm: bool = field(
        default=False,
        metadata=study_key(
            "Whether pairs are added until every check is decided, whatever pairs says; the recommended "
            "configuration runs alone once only an absolute target is undecided."
        ),
    )
    nrmse_margin_pct: float = field(
        default=1.0,
        metadata=study_key(
            "The loss of NRMSE that counts as unchanged, percent of the baseline's.", gt=0, lt=100
        ),
    )
    looked: int = 0
    looked_runs: int = 0

    @property
    def looks(self) -> tuple[Look, ...]:
        """The looks at the certificate, ascending; their levels add up to `LEVEL` at most."""
        if not self.until_firm:
            return (Look(num_pairs=self.pairs, level=SINGLE_LEVEL),) if self.pairs else ()
        before = (Look(num_pairs=self.looked, level=SINGLE_LEVEL),) if self.looked else ()
        left = LEVEL - sum(look.level for look in before)
        rest = [num for num in LOOKS if num > self.looked + 1]  # a single pair more is not worth a level
        return (*before, *(Look(num_pairs=num, level=left / len(rest)) for num in rest))

    @property
    def num_planned(self) -> int:
        """Pairs that the search leaves time for."""
        return max(self.pairs, LOOKS[0]) if self.until_firm else self.pairs

    def look(self, num_run: int, *, is_over: bool) -> Look | None:
        """The last look there was; None before the first.

        Args:
            num_run: Pairs that have been run.
            is_over: Whether the study has ended: the single look is then, at what there is, and not before.
        """
        if self.until_firm:
            return next((look for look in reversed(self.looks) if look.num_pairs <= num_run), None)
        if not self.pairs or not num_run or not is_over:
            return None
        return Look(num_pairs=num_run, level=SINGLE_LEVEL)

    def target_looks(
        self, num_pairs: int, num_runs: int, *, may_go_on: bool = False
    ) -> tuple[TargetLook, ...]:
        """The looks at an absolute target, ascending; their levels add up to `LEVEL` at most.

        Args:
            num_pairs: Pairs that have been run.
            num_runs: Runs of the winner, in pairs or alone; more than `num_pairs` once it goes on alone.
            may_go_on: Whether it may go on alone although it has not yet.
        """
        if not self.until_firm:
            is_alone = may_go_on or num_runs > num_pairs
            return _plain_looks(num_pairs, is_alone=is_alone) if num_pairs else ()
        if not self.looked_runs:
            return tuple(TargetLook(num_runs=look.num_pairs, level=look.level) for look in self.looks)
        plain = _plain_looks(self.looked, is_alone=self.looked_runs > self.looked)
        before = [look for look in plain if look.num_runs <= self.looked_runs]
        double = 2 * self.looked_runs
        rest = [num for num in LOOKS_ALONE if num >= double] or [double]
        level = (LEVEL - SINGLE_LEVEL) / len(rest)
        return (*before, *(TargetLook(num_runs=num, level=level) for num in rest))

    def target_look(
        self, num_pairs: int, num_runs: int, *, is_over: bool, may_go_on: bool = False
    ) -> TargetLook | None:
        """The last look there was at an absolute target; None before the first.

        The arguments are those of `target_looks` and `look`.
        """
        if not self.until_firm and not (self.pairs and is_over):
            return None
        looks = self.target_looks(num_pairs, num_runs, may_go_on=may_go_on)
        return next((look for look in reversed(looks) if look.num_runs <= num_runs), None)

    def next_target_look(self, num_pairs: int, num_runs: int) -> TargetLook | None:
        """The next look at an absolute target if the winner goes on alone; None after the last."""
        looks = self.target_looks(num_pairs, num_runs, may_go_on=True)
        return next((look for look in looks if look.num_runs > num_runs), None)

    def firm(self, num_run: int, *, is_over: bool, num_runs: int = 0) -> Terms:
        """The same, from now on until it is firm; a look at one pair tested nothing and cost nothing.

        Args:
            num_run: Pairs that have been run.
            is_over: Whether the study has ended. One that had gone on to run the winner alone was judged
                before that, so that its looks count even if it was interrupted.
            num_runs: Runs of the winner, in pairs or alone; 0 if all were in pairs.
        """
        if self.until_firm:
            return self
        look = self.look(num_run, is_over=is_over or num_runs > num_run)
        if look is None or look.num_pairs < 2:
            return replace(self, until_firm=True)
        looked_runs = max(num_run, num_runs)
        return replace(self, until_firm=True, looked=look.num_pairs, looked_runs=looked_runs)

    def later(self, num_run: int, *, is_over: bool) -> tuple[Look, ...]:
        """The looks at the pairs that may follow when it is to become firm."""
        firm = self.firm(num_run, is_over=is_over)
        return tuple(look for look in firm.looks if look.num_pairs > num_run)

    def later_target(self, num_pairs: int, num_runs: int, *, is_over: bool) -> tuple[TargetLook, ...]:
        """The looks at an absolute target that may follow when it is to become firm."""
        firm = self.firm(num_pairs, is_over=is_over, num_runs=num_runs)
        return tuple(look for look in firm.target_looks(num_pairs, num_runs) if look.num_runs > num_runs)


def _plain_looks(num_pairs: int, *, is_alone: bool) -> tuple[TargetLook, ...]:
    """The looks at the target of a certificate that is not to be firm, with so many pairs."""
    if not is_alone:
        return (TargetLook(num_runs=num_pairs, level=SINGLE_LEVEL),)
    return tuple(TargetLook(num_runs=times * num_pairs, level=level) for times, level in ALONE)
