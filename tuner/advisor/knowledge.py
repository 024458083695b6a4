"""What an advisor knows: the records of its trials, what probes said, and the beliefs these give rise to.

Beliefs are made when asked for and kept until something changes; they depend on what is known, never on
when they were asked for.
"""

from __future__ import annotations

from collections.abc import Iterable

from tuner.core.config import TrialConfig
from tuner.core.prior import Prior
from tuner.core.trial import TrialRecord, TrialState
from tuner.search.agreement import MAX_CHECKED, disagreement
from tuner.search.beliefs import Beliefs, Probed
from tuner.search.grid import Grid
from tuner.search.problem import Problem


class Knowledge:
    """Records and probes of one study, in the order of asking.

    Args:
        problem: What beliefs are about.
        prior: What an earlier run taught of NRMSE.

    Attributes:
        problem: As given.
        prior: As given, until the first runs here contradict it: then None, for good.
        contradiction: Why it was dropped, in words; empty while it was not.
    """

    def __init__(self, problem: Problem, prior: Prior | None = None) -> None:
        self.problem, self.prior, self.contradiction = problem, prior, ""
        self._records: dict[str, TrialRecord] = {}
        self._probes: dict[TrialConfig, Probed] = {}
        self._grid: Grid | None = None
        self._beliefs: Beliefs | None = None

    @property
    def records(self) -> tuple[TrialRecord, ...]:
        """Every trial ever asked for."""
        return tuple(self._records.values())

    @property
    def running(self) -> tuple[TrialRecord, ...]:
        """The trials whose end has not been told."""
        return tuple(r for r in self._records.values() if r.state is TrialState.RUNNING)

    @property
    def complete(self) -> tuple[TrialRecord, ...]:
        """The trials that ran to their full budget."""
        return tuple(r for r in self._records.values() if r.is_full_budget)

    @property
    def probes(self) -> tuple[Probed, ...]:
        """What probes said, of each configuration the newest."""
        return tuple(self._probes.values())

    @property
    def beliefs(self) -> Beliefs:
        """What all this lets one believe; a running trial counts only when it has ended."""
        if self._beliefs is None:
            self._beliefs = Beliefs(self.problem, self._current_grid(), self.records, self.probes, self.prior)
        return self._beliefs

    def _current_grid(self) -> Grid:
        tried = dict.fromkeys([*(r.config for r in self._records.values()), *self._probes])
        if not (self._grid and self._grid.is_complete and all(map(self._grid.covers, tried))):
            self._grid = Grid(self.problem, (self.problem.baseline, *tried))
        return self._grid

    def record(self, trial_id: str) -> TrialRecord:
        """What is known of one trial.

        Raises:
            KeyError: It was never asked for.
        """
        if trial_id not in self._records:
            raise KeyError(f"the advisor never asked for a trial {trial_id!r}")
        return self._records[trial_id]

    def put(self, record: TrialRecord) -> None:
        """Takes a trial's newest record."""
        before = self._records.get(record.trial_id)
        self._records[record.trial_id] = record
        if before is None or before.state is not record.state:
            self._beliefs = None
            if self.prior is not None and record.is_full_budget:
                self._check_prior(self.prior)

    def _check_prior(self, prior: Prior) -> None:
        """Drops a prior that the first runs contradict."""
        if len(self.complete) <= MAX_CHECKED:
            self.contradiction = disagreement(prior, self._current_grid(), self.complete)
        if self.contradiction:
            self.prior = None

    def put_probes(self, probes: Iterable[Probed]) -> None:
        """Takes what a probe said; of a configuration probed twice, the newer counts."""
        for probed in probes:
            self._probes[probed.config] = probed
        self._beliefs = None
