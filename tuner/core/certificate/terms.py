"""What a certificate is asked to prove, and with how many runs."""

from __future__ import annotations

from dataclasses import dataclass

LEVEL = 0.05
"""Probability accepted that a check passes although what it says is false."""

LOOKS = (4, 8, 16, 32)
"""Numbers of pairs after which a certificate that is to be firm is judged; with the last it is given up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What is proved of the recommended configuration.

    Attributes:
        pairs: Fresh seeds that it and the baseline are run with, one after the other; 0: no certificate.
        until_firm: Pairs are added until every check is decided, whatever `pairs` says.
        nrmse_margin_pct: How much of the baseline's NRMSE may be lost and count as unchanged, percent.
    """

    pairs: int = 3
    until_firm: bool = False
    nrmse_margin_pct: float = 1.0

    @property
    def looks(self) -> tuple[int, ...]:
        """Numbers of pairs after which it is judged, ascending."""
        return LOOKS if self.until_firm else (self.pairs,) if self.pairs else ()

    @property
    def level(self) -> float:
        """Of each test: `LEVEL` shared by all looks (Bonferroni), since each is a chance to be wrong."""
        return LEVEL / max(1, len(self.looks))
