"""The shape of a study file and of a hardware profile, as pydantic models.

Knows types, required keys and what can be checked within one parameter; what needs several parts
of a study together (constraints, the lattice, the baseline) is the business of `load`.
"""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Callable, Sequence
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, PlainValidator, model_validator
from pydantic_core import PydanticCustomError

from tuner.core.lattice import MAX_RAW
from tuner.core.limits import Limit
from tuner.core.objectives import Target
from tuner.core.parameters import Continuous, Discrete, Parameter
from tuner.core.values import as_column, key
from tuner.errors import SpecError
from tuner.spec.outputs import check_optuna_output, check_project

CUSTOM = "tuner"
"""The type of the errors raised here; their context holds `what`, `fix` and `at`."""

SAMPLERS = ("surrogate", "tpe", "nsga2", "gp", "random")
STOPPING_RULES = ("feasible_and_faster", "moasha", "asha", "none")

_CLASS_PATH = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*(\.[A-Za-z_]\w*)*")


def mistake(what: str, fix: str, *at: str | int) -> PydanticCustomError:
    """An error whose message is ready for the user; `at` leads from its model to its place."""
    return PydanticCustomError(CUSTOM, "{what}", {"what": what, "fix": fix, "at": at})


def guess(word: str, known: Sequence[str], what: str) -> str:
    """A fix for a word that is not among `known`: the closest one, or all of them."""
    close = difflib.get_close_matches(word, known, n=1)
    return f"did you mean {close[0]!r}?" if close else f"the {what} are {', '.join(known)}."


def _scalar(value: Any) -> Any:
    if not isinstance(value, bool | int | float | str):
        raise mistake(f"{value!r} is not a number, a word, true or false.", "write a plain value.")
    if isinstance(value, float) and not math.isfinite(value):
        raise mistake(f"{value!r} is not a finite number.", "write a finite one.")
    return value


def _number(value: Any) -> Any:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise mistake(f"{value!r} is not a number.", "write a number, without quotes.")
    return value


def _class_path(value: str) -> str:
    if not _CLASS_PATH.fullmatch(value):
        raise mistake(f"{value!r} is not of the form module:Class.", "write it as package.module:Class.")
    return value


def _one_of(known: tuple[str, ...], what: str) -> AfterValidator:
    def check(value: str) -> str:
        if value in known or _CLASS_PATH.fullmatch(value):
            return value
        hint = guess(value, known, what)
        raise mistake(f"{value!r} is none of the {what}.", f"{hint} Your own one is module:Class.")

    return AfterValidator(check)


def _target(value: Any) -> str:
    if not isinstance(value, str):
        raise mistake(f"target is {value!r}, not a bound.", "write `nrmse < 0.095`.")
    try:
        Target.parse(value)
    except SpecError as error:
        raise mistake(error.message, error.hint) from None
    return value


def _checked_by(check: Callable[[str], object]) -> AfterValidator:
    def validate(value: str) -> str:
        try:
            check(value)
        except SpecError as error:
            raise mistake(error.message, error.hint) from None
        return value

    return AfterValidator(validate)


Scalar = Annotated[Any, PlainValidator(_scalar)]
Number = Annotated[Any, PlainValidator(_number)]
ClassPath = Annotated[str, AfterValidator(_class_path)]
Count = Annotated[int, Field(ge=1)]
Interval = Annotated[list[Number], Field(min_length=2, max_length=2)]


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class ParameterModel(_Model):
    """One parameter: `{values: [...]}`, or `{low, high}` with `step` (int) or `log` (float)."""

    type: Literal["int", "float", "categorical"] = "int"
    values: Annotated[list[Scalar], Field(min_length=1)] | None = None
    low: Number = None
    high: Number = None
    step: Count | None = None
    log: bool | None = None

    @model_validator(mode="after")
    def _is_consistent(self) -> Self:
        if self.values is not None:
            self._check_values(self.values)
        else:
            self._check_range()
        return self

    def _check_values(self, values: list[Any]) -> None:
        for name in ("low", "high", "step", "log"):
            if getattr(self, name) is not None:
                raise mistake(f"both values and {name} are given.", f"drop values or {name}.", name)
        for k, value in enumerate(values):
            self._check_value(value, "values", k)
            if key(value) in [key(earlier) for earlier in values[:k]]:
                raise mistake(f"the value {value!r} is listed twice.", "remove one.", "values", k)
        try:
            as_column(Discrete(name="the parameter", values=tuple(values)))
        except SpecError as error:
            raise mistake(error.message, error.hint, "values") from None

    def _check_value(self, value: Any, *at: str | int) -> None:
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        if self.type == "categorical" or (is_number and (self.type, type(value)) != ("int", float)):
            return
        kind = "float" if is_number else "categorical"
        wanted = "whole number" if self.type == "int" else "number"
        raise mistake(f"{value!r} is not a {wanted}.", f"use a {wanted}, or say type: {kind}.", *at)

    def _check_range(self) -> None:
        if self.type == "categorical":
            raise mistake("a categorical parameter needs values.", "write values: [a, b, ...].")
        for name in ("low", "high"):
            if getattr(self, name) is None:
                raise mistake(f"neither values nor {name} is given.", "give values, or low and high.")
            self._check_value(getattr(self, name), name)
        if self.low > self.high:
            raise mistake(f"low={self.low} is above high={self.high}.", "swap them.", "low")
        if self.type == "int":
            self._check_int_range()
        else:
            self._check_float_range()

    def _check_int_range(self) -> None:
        step = self.step or 1
        if self.log is not None:
            raise mistake("log is for type: float.", "drop it.", "log")
        short = (self.high - self.low) % step
        if short:
            ends = [self.high - short, self.high - short + step]
            raise mistake(
                f"step={step} from low={self.low} never reaches high={self.high}.",
                f"set high to {' or '.join(str(end) for end in ends if end > self.low)}.",
                "step",
            )
        if (self.high - self.low) // step >= MAX_RAW:
            raise mistake(f"the range holds over {MAX_RAW:,} values.", "use a larger step.", "high")

    def _check_float_range(self) -> None:
        if self.step is not None:
            raise mistake("step is for type: int.", "drop it, or list the values.", "step")
        if self.low == self.high:
            raise mistake(f"low and high are both {self.low}.", "write values: [...] for one.", "low")
        if self.log and self.low <= 0:
            raise mistake(f"log needs a low above 0, not {self.low}.", "raise low.", "low")

    def build(self, name: str) -> Parameter:
        """The parameter in the core's terms."""
        if self.values is None and self.type == "int":
            return Discrete(name=name, values=tuple(range(self.low, self.high + 1, self.step or 1)))
        if self.values is None:
            low, high = float(self.low), float(self.high)
            return Continuous(name=name, low=low, high=high, log=bool(self.log))
        if self.type == "categorical":
            return Discrete(name=name, values=tuple(self.values), is_ordered=False)
        numbers = self.values if self.type == "int" else [float(value) for value in self.values]
        return Discrete(name=name, values=tuple(sorted(numbers)))


class StageModel(_Model):
    """See `study.StageSpec`; `num_samples` reaches the stage as one of its options."""

    class_path: ClassPath = Field(alias="class")
    options: dict[str, Any] = Field(default_factory=dict)
    num_epochs: Count
    num_samples: Count

    @model_validator(mode="after")
    def _says_things_once(self) -> Self:
        for name in ("num_samples", "num_epochs"):
            if name in self.options:
                what = f"{name} is given twice, in stage and in its options."
                raise mistake(what, "drop it from the options.", "options", name)
        return self


class BudgetModel(_Model):
    """See `study.BudgetSpec`."""

    trials: Count
    hours: Annotated[float, Field(gt=0)]


class CertificateModel(_Model):
    """See `Terms`."""

    pairs: Annotated[int, Field(ge=0, le=1000)] = 3
    until_firm: bool = False
    nrmse_margin_pct: Annotated[float, Field(gt=0, lt=100)] = 1.0


class SearchModel(_Model):
    """See `study.SearchSpec`."""

    sampler: Annotated[str, _one_of(SAMPLERS, "samplers")] = "surrogate"
    options: dict[str, Any] = Field(default_factory=dict)


class SchedulerModel(_Model):
    """See `study.SchedulerSpec`."""

    rule: Annotated[str, _one_of(STOPPING_RULES, "stopping rules")] = "feasible_and_faster"
    options: dict[str, Any] = Field(default_factory=dict)


class DecisionModel(_Model):
    """See `study.DecisionSpec`."""

    max_error: Annotated[float, Field(gt=0, lt=0.5)] = 0.05
    margin_pct: Annotated[float, Field(ge=0, lt=50)] = 0.0


class ResourceModel(_Model):
    """See `study.ResourceSpec`; threads default to cpus."""

    cpus: Count = 1
    threads: Count | None = None
    retries: Annotated[int, Field(ge=0)] = 2


class OutputModel(_Model):
    """See `outputs.OutputSpec`."""

    optuna: Annotated[str, _checked_by(check_optuna_output)] = "sqlite"
    tensorboard: bool = True
    wandb: Literal["auto", "offline", "online", "off"] = "auto"
    wandb_project: Annotated[str, _checked_by(check_project)] = "distill-tuner"
    parquet: bool = True


class FigureModel(_Model):
    """See `hardware.Figure`."""

    value: Annotated[float, Field(gt=0)]
    source: Annotated[str, Field(min_length=1)]


class GuideRowModel(_Model):
    """See `hardware.GuideRow`."""

    batch_size: Interval
    micro_batch: Interval
    num_taus: Interval
    speedup: Interval


class HardwareModel(_Model):
    """See `hardware.HardwareProfile`."""

    name: Annotated[str, Field(min_length=1)]
    description: Annotated[str, Field(min_length=1)]
    kind: Literal["cuda", "cpu"]
    device_names: list[str] = Field(default_factory=list)
    excluded_names: list[str] = Field(default_factory=list)
    memory_range_gib: Interval | None = None
    memory_gib: FigureModel | None = None
    peak_fp32_tflops: FigureModel | None = None
    peak_tf32_tflops: FigureModel | None = None
    peak_bf16_tflops: FigureModel | None = None
    bandwidth_gb_s: FigureModel | None = None
    guide: GuideRowModel | None = None


class StudyModel(_Model):
    """A study file; a hardware profile named in it has been put in its place before."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")]
    description: str = ""
    hardware: HardwareModel
    stage: StageModel
    parameters: Annotated[dict[str, ParameterModel], Field(min_length=1)]
    constraints: list[str] = Field(default_factory=list)
    objective: Literal["time_s", "time_to_target_s", "energy_j"] = "time_s"
    target: Annotated[str, PlainValidator(_target)]
    limits: list[Annotated[str, _checked_by(Limit.parse)]] = Field(default_factory=list)
    baseline: dict[str, Scalar]
    guide: dict[str, Scalar] | None = None
    budget: BudgetModel
    search: SearchModel = Field(default_factory=SearchModel)
    scheduler: SchedulerModel = Field(default_factory=SchedulerModel)
    decision: DecisionModel = Field(default_factory=DecisionModel)
    certificate: CertificateModel = Field(default_factory=CertificateModel)
    resources: ResourceModel = Field(default_factory=ResourceModel)
    outputs: OutputModel = Field(default_factory=OutputModel)
    seed: Annotated[int, Field(ge=0)] = 0
