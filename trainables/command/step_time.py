"""The seconds of a step, from starts of a script that did few steps: what each start costs falls out.

A start takes what it costs to start (imports, data, compiling, an evaluation at its end) and its steps. The
first configuration that fits is started twice, with N and with 2 N steps: the difference is N steps, the rest
is what a start costs. Every other one is started once, and that cost taken off; a second time only if the
cost is so large that what it may vary by matters. Pure arithmetic: knows no script.
"""

from __future__ import annotations

import math
from typing import NamedTuple

NOISE = 0.02
"""Relative standard deviation that the seconds of a start are taken to have."""
LEAST_NOISE_S = 0.02
COST_VARIES = 0.25
"""Standard deviation of what a start costs between configurations, relative to that cost: it is not known."""

MAX_ERROR = 0.05
"""Relative standard error above which a configuration is started a second time."""
USELESS = 0.25
"""Relative standard error above which the seconds of a step are not known."""
MAX_TOLD = 1.0
CONTRADICTED = 3.0
"""Standard deviations above 0 at which what a start costs shows that a clock is not of the steps alone."""


class StepTime(NamedTuple):
    """Seconds of a step, and their relative standard error."""

    seconds: float
    error: float


class StepTimes:
    """Takes the seconds of starts, by the number of their configuration.

    Args:
        steps: Steps of a short start; a long one does twice as many.
        is_of_steps: Whether the seconds are said to be of the steps alone, by a clock of the script's own.
            It is believed unless the reference contradicts it.
    """

    def __init__(self, steps: int, *, is_of_steps: bool = False) -> None:
        self._steps, self._is_of_steps = steps, is_of_steps
        self._short: dict[int, float] = {}
        self._long: dict[int, float] = {}
        self._reference: int | None = None

    def add(self, which: int, seconds: float, *, is_long: bool) -> None:
        """Takes the seconds of one start; the first configuration with both is the reference."""
        (self._long if is_long else self._short)[which] = seconds
        if self._reference is None and which in self._short and which in self._long:
            self._reference = which

    @property
    def has_reference(self) -> bool:
        """Whether it is known what a start costs."""
        return self._reference is not None

    @property
    def start_s(self) -> float:
        """Seconds that a start costs beside its steps, as the reference shows; 0 before there is one."""
        return self._start()[0]

    def of(self, which: int) -> StepTime:
        """Returns the seconds of a step of one configuration; the error is ``MAX_TOLD`` at most."""
        short_s = self._short[which]
        if which in self._long:
            steps_s = self._long[which] - short_s
            noise_s = math.hypot(_noise_s(short_s), _noise_s(self._long[which]))
        else:
            start_s, start_noise_s = self._start()
            steps_s = short_s - start_s
            noise_s = math.hypot(_noise_s(short_s), start_noise_s)
        if steps_s <= noise_s / MAX_TOLD:  # all that is known is an upper bound
            return StepTime(short_s / self._steps, MAX_TOLD)
        return StepTime(steps_s / self._steps, noise_s / steps_s)

    def wants_second(self, which: int) -> bool:
        """Whether a second start would say more, and is worth it."""
        return which not in self._long and self.of(which).error > MAX_ERROR

    def num_steps(self, which: int) -> int:
        """Returns the steps that were done for one configuration, in all its starts."""
        return self._steps * ((which in self._short) + 2 * (which in self._long))

    def why_useless(self, unit: str) -> str:
        """Returns why the reference does not tell a step's seconds, and the fix; "" if it does.

        Args:
            unit: What a step is, in words.
        """
        which = self._reference
        if which is None or self.of(which).error <= USELESS:
            return ""
        short_s, long_s = self._short[which], self._long[which]
        noise_s = math.hypot(_noise_s(short_s), _noise_s(long_s))
        factor = noise_s / USELESS / max(long_s - short_s, noise_s / 8)
        return (
            f"{self._steps} {unit} took {short_s:.3g} s and {2 * self._steps} took {long_s:.3g} s, with what "
            "a start costs: too much alike to tell the seconds of one. Fix: see that the script obeys "
            "{num_steps} of option probe; if it does, write more probe.steps, about "
            f"{math.ceil(1.5 * factor * self._steps)}."
        )

    def _start(self) -> tuple[float, float]:
        """Returns the seconds that a start costs, and their standard deviation between configurations."""
        if self._reference is None:
            return 0.0, 0.0
        short_s, long_s = self._short[self._reference], self._long[self._reference]
        start_s = max(0.0, 2 * short_s - long_s)
        noise_s = math.hypot(2 * _noise_s(short_s), _noise_s(long_s))
        if self._is_of_steps and start_s <= CONTRADICTED * noise_s:
            return 0.0, 0.0
        return start_s, math.hypot(noise_s, COST_VARIES * start_s)


def _noise_s(seconds: float) -> float:
    return max(NOISE * seconds, LEAST_NOISE_S)
