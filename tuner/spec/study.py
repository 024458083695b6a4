"""A study, resolved: everything that the rest of the program wants to know of the YAML file.

Values only; reading them from YAML, and telling the user what is wrong, is the business of `load`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from itertools import pairwise
from typing import Any

from tuner.core.certificate import Terms
from tuner.core.config import TrialConfig
from tuner.core.constraints import Rule
from tuner.core.goal import Goal, Objective
from tuner.core.lattice import Lattice
from tuner.core.limits import Limit
from tuner.core.objectives import Target
from tuner.core.parameters import Continuous, Discrete, Parameter
from tuner.errors import SpecError
from tuner.spec.document import write_yaml
from tuner.spec.hardware import HardwareProfile
from tuner.spec.outputs import OutputSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class StageSpec:
    """What runs on the worker.

    Attributes:
        class_path: `module:Class`.
        options: Handed to the stage; contains `num_samples`.
        num_epochs: The full budget of a trial.
        num_samples: Training samples an epoch.
    """

    class_path: str
    options: Mapping[str, Any]
    num_epochs: int
    num_samples: int


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetSpec:
    """When the search ends.

    Attributes:
        trials: Configurations tried, at most.
        hours: Time, at most; whichever comes first ends the search.
    """

    trials: int
    hours: float

    @property
    def budget_s(self) -> float:
        """The hours in seconds."""
        return self.hours * 3600


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchSpec:
    """How configurations are chosen: a sampler's name or `module:Class`, and its options."""

    sampler: str = "surrogate"
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class DecisionSpec:
    """When something may be recommended.

    Attributes:
        max_error: Probability accepted that the recommended configuration misses the target.
        margin_pct: How far under the target it must stay besides, percent of the target.
    """

    max_error: float = 0.05
    margin_pct: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class SchedulerSpec:
    """When trials are stopped: a rule's name or `module:Class`, and its options."""

    rule: str = "feasible_and_faster"
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class ResourceSpec:
    """What a trial gets.

    Attributes:
        cpus: CPU cores reserved for a trial.
        threads: Threads the stage computes with, pinned, since wall-clock is an objective.
        retries: How often a lost trial (a worker that died) is asked again.
    """

    cpus: int = 1
    threads: int = 1
    retries: int = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class StudySpec:
    """One study; two are equal when they would run alike, wherever they were loaded from.

    Attributes:
        name: Names the run folder.
        description: For people.
        path: Where it was loaded from.
        hardware: The device it was written for.
        stage: What runs.
        lattice: The legal points of its parameters, enumerated.
        target: The quality a configuration must reach.
        objective: What is minimised.
        limits: What figures other than NRMSE must keep.
        baseline: What every figure is compared with.
        guide: The guide's own recommendation, tried second; None when there is none.
        budget: When the search ends.
        search: How configurations are chosen.
        scheduler: When trials are stopped.
        decision: When something may be recommended.
        certificate: What is then proved of it.
        resources: What a trial gets.
        outputs: What a run is written to besides its own files; decides nothing.
        seed: Of the search and of every trial, so that comparisons are paired; replicates count up from it.
        is_shipped_hardware: True when the file names its hardware instead of describing it.
        lines: Where its top-level keys stand in the file, from 1.
    """

    name: str
    description: str = field(default="", compare=False)
    path: str = field(default="", compare=False)
    hardware: HardwareProfile
    stage: StageSpec
    lattice: Lattice
    target: Target
    objective: Objective = Objective.TIME
    limits: tuple[Limit, ...] = ()
    baseline: TrialConfig
    guide: TrialConfig | None = None
    budget: BudgetSpec
    search: SearchSpec = field(default_factory=SearchSpec)
    scheduler: SchedulerSpec = field(default_factory=SchedulerSpec)
    decision: DecisionSpec = field(default_factory=DecisionSpec)
    certificate: Terms = field(default_factory=Terms)
    resources: ResourceSpec = field(default_factory=ResourceSpec)
    outputs: OutputSpec = field(default_factory=OutputSpec, compare=False)
    seed: int = 0
    is_shipped_hardware: bool = field(default=True, compare=False, repr=False)
    lines: Mapping[str, int] = field(default_factory=dict, compare=False, repr=False)

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        """What varies, in the order of the file."""
        return self.lattice.parameters

    @property
    def rules(self) -> tuple[Rule, ...]:
        """The constraints in force, divisibility among them."""
        return self.lattice.rules

    @property
    def goal(self) -> Goal:
        """Objective, target and limits together."""
        return Goal(
            target=self.target,
            objective=self.objective,
            limits=self.limits,
            margin_pct=self.decision.margin_pct,
        )

    @contextmanager
    def locating(self, key: str) -> Iterator[None]:
        """Gives a mistake that shows only later (in a sampler's options, say) the line of its key.

        Raises:
            SpecError: The one raised inside, with file and line before its message.
        """
        try:
            yield
        except SpecError as error:
            line = f":{self.lines[key]}" if key in self.lines else ""
            raise SpecError(f"{self.path}{line}: {error.message}", error.hint) from error

    def with_overrides(
        self,
        *,
        trials: int | None = None,
        hours: float | None = None,
        seed: int | None = None,
        until_firm: bool = False,
        looked: int = 0,
    ) -> StudySpec:
        """The study with another budget or seed, or a firm certificate; None leaves a value as it is.

        Args:
            trials: Of the budget.
            hours: Of the budget.
            seed: The study's own.
            until_firm: Whether the certificate is to become firm; one that is to be already stays as it is.
            looked: See `Terms`.

        Raises:
            SpecError: A value is not positive (the seed: negative).
        """
        for name, value, lowest in (("trials", trials, 1), ("seed", seed, 0)):
            if value is not None and value < lowest:
                raise SpecError(f"{name}={value} is too small.", f"use {lowest} or more.")
        if hours is not None and not 0 < hours < float("inf"):
            raise SpecError(f"hours={hours} is not a positive number.", "use for example 0.5.")
        budget = BudgetSpec(
            trials=self.budget.trials if trials is None else trials,
            hours=self.budget.hours if hours is None else hours,
        )
        certificate = self.certificate
        if until_firm and not certificate.until_firm:
            certificate = replace(certificate, until_firm=True, looked=looked)
        seed = self.seed if seed is None else seed
        return replace(self, budget=budget, certificate=certificate, seed=seed)

    def as_dict(self) -> dict[str, Any]:
        """The study as plain values, defaults written out; its YAML loads back as an equal one."""
        options = {k: v for k, v in self.stage.options.items() if k != "num_samples"}
        values: dict[str, Any] = {
            "name": self.name,
            "description": self.description,
            "hardware": self.hardware.name if self.is_shipped_hardware else self.hardware.as_dict(),
            "stage": {
                "class": self.stage.class_path,
                "options": options,
                "num_epochs": self.stage.num_epochs,
                "num_samples": self.stage.num_samples,
            },
            "parameters": {p.name: _parameter_as_dict(p) for p in self.parameters},
            "constraints": [rule.text for rule in self.rules],
            "objective": self.objective.value,
            "target": self.target.text,
            "baseline": self._config_as_dict(self.baseline),
        }
        if self.limits:
            values["limits"] = [limit.text for limit in self.limits]
        if self.guide is not None:
            values["guide"] = self._config_as_dict(self.guide)
        return values | {
            "budget": asdict(self.budget),
            "search": {"sampler": self.search.sampler, "options": dict(self.search.options)},
            "scheduler": {"rule": self.scheduler.rule, "options": dict(self.scheduler.options)},
            "decision": asdict(self.decision),
            "certificate": {k: v for k, v in asdict(self.certificate).items() if k != "looked"},
            "resources": asdict(self.resources),
            "outputs": asdict(self.outputs),
            "seed": self.seed,
        }

    def as_yaml(self) -> str:
        """`as_dict` as the text of a study file."""
        return write_yaml(self.as_dict())

    def study_hash(self) -> str:
        """A SHA-256 of everything that `as_dict` holds but the description and the outputs.

        The order of parameters counts, since it numbers the lattice; that of other keys does not.
        """
        values = self.as_dict()
        del values["description"], values["outputs"]
        values["parameters"] = list(values["parameters"].items())
        return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()

    def _config_as_dict(self, config: TrialConfig) -> dict[str, Any]:
        names = {parameter.name for parameter in self.parameters}
        return {name: value for name, value in config.as_dict().items() if name in names}


def _parameter_as_dict(parameter: Parameter) -> dict[str, Any]:
    """In one canonical spelling: evenly spaced integers as a range, other values as a list."""
    if isinstance(parameter, Continuous):
        bounds = {"low": parameter.low, "high": parameter.high, "log": parameter.log}
        return {"type": "float", **bounds}
    values = list(parameter.values)
    if not parameter.is_ordered:
        return {"type": "categorical", "values": values}
    if any(isinstance(value, float) for value in values):
        return {"type": "float", "values": values}
    steps = _steps(parameter)
    if len(steps) > 1:
        return {"type": "int", "values": values}
    return {"type": "int", "low": values[0], "high": values[-1], "step": max(steps, default=1)}


def _steps(parameter: Discrete) -> set[int]:
    numbers = [int(value) for value in parameter.values]
    return {after - before for before, after in pairwise(numbers)}
