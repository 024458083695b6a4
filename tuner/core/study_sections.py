"""The sections of a study whose file form is their form here: stage, budget, search, decision and others.

Values only, each described where it is declared; `tuner.core.study` puts them together.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tuner.core.study_keys import study_key

SURROGATE = "surrogate"
"""The sampler that is the product's own search; the others are Optuna's."""

SAMPLERS = (SURROGATE, "tpe", "nsga2", "gp", "random")
STOPPING_RULES = ("feasible_and_faster", "moasha", "asha", "none")


@dataclass(frozen=True, slots=True, kw_only=True)
class StageSpec:
    """The stage that a trial trains on its worker.

    `options` holds `num_samples` too; the file gives it beside the options.
    """

    class_path: str = field(
        metadata=study_key("The stage, as module:Class.", name="class", is_class_path=True)
    )
    options: Mapping[str, Any] = field(
        default_factory=dict, metadata=study_key("Handed to the stage as they are.")
    )
    num_epochs: int = field(metadata=study_key("The full budget of a trial, in epochs.", ge=1))
    num_samples: int = field(
        metadata=study_key("Training samples in an epoch; handed to the stage too.", ge=1)
    )
    rows_per_sample: int = field(
        default=1,
        metadata=study_key(
            "Rows that the stage makes of a sample: micro-batches are cut from batch_size times so many.",
            ge=1,
        ),
    )
    timeout_s: float | None = field(
        default=None,
        metadata=study_key(
            "Seconds without a report, from its start on, after which a trial has failed; learnt from the "
            "first whole trial if left out. Does not bound prepare, which may take the budget's hours.",
            gt=0,
        ),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetSpec:
    """The budget of the search, which ends at whichever limit comes first."""

    trials: int = field(metadata=study_key("The largest number of configurations to try.", ge=1))
    hours: float = field(metadata=study_key("The longest time of the search, in hours.", gt=0))

    @property
    def budget_s(self) -> float:
        """The hours in seconds."""
        return self.hours * 3600


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchSpec:
    """The choice of configurations."""

    sampler: str = field(
        default=SURROGATE,
        metadata=study_key(
            "A sampler's name, or your own module:Class.", plug_ins=SAMPLERS, plug_ins_are="samplers"
        ),
    )
    options: Mapping[str, Any] = field(default_factory=dict, metadata=study_key("The sampler's own options."))


@dataclass(frozen=True, slots=True, kw_only=True)
class DecisionSpec:
    """The conditions under which a configuration may be recommended."""

    max_error: float = field(
        default=0.05,
        metadata=study_key(
            "The accepted probability that the recommended configuration misses the target.", gt=0, lt=0.5
        ),
    )
    margin_pct: float = field(
        default=0.0,
        metadata=study_key(
            "The margin by which NRMSE must stay under the target's bound, percent of the bound.", ge=0, lt=50
        ),
    )
    trainings: float = field(
        default=5000.0,
        metadata=study_key(
            "How many trainings the recommendation will be used for. The search ends, before its budget is "
            "spent, when one more run would cost more seconds than all of them could save.",
            gt=0,
        ),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class SchedulerSpec:
    """The rule that stops trials early."""

    rule: str = field(
        default="feasible_and_faster",
        metadata=study_key(
            "A stopping rule's name, or your own module:Class.",
            plug_ins=STOPPING_RULES,
            plug_ins_are="stopping rules",
        ),
    )
    options: Mapping[str, Any] = field(default_factory=dict, metadata=study_key("The rule's own options."))


@dataclass(frozen=True, slots=True, kw_only=True)
class ResourceSpec:
    """The resources of a trial."""

    cpus: int = field(default=1, metadata=study_key("CPU cores reserved for a trial.", ge=1))
    threads: int = field(
        default=1,
        metadata=study_key(
            "Threads that the stage computes with, pinned because wall-clock time is measured; as many as "
            "cpus unless given.",
            ge=1,
            may_be_none=True,
        ),
    )
    gpus: int = field(
        default=1,
        metadata=study_key(
            "Whole cards of one node for a trial that uses a card; more than 1 only for a script that starts "
            "its own ranks.",
            ge=1,
        ),
    )
    retries: int = field(
        default=2, metadata=study_key("How many times a trial is run again after its worker died.", ge=0)
    )
