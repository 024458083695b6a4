"""A proposer around an in-memory Optuna study: who is asked, and what each trial's end is told as.

It is told so that no sampler can take it for what it is not: a stopped trial never with its
partial time, an infeasible one never without a violated constraint, and none left RUNNING, which
would repel samplers for ever. It knows neither the target nor how to project: `FullBudgetValues` say so.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tuner.core.config import TrialConfig
from tuner.core.lattice import Lattice
from tuner.core.trial import TrialRecord, TrialState
from tuner.search.by_optuna.encoding import Encoding
from tuner.search.contract import FullBudgetValues

if TYPE_CHECKING:
    import optuna

BREAKABLE = ("memory", "finite")
CONSTRAINTS = ("quality", *BREAKABLE)
"""Constraints of every COMPLETE trial; Optuna's GP sampler wants the same ones in the same order."""

KEPT, BROKEN = -1.0, 1.0
"""Violation of a kept `memory` or `finite`: at 0, a GP would doubt even the safest point."""


class OptunaProposer:
    """Proposes by one of Optuna's samplers on the lattice; a `Proposer`.

    Args:
        lattice: The legal points.
        sampler_name: `tpe`, `nsga2`, `gp`, `random`, or `module:Class`.
        sampler_options: Passed on to the sampler.
        seed: Seed of all its randomness.

    Attributes:
        study: The study, minimising (time_s, nrmse). Stopped trials in it carry the user attribute
            `censored`: filter them out before choosing a winner.

    Raises:
        SpecError: The sampler's name or an option is wrong.
    """

    def __init__(
        self,
        lattice: Lattice,
        sampler_name: str = "tpe",
        sampler_options: Mapping[str, Any] | None = None,
        seed: int = 0,
    ) -> None:
        import optuna

        from tuner.search.by_optuna.rehearsal import rehearse
        from tuner.search.by_optuna.samplers import SnappedSampler, make_sampler

        def sampler() -> SnappedSampler:
            inner = make_sampler(sampler_name, sampler_options or {}, seed)
            return SnappedSampler(self._encoding, inner, seed=seed)

        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self._encoding = Encoding(lattice)
        self._sampler = sampler()
        if ":" in sampler_name:
            rehearse(sampler_name, sampler)
        self.study = optuna.create_study(directions=["minimize"] * 2, sampler=self._sampler)
        self._live: dict[str, optuna.Trial | None] = {}
        self._nadir = (-math.inf, -math.inf)

    def propose(self, trial_id: str) -> TrialConfig | None:
        """Proposes a configuration; see `Proposer.propose`."""
        self._require_new(trial_id)
        if self._sampler.is_exhausted(self.study):
            return None
        return self._encoding.decode(self._ask(trial_id).params)

    def adopt(self, trial_id: str, config: TrialConfig) -> None:
        """Adopts a configuration that the proposer did not choose; see `Proposer.adopt`."""
        self._require_new(trial_id)
        if config not in self._encoding.lattice:
            self._live[trial_id] = None
            return
        self._sampler.choose(config)
        self._ask(trial_id)

    def _require_new(self, trial_id: str) -> None:
        if trial_id in self._live:
            raise ValueError(f"trial {trial_id} was asked for before")

    def _ask(self, trial_id: str) -> optuna.Trial:
        from tuner.search.by_optuna.samplers import quiet

        with quiet():
            trial = self.study.ask(self._sampler.distributions)
        trial.set_user_attr("trial_id", trial_id)
        trial.set_user_attr("config", self._encoding.decode(trial.params).as_dict())
        self._live[trial_id] = trial
        return trial

    def tell(self, record: TrialRecord, full_budget: FullBudgetValues | None = None) -> None:
        """Takes a trial's outcome; see `Proposer.tell`.

        | state | told as |
        |---|---|
        | COMPLETE | COMPLETE, measured (objective, nrmse) |
        | STOPPED, or COMPLETE after a resume | COMPLETE, projected; `censored`, `measured` kept |
        | STOPPED without values | FAIL |
        | INFEASIBLE | COMPLETE at the nadir, its constraint violated |
        | FAILED | FAIL |

        Raises:
            ValueError: The trial is unknown, told before or still RUNNING; or it is COMPLETE but
                has no values, or INFEASIBLE but names no constraint.
        """
        if record.state is TrialState.RUNNING:
            raise ValueError(f"trial {record.trial_id} is still running")
        if record.state is TrialState.COMPLETE and full_budget is None:
            raise ValueError(f"trial {record.trial_id} is complete, but has no outcome")
        if record.state is TrialState.INFEASIBLE and record.constraint not in BREAKABLE:
            raise ValueError(f"trial {record.trial_id} broke {record.constraint!r}: no constraint")
        if record.trial_id not in self._live:
            raise ValueError(f"trial {record.trial_id} was never asked for, or told before")
        trial = self._live.pop(record.trial_id)
        if trial is None:
            return
        trial.set_user_attr("state", record.state.value)
        if record.state is TrialState.INFEASIBLE:
            self._tell_infeasible(trial, record.constraint)
        elif record.state in (TrialState.FAILED, TrialState.DISCARDED) or full_budget is None:
            self._fail(trial)
        else:
            self._tell_values(trial, record, full_budget)

    def _tell_values(self, trial: optuna.Trial, record: TrialRecord, full_budget: FullBudgetValues) -> None:
        values = (full_budget.projected_objective, full_budget.projected_nrmse)
        if not record.is_full_budget:
            trial.set_user_attr("censored", record.fraction)
            trial.set_user_attr("measured", (record.time_s, record.nrmse))
        self._nadir = (max(self._nadir[0], values[0]), max(self._nadir[1], values[1]))
        self._complete(trial, values, quality=full_budget.quality)

    def _tell_infeasible(self, trial: optuna.Trial, constraint: str) -> None:
        """Returns the worst values told so far; infinity while there are none.

        Infinity suits whatever scale is to come, and every sampler of Optuna takes it: GP clips it
        to the worst finite value it then knows, TPE and NSGA-II look at the violation only. The
        quality of such a trial is unknown, so it is told neutrally.
        """
        values = self._nadir if math.isfinite(self._nadir[0]) else (math.inf, math.inf)
        self._complete(trial, values, quality=0.0, broken=constraint)

    def _complete(
        self, trial: optuna.Trial, values: tuple[float, float], *, quality: float, broken: str = ""
    ) -> None:
        told = {"quality": quality, "memory": KEPT, "finite": KEPT}
        if broken:
            told[broken] = BROKEN
        for name in CONSTRAINTS:
            trial.set_constraint(name, told[name])
        self.study.tell(trial, values)

    def _fail(self, trial: optuna.Trial) -> None:
        from optuna.trial import TrialState as OptunaState

        self.study.tell(trial, state=OptunaState.FAIL)

    def close(self) -> None:
        """Ends all proposals; see `Proposer.close`."""
        for trial in self._live.values():
            if trial is not None:
                trial.set_user_attr("state", "interrupted")
                self._fail(trial)
        self._live.clear()
