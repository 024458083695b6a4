"""What to do next: the run worth most per second, a probe where time is not known well, or nothing more.

A configuration is *certified* when it was measured at full budget, at least `MIN_RUNS` runs bear on its
NRMSE, the probability that its mean over seeds misses the target is at most the study's `max_error`, and it
keeps the study's limits. It is *confirmed*, and may be recommended, at a part of that, since it was looked at
many times. The next run is the one with the largest chance of certifying something better in the study's
objective, times the seconds that saves and its `standing`, per second it costs: it may be a new configuration
or one more seed of a known one. The search is decided when no candidate beats the best certified one with
more than `DECIDED` probability, or none by as much as its runs would cost.

Pure: knows beliefs, not trials, Optuna or time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.special import ndtr, ndtri

from tuner.core.config import TrialConfig
from tuner.core.trial import TrialRecord
from tuner.search.beliefs import Beliefs
from tuner.search.models.coordinates import spread_out
from tuner.search.models.improvement import improvement
from tuner.search.models.kernel import Bools, Floats
from tuner.search.models.quality import Margins
from tuner.search.standing import standing

MIN_RUNS = 2
"""Runs that must bear on what is certified: one may be luck, however sure the model is of it."""

MAX_RUNS = 12
"""Runs of equal quality; what is still undecided then lies on the target."""

LOOKAHEAD = (1, 2, 3, 5, 8)
"""Numbers of further runs considered at once: some things take more than one run to certify."""

DECIDED = 0.05
MIN_GAIN = 0.03
"""Share by which a candidate must be faster than the best certified one to be worth looking for."""

MIN_RATE = 0.001
"""Seconds a further run must be expected to save each training, per second it costs: below, it would not
pay for itself within a thousand trainings."""

CONFIRMED = 0.3
"""Share of `max_error` to which the probability of missing the target is brought before something is
recommended: it was found by looking again and again until a threshold was crossed, at which luck helps."""

LIKELY = 0.8
"""Probability of meeting the target from which two runs of equal quality may be under way at once."""

PROBES_AT_ONCE = 8
WELL_KNOWN = 0.05
"""Standard deviation of the logarithm of a time that needs no probe."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunStep:
    """Run `config` with `seed`."""

    config: TrialConfig
    seed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbeStep:
    """Time these."""

    configs: tuple[TrialConfig, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Decided:
    """Nothing more is worth running."""

    reason: str


Step = RunStep | ProbeStep | Decided


class Strategy:
    """The judgement of one moment; a function of its arguments alone.

    Args:
        beliefs: About the candidates.
        running: Trials under way, whose outcome is not known.
        probe_cost_s: Seconds a probed configuration takes; None when there is no probing.
    """

    def __init__(
        self, beliefs: Beliefs, running: Sequence[TrialRecord] = (), probe_cost_s: float | None = None
    ) -> None:
        self._beliefs, self._running, self._probe_cost_s = beliefs, tuple(running), probe_cost_s
        self._problem = beliefs.problem

    def next_step(self) -> Step:
        """What to do now. While trials are running, Decided holds only if they end as expected."""
        if self._wants_first_probe():
            grid = self._beliefs.grid
            rows = spread_out(grid.time_points, PROBES_AT_ONCE)
            return ProbeStep(configs=tuple(grid.configs[row] for row in rows))
        worthwhile = np.where(self._promise >= DECIDED, self._score, 0.0)
        best = int(np.argmax(worthwhile))
        if worthwhile[best] <= MIN_RATE:
            return self.confirmation() or Decided(reason=self._verdict())
        return self._useful_probe(worthwhile, best) or self._run(best)

    def verification(self) -> RunStep | None:
        """One more run of a known configuration that probably meets the target but is not certified yet.

        For searches that propose by other means; None when no such run is worth its seconds.
        """
        is_measured = np.zeros(len(self._beliefs.grid.configs), dtype=np.bool_)
        is_measured[[self._beliefs.grid.index[config] for config in self._beliefs.measured]] = True
        is_known = is_measured & (self._beliefs.feasible >= 0.5) & (self._num_own_runs < MAX_RUNS)
        worthwhile = np.where(is_known, self._score, 0.0)
        best = int(np.argmax(worthwhile))
        return self._run(best) if worthwhile[best] > MIN_RATE else None

    def confirmation(self) -> RunStep | None:
        """One more run of the fastest certified configuration, unless it is confirmed or runs already."""
        if not self.certified or self.certified[0] == self._problem.baseline:
            return None
        winner = self.certified[0]
        is_running = any(record.config == winner for record in self._running)
        return None if winner in self.confirmed or is_running else self._run(self._beliefs.grid.index[winner])

    def _run(self, row: int) -> RunStep:
        """The candidate's next run, or the baseline's when it is that which makes the decision hard."""
        config = self._beliefs.grid.configs[row]
        own, paired = self._certification_rates
        if paired[row] > own[row]:
            baseline = self._problem.baseline
            config = min(baseline, config, key=lambda c: self._num_own_runs[self._beliefs.grid.index[c]])
        return RunStep(config=config, seed=self.next_seed(config))

    def next_seed(self, config: TrialConfig) -> int:
        """The lowest seed a configuration was not asked with."""
        asked = self._beliefs.ledger.seeds.get(config, ())
        seed = self._problem.seed
        while seed in asked:
            seed += 1
        return seed

    # What is certified.

    @cached_property
    def certified(self) -> tuple[TrialConfig, ...]:
        """What is likely enough to meet the target to be the one to beat, the best in the objective first.

        What had all its runs and is still not confirmed lies on the target, and is dropped.
        """
        beliefs = self._beliefs
        found = []
        for config in beliefs.measured:
            row = beliefs.grid.index[config]
            is_last = self._num_own_runs[row] >= MAX_RUNS
            error = self._problem.max_error * (CONFIRMED if is_last else 1.0)
            is_sure = beliefs.num_runs[row] >= MIN_RUNS and beliefs.feasible[row] >= 1 - error
            if is_sure and beliefs.worth.is_kept(config):
                found.append(config)
        return tuple(sorted(found, key=lambda config: beliefs.objective[beliefs.grid.index[config]]))

    @cached_property
    def confirmed(self) -> tuple[TrialConfig, ...]:
        """What may be recommended, the best in the objective first."""
        needed = 1 - CONFIRMED * self._problem.max_error
        return tuple(c for c in self.certified if self._beliefs.probability(c) >= needed)

    @cached_property
    def to_beat(self) -> float:
        """Objective of the best certified configuration or of the baseline; infinite without either."""
        beliefs = self._beliefs
        known = [*self.certified[:1], self._problem.baseline]
        rows = (beliefs.grid.index[c] for c in known if c in beliefs.measured)
        return min((float(beliefs.objective[row]) for row in rows), default=np.inf)

    # What candidates are worth.

    @cached_property
    def _promise(self) -> Floats:
        """Probability that a candidate runs, meets target and limits and is clearly better (candidates,)."""
        beliefs = self._beliefs
        if np.isinf(self.to_beat):
            better = np.ones(len(beliefs.grid.configs))
        else:
            spread = np.maximum(beliefs.objective_spread, 1e-6)
            better = ndtr(np.log(self.to_beat * (1 - MIN_GAIN) / beliefs.objective) / spread)
        exhausted = self._num_own_runs >= MAX_RUNS
        found: Floats = np.where(exhausted, 0.0, beliefs.feasible * beliefs.fits * better)
        return found

    @cached_property
    def _score(self) -> Floats:
        """Expected seconds saved per second spent (candidates,)."""
        rates = np.where(self._is_occupied, 0.0, np.maximum(*self._certification_rates))
        score: Floats = self._beliefs.fits * self._gain_s * rates * standing(self._beliefs, self.to_beat)
        return score

    @property
    def _is_occupied(self) -> Bools:
        """Whether a run of equal quality is under way whose outcome is better awaited (candidates,)."""
        beliefs = self._beliefs
        group = beliefs.grid.quality_group
        running = [group[beliefs.grid.index[record.config]] for record in self._running]
        found: Bools = np.isin(group, running) & (beliefs.feasible < LIKELY)
        return found

    @cached_property
    def _certification_rates(self) -> tuple[Floats, Floats]:
        return self._rates(self._beliefs.margins_believing(self._running))

    @cached_property
    def _gain_s(self) -> Floats:
        """What is expected to be saved of what is to beat, each running trial perhaps lowering that.

        Of an objective that is no time, in the seconds it is worth (candidates,).
        """
        beliefs, objective = self._beliefs, self._beliefs.objective
        limit = self.to_beat if np.isfinite(self.to_beat) else float(objective.max()) * 2.0
        rows = {beliefs.grid.index[r.config] for r in self._running}
        gain, remaining = np.zeros(len(beliefs.grid.configs)), 1.0
        for row in sorted(rows, key=lambda row: float(objective[row])):
            chance = float(beliefs.feasible[row] * beliefs.fits[row])
            if objective[row] < limit:
                gain += remaining * chance * self._improvement(float(objective[row]))
                remaining *= 1 - chance
        gain += remaining * self._improvement(limit)
        return gain * beliefs.worth.seconds_per_unit

    def _improvement(self, limit: float) -> Floats:
        """E[max(0, limit - objective)] of each candidate."""
        beliefs = self._beliefs
        sd = np.maximum(beliefs.objective * beliefs.objective_spread, 1e-9)
        return sd * improvement((limit * (1 - MIN_GAIN) - beliefs.objective) / sd)

    def _rates(self, margins: Margins | None) -> tuple[Floats, Floats]:
        """Chance per second that some number of runs certifies a candidate, each (candidates,).

        First by runs of its own; then, where the target is relative, by runs of the baseline as well.
        """
        beliefs = self._beliefs
        needed = np.maximum(MIN_RUNS - beliefs.num_runs, 1)
        own: Floats = np.zeros(len(needed))
        paired: Floats = np.zeros(len(needed))
        if margins is None:
            return own + 0.5 / needed / beliefs.cost_s, paired
        pair_cost_s = beliefs.cost_s + beliefs.cost_s[beliefs.grid.index[self._problem.baseline]]
        for num in LOOKAHEAD:
            enough = num >= needed
            chance = _chance_to_certify(margins, margins.reduction(num), self._problem.max_error)
            own = np.maximum(own, np.where(enough, chance / (num * beliefs.cost_s), 0.0))
            if self._problem.target.is_relative:
                chance = _chance_to_certify(margins, margins.paired_reduction(num), self._problem.max_error)
                paired = np.maximum(paired, np.where(enough, chance / (num * pair_cost_s), 0.0))
        return own, paired

    @property
    def _num_own_runs(self) -> Floats:
        return self._beliefs.num_asked

    # Probes.

    def _wants_first_probe(self) -> bool:
        beliefs = self._beliefs
        if self._probe_cost_s is None or beliefs.probes:
            return False
        baseline = beliefs.measured.get(self._problem.baseline)
        return baseline is None or PROBES_AT_ONCE * self._probe_cost_s < 0.5 * baseline.time_s

    def _useful_probe(self, score: Floats, best: int) -> ProbeStep | None:
        """A probe of the most promising candidates whose time is not known well, if it is cheap."""
        beliefs = self._beliefs
        if self._probe_cost_s is None or beliefs.time_spread[best] <= WELL_KNOWN:
            return None
        known = beliefs.probes
        if beliefs.grid.configs[best] in known or self._probe_cost_s > 0.1 * beliefs.cost_s[best]:
            return None
        order = np.argsort(-score)[:PROBES_AT_ONCE]
        wanted = [
            beliefs.grid.configs[row]
            for row in order
            if score[row] > 0
            and beliefs.time_spread[row] > WELL_KNOWN
            and beliefs.grid.configs[row] not in known
        ]
        return ProbeStep(configs=tuple(wanted))

    def _verdict(self) -> str:
        """Why the search is over, in words."""
        goal = self._problem.goal
        if self.certified and self.certified[0] != self._problem.baseline:
            share = f"{100 * MIN_GAIN:.0f} %"
            found = f"nothing else is more than {share} {goal.objective.better} than {self.certified[0]} and"
        else:
            found = f"nothing {goal.objective.better} than the baseline"
        if np.max(self._promise) < DECIDED:
            return f"{found} meets {goal.text} with more than {100 * DECIDED:.0f} % probability"
        return f"{found} meets {goal.text} with a probability that is worth the seconds of finding out"


def _chance_to_certify(margins: Margins, reduction: Floats, max_error: float) -> Floats:
    """Probability that a candidate is certified once its margin's variance is lowered by `reduction` (P, M).

    Under each particle the margin's posterior then has a known variance; its mean is not known yet, but
    Gaussian with variance `reduction` (the preposterior). Averaged over particles: (M,).
    """
    after = np.maximum(margins.variance - reduction, 1e-18)
    moves = np.sqrt(np.maximum(reduction, 1e-18))
    found: Floats = ndtr((margins.mean - ndtri(1 - max_error) * np.sqrt(after)) / moves).mean(axis=0)
    return found
