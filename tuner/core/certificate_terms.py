"""Defines what a certificate is asked to prove, after how many runs it is judged, and at which levels.

Every time it is judged is a chance to be wrong. The levels of all of them, whichever way a study goes, add
up to no more than `LEVEL` (Bonferroni's inequality): a single look keeps something back for later ones.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from tuner.core.study_keys import study_key

LEVEL = 0.05
"""Probability accepted that a check passes although what it says is false, all looks together."""

SINGLE_LEVEL = 0.04
"""The level of the look after `pairs`; a later `--certify` has the rest of `LEVEL` for its looks."""

LOOKS = (4, 8, 16, 32)
"""Numbers of pairs after which a certificate that is to be firm is judged; with the last it is given up."""


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
class Terms:
    """The terms under which a recommended configuration is certified.

    Attributes:
        looked: Pairs after which it had been judged before it was asked to become firm; 0 if it had not. This
            one is not in the study file. The other fields are, and their metadata describes them.
    """

    pairs: int = field(
        default=3,
        metadata=study_key(
            "How many fresh seeds the recommended configuration and the baseline are each run with, in "
            "turn; 0: no certificate.",
            ge=0,
            le=1000,
        ),
    )
    until_firm: bool = field(
        default=False,
        metadata=study_key("Whether pairs are added until every check is decided, whatever pairs says."),
    )
    nrmse_margin_pct: float = field(
        default=1.0,
        metadata=study_key(
            "The loss of NRMSE that counts as unchanged, percent of the baseline's.", gt=0, lt=100
        ),
    )
    looked: int = 0

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

    def firm(self, num_run: int, *, is_over: bool) -> Terms:
        """The same, from now on until it is firm; a look at one pair tested nothing and cost nothing."""
        look = self.look(num_run, is_over=is_over)
        if self.until_firm or look is None or look.num_pairs < 2:
            return replace(self, until_firm=True)
        return replace(self, until_firm=True, looked=look.num_pairs)

    def later(self, num_run: int, *, is_over: bool) -> tuple[Look, ...]:
        """The looks that may follow when it is to become firm."""
        firm = self.firm(num_run, is_over=is_over)
        return tuple(look for look in firm.looks if look.num_pairs > num_run)
