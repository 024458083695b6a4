"""The rule `feasible_and_faster`: feasibility first, then the objective, then rungs.

A trial is judged by what it could still become at full budget. Comparing it with others at the same epoch
alone is never enough: on two objectives the fastest trial survives every such comparison, however poor.
"""

from __future__ import annotations

from dataclasses import dataclass

from tuner.core.amount import amount
from tuner.core.goal import Objective, objective_at_best
from tuner.core.measurement import Status
from tuner.core.pareto import ranks
from tuner.core.trial import TrialRecord
from tuner.scheduling.contract import Continue, Decision, Evidence, Rival, Stop
from tuner.scheduling.options import check_choice, check_number
from tuner.scheduling.projection import project
from tuner.scheduling.rungs import RungReport, is_rung, num_kept, report_at
from tuner.scheduling.words import ordinal, projected, shown

PROBABLE = 0.5
"""Probability of meeting the target from which a trial is in the class of the feasible ones."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FeasibleAndFaster:
    """Stops a trial once it can no longer be both feasible and better than the incumbent.

    Better is faster, unless the evidence names another objective; so it is wherever time is spoken of here.
    After the last epoch nothing is stopped: all of it has been paid for.

    At a rung, a trial is stopped too when two things hold. It is not in the first share of those of its
    class (probably feasible, or not) that reached the rung, in the order of their fronts of projected time
    and NRMSE, each front from the fastest, or the best in NRMSE where feasibility is what they lack. And
    another of its class is both faster and better in NRMSE, by the margins; or the probability of meeting
    the target is unknown and the finished curves say that it cannot.

    Attributes:
        min_probability: Probability of meeting the target below which a trial is stopped.
        min_share: Share of its epochs that a trial runs before its probability may stop it.
        time_margin: Share by which it must be slower than the incumbent (or worse in another objective), at
            best, before that may stop it; and by which another must be faster at a rung.
        rungs: Whether trials are compared at rungs.
        reduction_factor: One in so many of a class is kept at a rung without further question.
        grace_period: The first rung, an epoch; each further one is `reduction_factor` times later.
        nrmse_margin: Share by which another's NRMSE must be better at a rung.

    Raises:
        SpecError: An option is out of its range.
    """

    min_probability: float = 0.01
    min_share: float = 0.34
    time_margin: float = 0.05
    rungs: bool = False
    reduction_factor: int = 2
    grace_period: int = 1
    nrmse_margin: float = 0.05

    def __post_init__(self) -> None:
        check_number(self, "min_probability", at_least=0)
        check_number(self, "min_share", at_least=0)
        check_number(self, "time_margin", at_least=0)
        check_choice(self, "rungs", (True, False))
        check_number(self, "reduction_factor", at_least=2, is_whole=True)
        check_number(self, "grace_period", at_least=1, is_whole=True)
        check_number(self, "nrmse_margin", at_least=0)

    def decide(self, trial: TrialRecord, evidence: Evidence) -> Decision:
        """Feasibility first, then the objective, then the rung."""
        if trial.last is None or trial.last.status is not Status.OK or trial.epoch >= trial.num_epochs:
            return Continue()
        reason = (
            self._too_poor(trial, evidence)
            or self._too_costly(trial, evidence)
            or self._left_behind(trial, evidence)
        )
        return Stop(reason) if reason else Continue()

    def _too_poor(self, trial: TrialRecord, evidence: Evidence) -> str:
        if evidence.probability is None or evidence.threshold is None:
            return ""
        is_early = trial.epoch < self.min_share * trial.num_epochs
        if is_early or evidence.probability >= self.min_probability:
            return ""
        return (
            f"{shown(evidence.metric, trial.nrmse)} after epoch {trial.epoch}: it meets the target "
            f"{evidence.metric.text(evidence.threshold)} with {100 * evidence.probability:.1f} % probability"
        )

    def _too_costly(self, trial: TrialRecord, evidence: Evidence) -> str:
        incumbent, objective = evidence.incumbent, evidence.objective
        if incumbent is None:
            return ""
        to_beat = incumbent.time_s if objective is Objective.TIME else evidence.to_beat
        at_best = objective_at_best(trial, objective, evidence.threshold)
        if to_beat is None or at_best is None or at_best <= to_beat * (1 + self.time_margin):
            return ""
        return (
            f"{projected(at_best, objective)}, {_WORSE[objective]} the incumbent's "
            f"{amount(to_beat, objective, is_rounded=True)} ({incumbent.config})"
        )

    def _left_behind(self, trial: TrialRecord, evidence: Evidence) -> str:
        """Returns why a trial at a rung need not go on; empty without a threshold, which defines classes."""
        is_compared = self.rungs and evidence.threshold is not None
        if not is_compared or not is_rung(
            trial, grace_period=self.grace_period, reduction_factor=self.reduction_factor
        ):
            return ""
        me = Rival(record=trial, probability=evidence.probability)
        found_of_me = _at_rung(me, trial.epoch, evidence)
        if found_of_me is None:  # the objective was not reported
            return ""
        mine, is_probable = found_of_me
        known = [found for rival in evidence.rivals if (found := _at_rung(rival, trial.epoch, evidence))]
        peers = [report for report, is_alike in known if is_alike is is_probable]
        place = 1 + _num_ahead(mine, peers, is_probable=is_probable)
        kept = num_kept(len(peers) + 1, self.reduction_factor)
        if place <= kept:
            return ""
        why = self._dominated(mine, peers, evidence) or _hopeless(trial, evidence)
        class_name = "that may meet the target" if is_probable else "that probably miss the target"
        rung = f"{ordinal(place)} of {len(peers) + 1} {class_name}, of which {kept} are kept"
        seen = shown(evidence.metric, mine.nrmse)
        return f"{seen} after epoch {trial.epoch}, {rung}: {why}" if why else ""

    def _dominated(self, mine: RungReport, peers: list[RungReport], evidence: Evidence) -> str:
        """Names the peer that beats it in both figures by the margins, the best in NRMSE; empty if none."""
        better = [
            peer
            for peer in peers
            if peer.objective * (1 + self.time_margin) < mine.at_least
            and peer.nrmse * (1 + self.nrmse_margin) < mine.nrmse
        ]
        if not better:
            return ""
        best = min(better, key=lambda peer: (peer.nrmse, peer.objective, peer.trial.trial_id))
        theirs = amount(best.objective, evidence.objective, is_rounded=True)
        own = amount(mine.at_least, evidence.objective, is_rounded=True)
        had = evidence.metric.text(best.nrmse)
        return f"trial {best.trial.trial_id} had {had} and is projected to {theirs} instead of {own}"


_WORSE = {
    Objective.TIME: "slower than",
    Objective.TIME_TO_TARGET: "later than",
    Objective.ENERGY: "more energy than",
}


def _at_rung(rival: Rival, rung: int, evidence: Evidence) -> tuple[RungReport, bool] | None:
    """Returns what a trial reported at the rung, and whether it is probably feasible.

    So it is by its probability; while that is unknown, if its NRMSE projects to less than the threshold.
    """
    report = report_at(rival.record, rung, evidence)
    if report is None:
        return None
    if rival.probability is not None:
        return report, rival.probability >= PROBABLE
    projection = project(report.trial, evidence.finished)
    assert projection is not None  # it has an epoch
    assert evidence.threshold is not None  # or nothing is compared
    return report, projection.nrmse < evidence.threshold


def _num_ahead(mine: RungReport, peers: list[RungReport], *, is_probable: bool) -> int:
    """Peers of better fronts, and those ahead within the front: the faster, or the better in NRMSE."""
    everyone = [mine, *peers]
    order = [
        (rank, report.objective if is_probable else report.nrmse)
        for rank, report in zip(ranks([report.point for report in everyone]), everyone, strict=True)
    ]
    return sum(key < order[0] for key in order)


def _hopeless(trial: TrialRecord, evidence: Evidence) -> str:
    """Returns why finished curves rule the target out; not asked if a probability is known."""
    projection = project(trial, evidence.finished)
    if evidence.probability is not None or evidence.threshold is None or projection is None:
        return ""
    if projection.nrmse_optimistic < evidence.threshold:
        return ""
    metric = evidence.metric
    best, target = metric.text(projection.nrmse_optimistic), metric.text(evidence.threshold)
    return (
        f"{best} at best at full budget by {projection.num_curves} finished "
        f"curves, {'short of' if metric.is_maximized else 'over'} the target {target}"
    )
