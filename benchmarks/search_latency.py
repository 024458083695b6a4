"""How long a suggestion takes when much has been tried.

The advisor is given a study it can never decide (noise a hundred times the usual, no end of budget), so that
it goes on asking; every answer is timed. Knows the contract only.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from benchmarks.search_arms import Ours
from tuner.advisor import Ask, Ending, Finished
from tuner.advisor.messages import ProbeResult
from tuner.simulate import Instance, VirtualClock, make_instance
from tuner.simulate.loop import Driven

WINDOW = 50
"""The last answers before a number of trials is reached, of which the 95th percentile is taken."""
INSTANCE = "dev-logarithmic-a100"
LIMIT_S = 900.0
"""Longest measurement; what was not reached by then is None."""


class _Timed:
    """An arm whose answers are timed until enough trials have ended or the time is over."""

    def __init__(self, arm: Driven, num_trials: int) -> None:
        self._arm, self._num_trials = arm, num_trials
        self.took_s: list[float] = []
        self.num_ended = 0
        self.tell_s = 0.0
        self._started = time.monotonic()
        self.observe = arm.observe

    def probed(self, trial_id: str, results: Sequence[ProbeResult]) -> None:
        """Passed on."""
        self._arm.probed(trial_id, results)

    def ask(self) -> Ask:
        """The arm's answer; the end of the measurement is the end of the study."""
        if self.num_ended >= self._num_trials or time.monotonic() - self._started > LIMIT_S:
            return Finished(reason="enough was measured")
        begun = time.perf_counter()
        answer = self._arm.ask()
        self.took_s.append(self.tell_s + time.perf_counter() - begun)
        self.tell_s = 0.0
        return answer

    def tell(self, trial_id: str, ending: Ending) -> None:
        """Passed on; its time counts towards the next suggestion."""
        begun = time.perf_counter()
        self._arm.tell(trial_id, ending)
        self.tell_s = time.perf_counter() - begun
        self.num_ended += 1


def undecidable(name: str, seed: int = 0) -> Instance:
    """An instance on which an advisor can go on for ever."""
    instance = make_instance(name, seed)
    study = instance.study
    budget = replace(study.budget, trials=10**9, hours=1e9)
    scheduler = replace(study.scheduler, rule="none", options={})
    noise = replace(instance.noise, shared_pct=45.0, private_pct=75.0)
    return replace(instance, study=replace(study, budget=budget, scheduler=scheduler), noise=noise, _luck={})


def measure(numbers: Sequence[int], name: str = INSTANCE) -> dict[str, float | None]:
    """The 95th percentile of the time of a suggestion, ms, after each number of completed trials.

    None where the advisor ended before, or the measurement took too long.
    """
    instance, clock = undecidable(name), VirtualClock()
    timed = _Timed(Ours(instance, clock, 1), max(numbers))
    instance.play(timed, clock)
    found: dict[str, float | None] = {}
    for number in numbers:
        is_reached = timed.num_ended >= number
        window = timed.took_s[max(0, number - WINDOW) : number]
        found[str(number)] = round(1000 * float(np.percentile(window, 95)), 2) if is_reached else None
    return found
