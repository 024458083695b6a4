"""Decides with which seed a configuration runs next.

Of a relative target with the lowest it was not asked with: the baseline's run with the same seed had the same
luck. Of an absolute target with one that nothing was asked with, since the luck of one seed would bend all
that was seen. But for a few pairs: whether a parameter changes anything at all is told by two runs with the
same seed that differ in nothing else (`core.effects`).
"""

from __future__ import annotations

from collections import Counter
from itertools import combinations

from tuner.core.config import TrialConfig
from tuner.search.observations import Observations
from tuner.search.problem import Problem

NUM_PAIRS = 2
"""Pairs with one seed that are wanted of each parameter."""

MAX_PAIRED = 40
"""Configurations, the first, of which pairs are made."""


def next_seed(problem: Problem, observations: Observations, config: TrialConfig) -> int:
    """The seed of a configuration's next run, one that it was not asked with."""
    asked = observations.seeds
    if problem.target.is_relative:
        return _first_not_in(asked.get(config, set()), problem.seed)
    shared = None if config in asked else _seed_of_a_pair(problem, observations, config)
    return _first_not_in(set().union(*asked.values()), problem.seed) if shared is None else shared


def _first_not_in(seeds: set[int], first: int) -> int:
    seed = first
    while seed in seeds:
        seed += 1
    return seed


def _seed_of_a_pair(problem: Problem, observations: Observations, config: TrialConfig) -> int | None:
    """The seed of a run beside which this one would show what a parameter does, if little is known of it."""
    known = [c for c in list(observations.seeds)[:MAX_PAIRED] if c not in observations.failed]
    num_pairs = Counter(
        name
        for one, other in combinations(known, 2)
        if observations.seeds[one] & observations.seeds[other] and (name := _only_difference(one, other))
    )
    for other in known:
        name = _only_difference(config, other)
        is_wanted = name and name not in problem.traits.quality_invariant_to and num_pairs[name] < NUM_PAIRS
        if is_wanted and other in observations.measured:
            return min(observations.measured[other].seeds)
    return None


def _only_difference(one: TrialConfig, other: TrialConfig) -> str:
    """The parameter that alone has another value; empty if there is none, or more than one."""
    theirs = other.as_dict()
    differing = [name for name, value in one.as_dict().items() if theirs.get(name) != value]
    return differing[0] if len(differing) == 1 else ""
