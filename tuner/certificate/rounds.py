"""The runs a certificate rests on: rounds of baseline, guide's row and winner, each with a seed of its own.

A round is run in that order, one run at a time, so that the runs of two rounds interleave (A B A B) and a
drift of the device touches both alike. Its seed is one that the search never used: what was chosen because it
did well with a seed is not proved by that seed. The last rounds may be of the winner alone, since an absolute
target needs no run of the baseline.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from tuner.core.config import TrialConfig
from tuner.core.trial import Purpose, TrialRecord

FRESH_SEEDS = 1000
"""Offset of a certificate's seeds above the study's own: the search never comes near."""

AUDITED_ROUNDS = 3
"""Rounds in which the guide's row runs too."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Disturbance:
    """The reasons why the time of a pair's run cannot be compared.

    Attributes:
        is_baseline: Whether the disturbed run is the baseline's rather than the winner's.
        reasons: The stage's messages about others on the device, each once; empty if it gave none.
        is_contended: Whether others were on the device.
        is_resumed: Whether it continued from a checkpoint.
    """

    is_baseline: bool
    reasons: tuple[str, ...]
    is_contended: bool
    is_resumed: bool

    @classmethod
    def of(cls, run: TrialRecord, *, is_baseline: bool) -> Disturbance | None:
        """Returns the disturbance of a run; None if nothing disturbed it."""
        said = dict.fromkeys(m.contended_reason for m in run.measurements if m.contended)
        reasons = tuple(filter(None, said))
        if not (reasons or run.is_contended or run.is_resumed):
            return None
        return cls(
            is_baseline=is_baseline,
            reasons=reasons,
            is_contended=run.is_contended,
            is_resumed=run.is_resumed,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """A pair: baseline and winner at full budget with the same seed, run one after the other.

    Attributes:
        baseline: The baseline's run.
        winner: The winner's run.
    """

    baseline: TrialRecord
    winner: TrialRecord

    @property
    def is_clean(self) -> bool:
        """Whether both ran in one go and nobody disturbed them, so that their times may be compared."""
        return not (self.is_resumed or self.baseline.is_contended or self.winner.is_contended)

    @property
    def is_resumed(self) -> bool:
        """Whether either run continued from a checkpoint, so that it did not run in one go."""
        return self.baseline.is_resumed or self.winner.is_resumed

    @property
    def disturbances(self) -> tuple[Disturbance, ...]:
        """The disturbances of both runs; none if both are clean."""
        both = (
            Disturbance.of(self.baseline, is_baseline=True),
            Disturbance.of(self.winner, is_baseline=False),
        )
        return tuple(one for one in both if one is not None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rounds:
    """The rounds of a study.

    Attributes:
        runs: The newest certifying run of each configuration with each seed.
        seeds: Seeds of the rounds, ascending.
    """

    runs: dict[tuple[TrialConfig, int], TrialRecord]
    seeds: tuple[int, ...]

    @classmethod
    def of(cls, records: Iterable[TrialRecord]) -> Rounds:
        """Returns the certifying records of a study, in the order of asking."""
        runs = {(r.config, r.seed): r for r in records if r.purpose is Purpose.CERTIFY}
        return cls(runs=runs, seeds=tuple(sorted({seed for _, seed in runs})))

    def next_seed(self, first: int) -> int:
        """Returns the seed of the round after the last; `first` is the study's own seed."""
        return self.seeds[-1] + 1 if self.seeds else first + FRESH_SEEDS

    def missing(self, seed: int, order: Sequence[TrialConfig]) -> TrialConfig | None:
        """The first of `order` that was not run with `seed`; None when all were."""
        return next((config for config in order if (config, seed) not in self.runs), None)

    def seeds_of(self, config: TrialConfig) -> tuple[int, ...]:
        """Returns the seeds of rounds in which a configuration was run, whatever the outcome, ascending."""
        return tuple(seed for seed in self.seeds if (config, seed) in self.runs)

    def num_pairs(self, baseline: TrialConfig, winner: TrialConfig) -> int:
        """Returns the number of rounds in which both were run, whatever the outcome."""
        return sum((baseline, seed) in self.runs for seed in self.seeds_of(winner))

    def is_alone(self, seed: int, baseline: TrialConfig, winner: TrialConfig) -> bool:
        """Whether the round with `seed` is one of the winner alone."""
        return (winner, seed) in self.runs and (baseline, seed) not in self.runs

    def whole(self, winner: TrialConfig, first: int) -> tuple[TrialRecord, ...]:
        """Returns those of the winner's first runs that ran all epochs, in pairs or alone, in their order."""
        runs = (self.runs[winner, seed] for seed in self.seeds_of(winner)[:first])
        return tuple(run for run in runs if run.is_whole)

    def pairs(self, baseline: TrialConfig, winner: TrialConfig, first: int | None = None) -> tuple[Pair, ...]:
        """The rounds in which both ran all epochs, in the order of running.

        Args:
            baseline: The baseline of all pairs.
            winner: The other one.
            first: Number of rounds with the winner to include; None for all.
        """
        seeds = self.seeds_of(winner)[:first]
        found = ((self.runs.get((baseline, s)), self.runs.get((winner, s))) for s in seeds)
        return tuple(
            Pair(baseline=a, winner=b)
            for a, b in found
            if a is not None and b is not None and a.is_whole and b.is_whole
        )


def subject(
    records: Sequence[TrialRecord], baseline: TrialConfig, guide: TrialConfig | None
) -> TrialConfig | None:
    """The only configuration that a study's certificate can be of; None until that is settled.

    It is settled when the first certifying run of anything but the baseline and the guide's row is asked for,
    and never changes: to judge another configuration too would be another chance to certify what is false,
    and the levels allow for one (see `terms`). The guide's row runs in the first rounds in any case. It is
    the subject when a second round is asked for and nothing else was run in the first; until then it has a
    single pair, with which nothing can be tested.

    Args:
        records: Records of every trial of the study, in the order of asking.
        baseline: The configuration with which the subject is compared.
        guide: The guide's row; None if there is none.
    """
    asked = [record for record in records if record.purpose is Purpose.CERTIFY]
    for record in asked:
        if record.config not in (baseline, guide):
            return record.config
    ran = {record.config for record in asked}
    num_rounds = len({record.seed for record in asked})
    return guide if guide != baseline and guide in ran and num_rounds > 1 else None


def wall_s(record: TrialRecord) -> float:
    """Returns the seconds a run occupied its worker, as far as reported: training and all around it."""
    last = record.last
    if last is None:
        return 0.0
    around = (last.setup_time_s, last.warmup_time_s, last.evaluate_time_s, last.checkpoint_time_s or 0.0)
    return last.time_s + sum(around)
