"""The runs a certificate rests on: rounds of baseline, guide's row and winner, each with a seed of its own.

A round is run in that order, one run at a time, so that the runs of two rounds interleave (A B A B) and a
drift of the device touches both alike. Its seed is one that the search never used: what was chosen because it
did well with a seed is not proved by that seed.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from tuner.core.config import TrialConfig
from tuner.core.trial import Purpose, TrialRecord

FRESH_SEEDS = 1000
"""How far the seeds of a certificate lie above the study's own: the search never comes near."""

AUDITED_ROUNDS = 3
"""Rounds in which the guide's row runs too."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """Baseline and winner at full budget with the same seed, run one after the other.

    Attributes:
        baseline: The baseline's run.
        winner: The other's.
    """

    baseline: TrialRecord
    winner: TrialRecord

    @property
    def is_clean(self) -> bool:
        """Whether nobody disturbed either of them, so that their times may be compared."""
        return not (self.baseline.is_contended or self.winner.is_contended)

    @property
    def disturbance(self) -> str:
        """Which of them others disturbed, and how, in words; empty when it is clean."""
        both = (("baseline", self.baseline), ("recommended", self.winner))
        return "; ".join(f"{what}: {_disturbance(run)}" for what, run in both if run.is_contended)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rounds:
    """The rounds of a study.

    Attributes:
        runs: The newest certifying run of each configuration with each seed.
        seeds: Of the rounds, ascending.
    """

    runs: dict[tuple[TrialConfig, int], TrialRecord]
    seeds: tuple[int, ...]

    @classmethod
    def of(cls, records: Iterable[TrialRecord]) -> Rounds:
        """Those among the records of a study, in the order of asking."""
        runs = {(r.config, r.seed): r for r in records if r.purpose is Purpose.CERTIFY}
        return cls(runs=runs, seeds=tuple(sorted({seed for _, seed in runs})))

    def next_seed(self, first: int) -> int:
        """Of the round after the last; `first` is the study's own seed."""
        return self.seeds[-1] + 1 if self.seeds else first + FRESH_SEEDS

    def missing(self, seed: int, order: Sequence[TrialConfig]) -> TrialConfig | None:
        """The first of `order` that was not run with `seed`; None when all were."""
        return next((config for config in order if (config, seed) not in self.runs), None)

    def seeds_of(self, config: TrialConfig) -> tuple[int, ...]:
        """Of the rounds in which a configuration was run, whatever became of it, ascending."""
        return tuple(seed for seed in self.seeds if (config, seed) in self.runs)

    def pairs(self, baseline: TrialConfig, winner: TrialConfig, first: int | None = None) -> tuple[Pair, ...]:
        """The rounds in which both ran to their full budget, in the order of running.

        Args:
            baseline: Of all of them.
            winner: The other one.
            first: Only of that many rounds in which the winner was run; None: of all.
        """
        seeds = self.seeds_of(winner)[:first]
        found = ((self.runs.get((baseline, s)), self.runs.get((winner, s))) for s in seeds)
        return tuple(
            Pair(baseline=a, winner=b)
            for a, b in found
            if a is not None and b is not None and a.is_full_budget and b.is_full_budget
        )

    def of_config(self, config: TrialConfig) -> tuple[TrialRecord, ...]:
        """The runs of a configuration, in the order of running."""
        return tuple(run for (run_config, _), run in self.runs.items() if run_config == config)


def _disturbance(run: TrialRecord) -> str:
    """The reasons its reports give, each once."""
    reasons = dict.fromkeys(m.contended_reason for m in run.measurements if m.contended)
    return ", ".join(filter(None, reasons)) or "no reason was given"


def wall_s(record: TrialRecord) -> float:
    """Seconds a run occupied its worker, as far as it reported: training and all around it."""
    last = record.last
    if last is None:
        return 0.0
    around = (last.setup_time_s, last.warmup_time_s, last.evaluate_time_s, last.checkpoint_time_s or 0.0)
    return last.time_s + sum(around)
