"""Quantiles of Student's t distribution.

Loads scipy where one is asked for: most of those who import a study never ask.
"""

from __future__ import annotations


def t_quantile(freedom: float, probability: float) -> float:
    """Returns the quantile of a t distribution with so many degrees of freedom."""
    from scipy.special import stdtrit

    return float(stdtrit(freedom, probability))
