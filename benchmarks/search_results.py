"""What a search was worth: success, cost of a success, lies, with bootstrap intervals.

Knows outcomes and statistics; runs nothing.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import numpy as np

NUM_RESAMPLES = 2000
LEAST_BUDGET = 10.0
"""Of the budgets that an arm's best one is chosen from."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """One run of one arm on one instance.

    Attributes:
        arm, instance, set_name, seed: What ran.
        is_solvable: Something is feasible.
        is_success: The final answer is truly feasible and within 5 % of the optimum's time; or there is none
            where nothing is feasible.
        is_lie: It recommends what is truly infeasible.
        has_answer: It recommends something.
        cost: GPU-seconds of all kinds, in trainings of the optimum.
        baseline_cost: The same in trainings of the baseline.
        shares: The cost by kind.
        time_ratio: True time of the answer over the optimum's; None without an answer or an optimum.
        hypervolume: Of what ran to its full budget and fits, by the truth, as a share of what is possible.
        num_trials: Trials started.
        wall_s: Seconds this took to simulate, nearly all of it the arm's thinking.
        answers: (cost so far, is_success, is_lie, has_answer) after every trial, for arms that can be ended
            at any time.
        error: What an arm died of; empty when it did not.
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
    baseline_cost: float = 0.0
    shares: Mapping[str, float] = field(default_factory=dict)
    time_ratio: float | None = None
    hypervolume: float = 0.0
    num_trials: int = 0
    wall_s: float = 0.0
    answers: tuple[tuple[float, bool, bool, bool], ...] = ()
    error: str = ""

    def ended_at(self, cost: float) -> Outcome:
        """What it would have been had the budget been `cost`; the same for arms that end by themselves."""
        before = [answer for answer in self.answers if answer[0] <= cost]
        if not self.answers or self.cost <= cost:
            return self
        _, is_success, is_lie, has_answer = (
            before[-1] if before else (0.0, not self.is_solvable, False, False)
        )
        return replace(self, is_success=is_success, is_lie=is_lie, has_answer=has_answer, cost=cost)


@dataclass(frozen=True, slots=True)
class Interval:
    """A figure and its 95 % bootstrap interval."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.3g} [{self.low:.3g}, {self.high:.3g}]"

    def as_list(self) -> list[float | None]:
        """[value, low, high] as JSON: infinity, which is no JSON number, as None."""
        return [round(v, 4) if np.isfinite(v) else None for v in (self.value, self.low, self.high)]


Figure = Callable[[Sequence[Outcome]], float]
"""What is said of some runs together."""


def cost_of_success(outcomes: Sequence[Outcome]) -> float:
    """Mean cost of a run over the share of runs that succeed: what is paid, on average, until one does."""
    share = np.mean([o.is_success for o in outcomes])
    return float(np.mean([o.cost for o in outcomes]) / share) if share else float("inf")


def success_pct(outcomes: Sequence[Outcome]) -> float:
    """Share of runs that succeed, percent."""
    return 100 * float(np.mean([o.is_success for o in outcomes]))


def lies_pct(outcomes: Sequence[Outcome]) -> float:
    """Share of final recommendations that are truly infeasible, percent; 0 without any."""
    answers = [o.is_lie for o in outcomes if o.has_answer]
    return 100 * float(np.mean(answers)) if answers else 0.0


def median_baseline_cost(outcomes: Sequence[Outcome]) -> float:
    """The median cost of a run in trainings of the baseline."""
    return float(np.median([o.baseline_cost for o in outcomes]))


def at_best_budget(outcomes: Sequence[Outcome]) -> Sequence[Outcome]:
    """The outcomes at the one budget at which a success would have cost least, chosen in hindsight.

    An arm that cannot tell when it is done should not be charged for a budget that somebody else chose. Where
    nothing is feasible is left out, since to give up at once is no merit; and so are budgets under
    `LEAST_BUDGET`, since a first guess is a lottery ticket: cheap, and a success only for who can tell.
    """
    solvable = [o for o in outcomes if o.is_solvable]
    if not solvable or not all(o.answers for o in solvable):
        return solvable
    budgets = np.geomspace(LEAST_BUDGET, max(o.cost for o in solvable), 16)
    return min(([o.ended_at(budget) for o in solvable] for budget in budgets), key=cost_of_success)


def interval(outcomes: Sequence[Outcome], figure: Figure, seed: int = 0) -> Interval:
    """A figure with its bootstrap interval."""
    rng = np.random.default_rng(seed)
    by_instance = _by_instance(outcomes)
    return _interval(figure(outcomes), [figure(_resampled(by_instance, rng)) for _ in range(NUM_RESAMPLES)])


def ratio(others: Sequence[Outcome], ours: Sequence[Outcome], seed: int = 0) -> Interval:
    """How many times more a success costs with others, with its interval; 0 where ours never succeeds."""
    rng = np.random.default_rng(seed)
    both = _by_instance(others), _by_instance(ours)
    drawn = [_ratio(*(_resampled(runs, rng) for runs in both)) for _ in range(NUM_RESAMPLES)]
    return _interval(_ratio(others, ours), drawn)


def _ratio(others: Sequence[Outcome], ours: Sequence[Outcome]) -> float:
    bottom = cost_of_success(ours)
    return cost_of_success(others) / bottom if np.isfinite(bottom) else 0.0


def _interval(value: float, drawn: Sequence[float]) -> Interval:
    low, high = np.percentile(drawn, [2.5, 97.5], method="nearest")
    return Interval(value, float(low), float(high))


def _by_instance(outcomes: Sequence[Outcome]) -> list[list[Outcome]]:
    """The runs of each instance; all together where an instance has one only."""
    groups = list(grouped(outcomes, lambda o: o.instance).values())
    return groups if all(len(runs) > 1 for runs in groups) else [list(outcomes)]


def _resampled(by_instance: Sequence[Sequence[Outcome]], rng: np.random.Generator) -> list[Outcome]:
    """As many runs of each instance as there are, drawn with replacement."""
    return [runs[k] for runs in by_instance for k in rng.integers(len(runs), size=len(runs))]


def save(path: Path, outcomes: Iterable[Outcome]) -> None:
    """Appends outcomes to a file of JSON lines."""
    with path.open("a") as file:
        file.writelines(json.dumps(asdict(outcome)) + "\n" for outcome in outcomes)


def load(path: Path) -> list[Outcome]:
    """The outcomes of a file that `save` wrote."""
    entries = (json.loads(line) for line in path.read_text().splitlines())
    return [Outcome(**entry | {"answers": tuple(map(tuple, entry["answers"]))}) for entry in entries]


def grouped(outcomes: Iterable[Outcome], key: Callable[[Outcome], str]) -> dict[str, list[Outcome]]:
    """Outcomes by a key, in the order of appearance."""
    groups: dict[str, list[Outcome]] = {}
    for outcome in outcomes:
        groups.setdefault(key(outcome), []).append(outcome)
    return groups
