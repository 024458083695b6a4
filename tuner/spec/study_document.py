"""The parts of a study file that the program holds in another form, as the file spells them.

Everything else stands in the file as `tuner.core` holds it, and is declared there.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tuner.core.lattice import MAX_RAW
from tuner.core.metric import Metric
from tuner.core.parameters import Continuous, Discrete, Parameter, ParameterValue
from tuner.core.study_keys import study_key
from tuner.core.values import as_column, key
from tuner.errors import SpecError
from tuner.spec.custom_errors import mistake
from tuner.spec.single_values import Number, Scalar, TargetText

AUTO = "auto"
"""The value of `divisibility` unless the file has another."""
NEEDED_PARAMETERS = ("batch_size", "micro_batch", "num_taus")


@dataclass(frozen=True, slots=True, kw_only=True)
class ParameterDocument:
    """One parameter: {values: [...]}, or {low, high} with step (int) or log (float).

    A document of its own because the file has several spellings of the same `Discrete` and `Continuous`.

    Raises:
        PydanticCustomError: The keys do not fit together, or a value is not of the type.
    """

    type: str = field(
        default="int",
        metadata=study_key("int (default), float or categorical.", choices=("int", "float", "categorical")),
    )
    values: tuple[Scalar, ...] | None = field(
        default=None, metadata=study_key("The values to choose from.", min_length=1)
    )
    low: Number = field(default=None, metadata=study_key("The least value."))
    high: Number = field(default=None, metadata=study_key("The greatest value, inclusive."))
    step: int | None = field(
        default=None,
        metadata=study_key("The distance between whole numbers; must reach high exactly.", ge=1),
    )
    log: bool | None = field(
        default=None, metadata=study_key("For floats: whether ratios matter instead of differences.")
    )

    def __post_init__(self) -> None:
        if self.values is not None:
            self._check_values(self.values)
        else:
            self._check_range()

    def _check_values(self, values: tuple[Scalar, ...]) -> None:
        for name in ("low", "high", "step", "log"):
            if getattr(self, name) is not None:
                raise mistake(f"both values and {name} are given.", f"drop values or {name}.", name)
        seen = set()
        for k, value in enumerate(values):
            self._check_value(value, "values", k)
            if key(value) in seen:
                raise mistake(f"the value {value!r} is listed twice.", "remove one.", "values", k)
            seen.add(key(value))
        try:
            as_column(Discrete(name="the parameter", values=values))
        except SpecError as error:
            raise mistake(error.message, error.hint, "values") from None

    def _check_value(self, value: Any, *at: str | int) -> None:
        if isinstance(value, str) and not value.isprintable():
            said = f"{value!r} has a line break or another character that cannot be shown."
            raise mistake(said, "write it on one line, without control characters.", *at)
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
            return Discrete(name=name, values=self.values, is_ordered=False)
        numbers = self.values if self.type == "int" else [float(value) for value in self.values]
        return Discrete(name=name, values=tuple(sorted(numbers)))


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyDocument:
    """The keys of a study that only together make its lattice, points on it and its target.

    `StudySpec` holds the legal points of all parameters and constraints together, and the baseline and the
    guide's row as configurations; whether they are legal shows only when every one of these keys is read.
    What a target may say depends on the metric.
    """

    parameters: Mapping[str, ParameterDocument] = field(
        metadata=study_key(
            "The parameters that vary: batch_size, micro_batch, num_taus, accum_steps, others of the stage.",
            min_length=1,
        )
    )
    constraints: tuple[str, ...] = field(
        default=(),
        metadata=study_key(
            "The rules that parameters must keep, beside the one about micro_batch; see `divisibility`."
        ),
    )
    divisibility: str = field(
        default=AUTO,
        metadata=study_key(
            "The rule that ties micro_batch to batch_size. `auto`: `micro_batch divides batch_size` (times "
            "`stage.rows_per_sample`); `none`: micro_batch may be anything up to a batch's rows; or a rule."
        ),
    )
    metric: Metric = field(default_factory=Metric, metadata=study_key())
    target: TargetText = field(
        metadata=study_key("The bound of the quality figure: `nrmse < 0.095` or `nrmse <= 1.04 * baseline`.")
    )
    baseline: Mapping[str, ParameterValue] = field(
        metadata=study_key("A legal point, measured first; every speed-up is relative to it.")
    )
    guide: Mapping[str, ParameterValue] | None = field(
        default=None,
        metadata=study_key("The guide's own recommendation, a legal point that is tried second."),
    )
