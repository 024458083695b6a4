"""Selects the runs that a certificate is judged on, and at which looks: the pairs, and for the target."""

from __future__ import annotations

from dataclasses import dataclass

from tuner.certificate.rounds import Pair, Rounds
from tuner.core.certificate_terms import SINGLE_LEVEL, Look, TargetLook, Terms
from tuner.core.config import TrialConfig
from tuner.core.goal import Goal
from tuner.core.trial import TrialRecord


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgedRuns:
    """The runs that are judged, and at which looks.

    Attributes:
        num_run: Number of pairs that have been run, judged or not.
        num_runs: Number of runs of the winner, judged or not.
        look: The look at the pairs; None before the first.
        target_look: The look at an absolute target; None before the first, or if the target is relative.
        pairs: The pairs that are judged.
        runs: The winner's runs that the target is judged on.
    """

    num_run: int
    num_runs: int
    look: Look | None
    target_look: TargetLook | None
    pairs: tuple[Pair, ...]
    runs: tuple[TrialRecord, ...]

    @property
    def level(self) -> float:
        """The level of the tests on pairs."""
        return self.look.level if self.look else SINGLE_LEVEL


def judged_runs(
    rounds: Rounds,
    winner: TrialConfig,
    baseline: TrialConfig,
    goal: Goal,
    terms: Terms,
    *,
    is_over: bool,
    may_go_on: bool,
) -> JudgedRuns:
    """Returns the runs that `certify` judges; its arguments are described there."""
    num_run, num_runs = rounds.num_pairs(baseline, winner), len(rounds.seeds_of(winner))
    look = terms.look(num_run, is_over=is_over)
    pairs = rounds.pairs(baseline, winner, look.num_pairs if look else 0)
    runs, target_look = tuple(pair.winner for pair in pairs), None
    if not goal.target.is_relative:
        target_look = terms.target_look(num_run, num_runs, is_over=is_over, may_go_on=may_go_on)
        runs = rounds.whole(winner, target_look.num_runs if target_look else 0)
    return JudgedRuns(
        num_run=num_run, num_runs=num_runs, look=look, target_look=target_look, pairs=pairs, runs=runs
    )
