"""Computes what a search was worth: success, cost of a success, lies, with bootstrap intervals.

This module knows outcomes and statistics. It runs nothing.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import numpy as np

from benchmarks.bootstrap import Interval, bootstrap

NEAR = 1.10
"""A near success takes at most so many times as long as the optimum."""

LEAST_BUDGET = 10.0
"""The least budget that an arm's best budget is chosen from."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ArmRun:
    """One run of one arm on one instance.

    Attributes:
        arm, instance, set_name, seed: Names and seed of the run.
        is_solvable: Whether the instance has a feasible configuration.
        is_success: Whether the final answer is truly feasible and takes at most 5 % longer than the optimum;
            it may be faster. If nothing is feasible, whether there is no answer.
        is_lie: Whether the answer is truly infeasible.
        has_answer: Whether the arm recommends anything.
        cost: GPU-seconds of all kinds until the run ended, in trainings of the optimum.
        budget: The budget in the same unit; 0 if it has none that others share.
        settled: Cost at which the final answer was first given and kept from then on; None if that was not
            noted, or nothing is recommended.
        right_since: Cost since when every answer was a success; None if that was not noted, or the final one
            is none.
        baseline_cost: GPU-seconds of all kinds, in trainings of the baseline.
        shares: Cost by kind.
        time_ratio: True time of the answer over the optimum's, or None without an answer or an optimum.
        hypervolume: True hypervolume of the configurations that ran to their full budget and fit, as a share
            of what is possible.
        num_trials: Number of trials that were started.
        wall_s: Seconds that the simulation took; nearly all of them are the arm's computing.
        answers: (cost so far, is_success, is_lie, has_answer) after every trial, for arms that can be ended
            at any time.
        error: Traceback of the arm's failure, or an empty string.
    """

    arm: str
    instance: str
    set_name: str
    seed: int
    is_solvable: bool
    is_success: bool
    is_lie: bool
    has_answer: bool
    cost: float
    budget: float = 0.0
    settled: float | None = None
    right_since: float | None = None
    baseline_cost: float = 0.0
    shares: Mapping[str, float] = field(default_factory=dict)
    time_ratio: float | None = None
    hypervolume: float = 0.0
    num_trials: int = 0
    wall_s: float = 0.0
    answers: tuple[tuple[float, bool, bool, bool], ...] = ()
    error: str = ""

    @property
    def is_near(self) -> bool:
        """Whether the final answer is truly feasible and takes at most 10 % longer than the optimum."""
        is_in_time = self.time_ratio is not None and self.time_ratio <= NEAR
        return self.is_success or (is_in_time and not self.is_lie)

    @property
    def charged(self) -> float:
        """What the run adds to the cost of a success.

        It is the full budget if it failed, and what was spent until it had succeeded for good if it did. So
        nobody is charged for going on to be surer, and nobody let off for ending early with a wrong answer.
        """
        if not self.is_success:
            return self.budget or self.cost
        return self.cost if self.right_since is None else self.right_since

    def ended_at(self, cost: float) -> ArmRun:
        """Returns the outcome with a budget of `cost`. Arms that end by themselves keep their outcome."""
        before = [answer for answer in self.answers if answer[0] <= cost]
        if not self.answers or self.cost <= cost:
            return self
        _, is_success, is_lie, has_answer = (
            before[-1] if before else (0.0, not self.is_solvable, False, False)
        )
        return replace(self, is_success=is_success, is_lie=is_lie, has_answer=has_answer, cost=cost)


Figure = Callable[[Sequence[ArmRun]], float]
"""A function that computes one figure from the outcomes of several runs."""


def cost_of_success(outcomes: Sequence[ArmRun]) -> float:
    """Returns what the runs are charged (`ArmRun.charged`) over the number of successes."""
    return _per_success([o.charged for o in outcomes], outcomes)


def cost_as_spent(outcomes: Sequence[ArmRun]) -> float:
    """Returns what the runs spent until they ended over the number of successes."""
    return _per_success([o.cost for o in outcomes], outcomes)


def _per_success(costs: Sequence[float], outcomes: Sequence[ArmRun]) -> float:
    num_successes = sum(o.is_success for o in outcomes)
    return float(sum(costs) / num_successes) if num_successes else float("inf")


def success_pct(outcomes: Sequence[ArmRun]) -> float:
    """Returns the share of runs that succeed, in percent."""
    return 100 * float(np.mean([o.is_success for o in outcomes]))


def near_success_pct(outcomes: Sequence[ArmRun]) -> float:
    """Returns the share of runs that succeed within 10 %, in percent."""
    return 100 * float(np.mean([o.is_near for o in outcomes]))


def lies_pct(outcomes: Sequence[ArmRun]) -> float:
    """Returns the share of final recommendations that are truly infeasible, in percent; 0 without any."""
    answers = [o.is_lie for o in outcomes if o.has_answer]
    return 100 * float(np.mean(answers)) if answers else 0.0


def median_baseline_cost(outcomes: Sequence[ArmRun]) -> float:
    """Returns the median cost of a run in trainings of the baseline."""
    return float(np.median([o.baseline_cost for o in outcomes]))


def at_best_budget(outcomes: Sequence[ArmRun]) -> Sequence[ArmRun]:
    """Returns the outcomes at the one budget at which a success would have cost least, chosen in hindsight.

    An arm that cannot tell when it is done should not be charged for a budget that somebody else chose.
    Instances without a feasible configuration are left out, because giving up at once earns no merit there.
    Budgets under `LEAST_BUDGET` are left out too, because a lucky first guess is cheap but tells nothing.
    """
    solvable = [o for o in outcomes if o.is_solvable]
    if not solvable or not all(o.answers for o in solvable):
        return solvable
    budgets = np.geomspace(LEAST_BUDGET, max(o.cost for o in solvable), 16)
    return min(([o.ended_at(budget) for o in solvable] for budget in budgets), key=cost_as_spent)


def interval(outcomes: Sequence[ArmRun], figure: Figure, seed: int = 0) -> Interval:
    """Returns a figure with its 95 % bootstrap interval."""
    by_instance = _by_instance(outcomes)
    return bootstrap(figure(outcomes), lambda rng: figure(_resampled(by_instance, rng)), seed)


def ratio(
    others: Sequence[ArmRun], ours: Sequence[ArmRun], figure: Figure = cost_of_success, seed: int = 0
) -> Interval:
    """Returns the ratio of others' cost of a success to ours, with its interval; 0 if ours never succeeds."""
    both = _by_instance(others), _by_instance(ours)

    def of(top: Sequence[ArmRun], bottom: Sequence[ArmRun]) -> float:
        cost = figure(bottom)
        return figure(top) / cost if np.isfinite(cost) else 0.0

    return bootstrap(of(others, ours), lambda rng: of(*(_resampled(runs, rng) for runs in both)), seed)


def _by_instance(outcomes: Sequence[ArmRun]) -> list[list[ArmRun]]:
    """Returns the runs of each instance, or all runs together if some instance has only one."""
    groups = list(grouped(outcomes, lambda o: o.instance).values())
    return groups if all(len(runs) > 1 for runs in groups) else [list(outcomes)]


def _resampled(by_instance: Sequence[Sequence[ArmRun]], rng: np.random.Generator) -> list[ArmRun]:
    """Draws as many runs of each instance as there are, with replacement."""
    return [runs[k] for runs in by_instance for k in rng.integers(len(runs), size=len(runs))]


def save(path: Path, outcomes: Iterable[ArmRun]) -> None:
    """Appends outcomes to a file of JSON lines."""
    with path.open("a") as file:
        file.writelines(json.dumps(asdict(outcome)) + "\n" for outcome in outcomes)


def load(path: Path) -> list[ArmRun]:
    """Reads the outcomes of a file that `save` wrote."""
    entries = (json.loads(line) for line in path.read_text().splitlines())
    return [ArmRun(**entry | {"answers": tuple(map(tuple, entry["answers"]))}) for entry in entries]


def grouped(outcomes: Iterable[ArmRun], key: Callable[[ArmRun], str]) -> dict[str, list[ArmRun]]:
    """Groups outcomes by a key, in the order of appearance."""
    groups: dict[str, list[ArmRun]] = {}
    for outcome in outcomes:
        groups.setdefault(key(outcome), []).append(outcome)
    return groups
