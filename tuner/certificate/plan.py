"""Decides which run a certificate wants next, and when it wants no more."""

from __future__ import annotations

from collections.abc import Sequence

from tuner.certificate.certificate import certify
from tuner.certificate.rounds import AUDITED_ROUNDS, Rounds, subject
from tuner.certificate.seen import Outcome
from tuner.core.certificate_terms import Terms
from tuner.core.config import TrialConfig
from tuner.core.goal import Goal
from tuner.core.trial import TrialRecord

MAX_DISTURBED_PAIRS = 3
"""Rounds that others disturbed and that are run again: on a machine where all are, no more are tried."""


def next_run(
    records: Sequence[TrialRecord],
    winner: TrialConfig,
    baseline: TrialConfig,
    goal: Goal,
    terms: Terms,
    *,
    guide: TrialConfig | None,
    first_seed: int,
) -> tuple[TrialConfig, int] | None:
    """The configuration and seed to run next; None when the certificate wants no more.

    A run that was asked for counts, whatever became of it: one that failed is not tried again here. Nothing
    is run for a winner that is not the certificate's `subject`.

    Args:
        records: Records of every trial of the study, none of them running.
        winner: The recommended configuration; see `certify`.
        baseline: The configuration to compare with; see `certify`.
        goal: The goal of the study; see `certify`.
        terms: The terms of the certificate; see `certify`.
        guide: The guide's row, which runs in the first rounds too; None if there is none.
        first_seed: The study's own.
    """
    if not terms.looks or subject(records, baseline, guide) not in (None, winner):
        return None
    rounds = Rounds.of(records)
    if rounds.seeds:
        seed = rounds.seeds[-1]
        if (missing := rounds.missing(seed, _order(rounds, seed, winner, baseline, guide))) is not None:
            return missing, seed
    num_run = len(rounds.seeds_of(winner))
    if _is_enough(records, rounds, num_run, winner, baseline, goal, terms):
        return None
    return baseline, rounds.next_seed(first_seed)


def _order(
    rounds: Rounds, seed: int, winner: TrialConfig, baseline: TrialConfig, guide: TrialConfig | None
) -> list[TrialConfig]:
    """Returns the configurations of a round: first the one that both others are compared with."""
    order = [baseline, winner]
    if guide is not None and guide not in order and seed in rounds.seeds[:AUDITED_ROUNDS]:
        order.insert(1, guide)
    return order


def _is_enough(
    records: Sequence[TrialRecord],
    rounds: Rounds,
    num_run: int,
    winner: TrialConfig,
    baseline: TrialConfig,
    goal: Goal,
    terms: Terms,
) -> bool:
    pairs = rounds.pairs(baseline, winner)
    disturbed = sum(not pair.is_clean for pair in pairs)
    if not terms.until_firm:
        return num_run >= terms.pairs + min(disturbed, MAX_DISTURBED_PAIRS)
    looks = [look.num_pairs for look in terms.looks if look.num_pairs > terms.looked]
    if not looks or num_run >= looks[-1]:
        return True
    is_hopeless = disturbed == len(pairs)  # whatever is measured here, its time is not to be trusted
    return num_run in looks and (is_hopeless or _is_firm(records, winner, baseline, goal, terms))


def _is_firm(
    records: Sequence[TrialRecord], winner: TrialConfig, baseline: TrialConfig, goal: Goal, terms: Terms
) -> bool:
    return certify(records, winner, baseline, goal, terms).outcome is not Outcome.UNDECIDED
