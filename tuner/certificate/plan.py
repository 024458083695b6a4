"""Decides which run a certificate wants next, and when it wants no more.

Pairs of baseline and winner come first. Once nothing but an absolute target is undecided, the winner runs
alone.
"""

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
    if rounds.seeds and not rounds.is_alone(seed := rounds.seeds[-1], baseline, winner):
        missing = rounds.missing(seed, _order(rounds, seed, winner, baseline, guide))
        if missing is not None:
            return missing, seed
    wanted = _wanted(records, rounds, winner, baseline, goal, terms)
    return None if wanted is None else (wanted, rounds.next_seed(first_seed))


def firm_terms(
    records: Sequence[TrialRecord],
    baseline: TrialConfig,
    guide: TrialConfig | None,
    terms: Terms,
    *,
    is_over: bool,
) -> Terms:
    """The terms under which the certificate of a study goes on until it is firm; see `Terms.firm`."""
    of = subject(records, baseline, guide)
    if of is None:
        return terms.firm(0, is_over=is_over)
    rounds = Rounds.of(records)
    return terms.firm(rounds.num_pairs(baseline, of), is_over=is_over, num_runs=len(rounds.seeds_of(of)))


def num_ahead(
    records: Sequence[TrialRecord], config: TrialConfig, seed: int, baseline: TrialConfig, terms: Terms
) -> int:
    """Runs that a certifying run makes sense with, itself included, since nothing is judged before them.

    Those of the winner alone until the target is looked at; 1 for a run of a pair.

    Args:
        records: Records of every trial of the study.
        config: The configuration of the run.
        seed: Its seed.
        baseline: The configuration to compare with; see `next_run`.
        terms: The terms of the certificate.
    """
    rounds = Rounds.of(records)
    if config == baseline or (baseline, seed) in rounds.runs:
        return 1
    num_runs = len([one for one in rounds.seeds_of(config) if one != seed])
    look = terms.next_target_look(rounds.num_pairs(baseline, config), num_runs)
    return look.num_runs - num_runs if look else 1


def _order(
    rounds: Rounds, seed: int, winner: TrialConfig, baseline: TrialConfig, guide: TrialConfig | None
) -> list[TrialConfig]:
    """Returns the configurations of a round: first the one that both others are compared with."""
    order = [baseline, winner]
    if guide is not None and guide not in order and seed in rounds.seeds[:AUDITED_ROUNDS]:
        order.insert(1, guide)
    return order


def _wanted(
    records: Sequence[TrialRecord],
    rounds: Rounds,
    winner: TrialConfig,
    baseline: TrialConfig,
    goal: Goal,
    terms: Terms,
) -> TrialConfig | None:
    """Returns the configuration that the next round begins with; None when no round is wanted.

    That is the winner once nothing but an absolute target is undecided: the baseline then tells nothing.
    """
    num_pairs, num_runs = rounds.num_pairs(baseline, winner), len(rounds.seeds_of(winner))
    pairs = rounds.pairs(baseline, winner)
    num_disturbed = sum(not pair.is_clean for pair in pairs)
    is_alone = num_runs > num_pairs
    if not is_alone and not _is_at_look(terms, num_pairs, num_disturbed):
        return baseline
    found = certify(records, winner, baseline, goal, terms, may_go_on=True)
    if found.is_target_alone_undecided:
        return winner if terms.next_target_look(num_pairs, num_runs) else None
    if is_alone or not terms.until_firm or found.outcome is not Outcome.UNDECIDED:
        return None
    # Whatever is measured where others disturbed every pair, its time is not to be trusted.
    is_hopeless = num_disturbed == len(pairs) and num_pairs > terms.looked
    return baseline if num_pairs < terms.looks[-1].num_pairs and not is_hopeless else None


def _is_at_look(terms: Terms, num_pairs: int, num_disturbed: int) -> bool:
    """Whether the pairs are judged before another one is run."""
    if not terms.until_firm:
        return num_pairs >= terms.pairs + min(num_disturbed, MAX_DISTURBED_PAIRS)
    return num_pairs >= terms.looks[-1].num_pairs or any(num_pairs == look.num_pairs for look in terms.looks)
