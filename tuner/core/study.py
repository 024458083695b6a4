"""A study, resolved: everything that the rest of the program needs from the YAML file.

Values only; `tuner.spec` reads them from YAML and tells the user what is wrong.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any

from tuner.core.certificate_terms import Terms
from tuner.core.config import TrialConfig
from tuner.core.constraints import Rule
from tuner.core.goal import Goal, Objective
from tuner.core.hardware import HardwareProfile
from tuner.core.lattice import Lattice, divisibility, no_divisibility
from tuner.core.limits import Limit
from tuner.core.metric import NRMSE, STAGE_OPTION, Metric
from tuner.core.objectives import Target
from tuner.core.outputs import OutputSpec
from tuner.core.parameters import Continuous, Discrete, Parameter
from tuner.core.study_keys import keys_declared_by, study_key
from tuner.core.study_sections import (
    BudgetSpec,
    DecisionSpec,
    ResourceSpec,
    SchedulerSpec,
    SearchSpec,
    StageSpec,
)
from tuner.errors import SpecError

NONE = "none"
"""The value of the key `divisibility` in a study that wants no such rule."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StudySpec:
    """One study; two are equal when they would run alike, wherever they were loaded from.

    Fields that stand in the study file as they are held here are described in their metadata. The file spells
    the lattice and its points differently; see `tuner.spec.study_document`.

    Attributes:
        path: Path of the file that it was loaded from.
        lattice: The legal points of its parameters, enumerated.
        target: The bound that the quality figure must meet; knows what that figure is.
        baseline: The configuration that every figure is compared with.
        guide: The guide's own recommendation, tried second; None when there is none.
        is_shipped_hardware: True when the file names its hardware instead of describing it.
        lines: Line numbers of its top-level keys in the file, from 1.
    """

    name: str = field(
        metadata=study_key(
            "Names the run's folder: letters, digits, - _ .", pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$"
        )
    )
    description: str = field(default="", compare=False, metadata=study_key("For people, in one line."))
    path: str = field(default="", compare=False)
    hardware: HardwareProfile = field(
        metadata=study_key("The device the study is written for: a shipped profile's name, or a description.")
    )
    stage: StageSpec = field(metadata=study_key())
    lattice: Lattice
    objective: Objective = field(
        default=Objective.TIME,
        metadata=study_key("The figure of a training at full budget that is minimised."),
    )
    target: Target
    limits: tuple[Limit, ...] = field(
        default=(),
        metadata=study_key("Bounds on other figures that trials report, such as `peak_memory_gib <= 38`."),
    )
    baseline: TrialConfig
    guide: TrialConfig | None = None
    budget: BudgetSpec = field(metadata=study_key())
    search: SearchSpec = field(default_factory=SearchSpec, metadata=study_key())
    scheduler: SchedulerSpec = field(default_factory=SchedulerSpec, metadata=study_key())
    decision: DecisionSpec = field(default_factory=DecisionSpec, metadata=study_key())
    certificate: Terms = field(default_factory=Terms, metadata=study_key())
    resources: ResourceSpec = field(default_factory=ResourceSpec, metadata=study_key())
    outputs: OutputSpec = field(
        default_factory=OutputSpec,
        compare=False,
        metadata=study_key(),
    )
    seed: int = field(
        default=0,
        metadata=study_key(
            "The seed of the search and of every trial; replicates of a configuration count up from it.", ge=0
        ),
    )
    is_shipped_hardware: bool = field(default=True, compare=False, repr=False)
    lines: Mapping[str, int] = field(default_factory=dict, compare=False, repr=False)

    @property
    def metric(self) -> Metric:
        """The quality figure."""
        return self.target.metric

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        """The parameters that vary, in the order of the file."""
        return self.lattice.parameters

    def varying_and_fixed(self) -> tuple[list[str], list[str]]:
        """Returns the names of parameters with more than one value, and of all others that a trial gets."""
        varying = [p.name for p in self.parameters if isinstance(p, Continuous) or len(p.values) > 1]
        return varying, [name for name in self.baseline.as_dict() if name not in varying]

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
        looked_runs: int = 0,
    ) -> StudySpec:
        """The study with another budget or seed, or a firm certificate; None leaves a value as it is.

        Args:
            trials: The budget's trials.
            hours: The budget's hours.
            seed: The study's own.
            until_firm: Whether the certificate is to become firm; one that is to be already stays as it is.
            looked: Pairs after which the certificate was judged before; see `Terms`.
            looked_runs: Runs of the winner by then; see `Terms`.

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
            certificate = replace(certificate, until_firm=True, looked=looked, looked_runs=looked_runs)
        seed = self.seed if seed is None else seed
        return replace(self, budget=budget, certificate=certificate, seed=seed)

    def as_dict(self) -> dict[str, Any]:
        """The study as plain values, defaults written out; its YAML loads back as an equal one."""
        added = ("num_samples", STAGE_OPTION)
        options = {k: v for k, v in self.stage.options.items() if k not in added}
        values: dict[str, Any] = {
            "name": self.name,
            "description": self.description,
            "hardware": self.hardware.name if self.is_shipped_hardware else self.hardware.as_dict(),
            "stage": _section(self.stage) | {"options": options},
            "parameters": {p.name: _parameter_as_dict(p) for p in self.parameters},
            "constraints": [rule.text for rule in self.rules],
            "objective": self.objective.value,
            "target": self.target.text,
            "baseline": self._config_as_dict(self.baseline),
        }
        rows = self.stage.rows_per_sample
        if (required := self.lattice.required) != divisibility(rows):
            values["divisibility"] = NONE if required == no_divisibility(rows) else required
        if self.metric != NRMSE:
            values["metric"] = _section(self.metric)
        if self.limits:
            values["limits"] = [limit.text for limit in self.limits]
        if self.guide is not None:
            values["guide"] = self._config_as_dict(self.guide)
        return values | {
            "budget": _section(self.budget),
            "search": _section(self.search),
            "scheduler": _section(self.scheduler),
            "decision": _section(self.decision),
            "certificate": _section(self.certificate),
            "resources": _section(self.resources),
            "outputs": _section(self.outputs),
            "seed": self.seed,
        }

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


def _section(of: object) -> dict[str, Any]:
    """A section as plain values, under the file's keys."""
    values = {key: getattr(of, declared.name) for key, (declared, _) in keys_declared_by(type(of)).items()}
    return {key: dict(value) if isinstance(value, Mapping) else value for key, value in values.items()}


def _parameter_as_dict(parameter: Parameter) -> dict[str, Any]:
    """A parameter in its canonical spelling: evenly spaced integers as a range, other values as a list."""
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
