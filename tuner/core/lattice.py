"""The lattice: every legal point of a study's discrete parameters, enumerated once.

Answers how many there are, which they are, and of any configuration why it is in or out.
Continuous parameters ride along: they are checked for membership, never enumerated. Knows nothing
of what a point costs or is worth.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from functools import reduce

import numpy as np
import numpy.typing as npt

from tuner.core.config import CORE_NAMES, TrialConfig
from tuner.core.constraints import Rule
from tuner.core.expressions import Column, RuleError
from tuner.core.parameters import Continuous, Discrete, Parameter, ParameterValue
from tuner.core.values import as_column, key, why_not_value
from tuner.errors import SpecError

DIVISIBILITY = "micro_batch divides batch_size"
"""The rule between the two, for a stage whose batches have a row a sample."""

MAX_RAW = 2_000_000
_NEEDED = ("batch_size", "micro_batch", "num_taus")


def divisibility(rows_per_sample: int) -> str:
    """The rule that holds unless a study names another: a micro-batch divides the rows of a batch."""
    return DIVISIBILITY if rows_per_sample == 1 else f"{DIVISIBILITY} * {rows_per_sample}"


def no_divisibility(rows_per_sample: int) -> str:
    """The rule in its place where a study asks for none: a micro-batch has no more rows than a batch."""
    return divisibility(rows_per_sample).replace("divides", "<=")


class Lattice:
    """The legal points of `parameters` under `rules`.

    Points are numbered 0 .. len - 1 in the order of the product of the discrete parameters as
    given, the last one varying fastest.

    Args:
        parameters: The parameters that vary; batch_size, micro_batch, num_taus are among the discrete ones.
        rules: Constraints on the discrete parameters.
        required: Text of a rule that is put first when it is not among `rules`.

    Raises:
        SpecError: The parameters or rules are not such, the product is too large, or no point is
            legal.

    Attributes:
        required: As given, with white space evened out.
    """

    def __init__(
        self, parameters: Sequence[Parameter], rules: Sequence[Rule] = (), *, required: str = DIVISIBILITY
    ) -> None:
        self._parameters = tuple(parameters)
        _check_parameters(self._parameters)
        names = [parameter.name for parameter in self._parameters]
        first = Rule.parse(required, names)
        self.required = first.text
        self._rules = (*(() if first.text in [rule.text for rule in rules] else (first,)), *rules)
        _check_rules(self._rules, self.discrete, self.continuous)
        self._shape = tuple(len(parameter.values) for parameter in self.discrete)
        self._num_raw = math.prod(self._shape)
        if self._num_raw > MAX_RAW:
            sizes = " x ".join(f"{len(parameter.values)} ({parameter.name})" for parameter in self.discrete)
            raise SpecError(
                f"the space has {self._num_raw:,} raw points, {sizes}; "
                f"at most {MAX_RAW:,} can be enumerated.",
                "list fewer values, use a step, or make one continuous (type: float, low, high).",
            )
        self._codes = [{key(v): k for k, v in enumerate(parameter.values)} for parameter in self.discrete]
        self._legal, self._excluded = self._enumerate()
        self._legal_codes = np.stack(np.unravel_index(self._legal, self._shape), axis=1)  # (points, discrete)
        self._columns = {
            parameter.name: _frozen(as_column(parameter)[self._legal_codes[:, k]])
            for k, parameter in enumerate(self.discrete)
        }

    def _enumerate(self) -> tuple[npt.NDArray[np.intp], dict[str, int]]:
        """The flat indices of the legal raw points, and how many raw points each rule excludes."""
        raw = {
            parameter.name: np.broadcast_to(_along(as_column(parameter), k, len(self._shape)), self._shape)
            for k, parameter in enumerate(self.discrete)
        }
        masks = [rule.mask({name: raw[name].ravel() for name in rule.names}) for rule in self._rules]
        legal = np.flatnonzero(reduce(np.logical_and, masks))
        excluded = {
            rule.text: int(np.count_nonzero(~mask)) for rule, mask in zip(self._rules, masks, strict=True)
        }
        if not legal.size:
            counts = ", ".join(f"`{text}` excludes {count:,}" for text, count in excluded.items() if count)
            raise SpecError(
                f"the space is empty: of its {self._num_raw:,} raw points {counts}.",
                "widen a parameter or loosen a constraint.",
            )
        return legal, excluded

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        """The parameters, as given."""
        return self._parameters

    @property
    def rules(self) -> tuple[Rule, ...]:
        """The constraints in force, the required one among them."""
        return self._rules

    @property
    def discrete(self) -> tuple[Discrete, ...]:
        """The parameters that span the lattice, in their given order."""
        return tuple(parameter for parameter in self._parameters if isinstance(parameter, Discrete))

    @property
    def continuous(self) -> tuple[Continuous, ...]:
        """The parameters beside the lattice, in their given order."""
        return tuple(parameter for parameter in self._parameters if isinstance(parameter, Continuous))

    @property
    def columns(self) -> dict[str, Column]:
        """Each discrete parameter's value in every legal point: read-only, shape (points,)."""
        return dict(self._columns)

    @property
    def codes(self) -> npt.NDArray[np.intp]:
        """Indices, from 0, of the discrete parameters' values at each legal point (points, discrete)."""
        return self._legal_codes.copy()

    @property
    def num_raw(self) -> int:
        """Points of the product before any constraint."""
        return self._num_raw

    @property
    def excluded(self) -> dict[str, int]:
        """Number of raw points that each rule excludes, by its text; several may exclude the same point."""
        return dict(self._excluded)

    def __len__(self) -> int:
        return len(self._legal)

    def point(self, row: int) -> dict[str, ParameterValue]:
        """The discrete part of a legal point, as the values the study gave.

        Raises:
            IndexError: `row` is not in 0 .. len - 1.
        """
        if not 0 <= row < len(self):
            raise IndexError(f"row {row} is not in 0..{len(self) - 1}")
        codes = self._legal_codes[row]
        return {p.name: p.values[code] for p, code in zip(self.discrete, codes.tolist(), strict=True)}

    def config(self, row: int, continuous: Mapping[str, float] | None = None) -> TrialConfig:
        """The configuration at a legal point, joined with values of the continuous parameters."""
        return TrialConfig.from_dict(self.point(row) | dict(continuous or {}))

    def __iter__(self) -> Iterator[TrialConfig]:
        if self.continuous:
            names = ", ".join(parameter.name for parameter in self.continuous)
            raise SpecError(
                f"the space cannot be listed: {names} is continuous.",
                "list its values (values: [...]) instead of low and high.",
            )
        return (self.config(row) for row in range(len(self)))

    def index(self, config: TrialConfig) -> int | None:
        """The row of a configuration's discrete part; None when that part is not a legal point.

        Continuous parameters are not looked at; a name that is not a parameter makes it None.
        """
        values = self._values(config)
        if values.keys() - {parameter.name for parameter in self._parameters}:
            return None
        codes = [
            code_of.get(key(values[parameter.name])) if parameter.name in values else None
            for parameter, code_of in zip(self.discrete, self._codes, strict=True)
        ]
        known = [code for code in codes if code is not None]
        if len(known) < len(codes):
            return None
        flat = int(np.ravel_multi_index(known, self._shape))
        row = int(np.searchsorted(self._legal, flat))
        return row if row < len(self) and self._legal[row] == flat else None

    def __contains__(self, config: object) -> bool:
        return isinstance(config, TrialConfig) and self.why_not(config) is None

    def why_not(self, config: TrialConfig) -> str | None:
        """Returns None for a legal configuration; else the first reason why it is not one, in words."""
        values = self._values(config)
        names = [parameter.name for parameter in self._parameters]
        for name in values:
            if name not in names:
                return f"{name} is not a parameter of the space, which varies {', '.join(names)}"
        for parameter in self._parameters:
            if parameter.name not in values:
                return f"{parameter.name} is missing"
            reason = why_not_value(parameter, values[parameter.name])
            if reason:
                return reason
        return self.why_excluded(values)

    def keeps_constraints(self, config: TrialConfig) -> bool:
        """Whether a configuration keeps every constraint; its values need not be the space's."""
        return self.why_excluded(config.as_dict()) is None

    def why_excluded(self, values: Mapping[str, ParameterValue]) -> str | None:
        """Returns None if the values keep every constraint; else the first that they break, in words."""
        return next((rule.why(values) for rule in self._rules if not rule.holds(values)), None)

    def dead_values(self) -> dict[str, list[ParameterValue]]:
        """The values that appear in no legal point, by parameter (those that have any)."""
        dead = {
            parameter.name: [
                value for code, value in enumerate(parameter.values) if code not in self._legal_codes[:, k]
            ]
            for k, parameter in enumerate(self.discrete)
        }
        return {name: values for name, values in dead.items() if values}

    def _values(self, config: TrialConfig) -> dict[str, ParameterValue]:
        """A configuration's values, less an accum_steps of 1 where the study does not vary it."""
        values = config.as_dict()
        is_varied = any(parameter.name == "accum_steps" for parameter in self._parameters)
        if not is_varied and config.accum_steps == 1:
            del values["accum_steps"]
        return values

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Lattice):
            return NotImplemented
        return (self._parameters, self._rules) == (other._parameters, other._rules)

    def __hash__(self) -> int:
        return hash((self._parameters, self._rules))

    def __repr__(self) -> str:
        names = ", ".join(parameter.name for parameter in self._parameters)
        return f"Lattice({len(self):,} of {self.num_raw:,} points of {names})"


def _frozen(column: Column) -> Column:
    column.setflags(write=False)
    return column


def _along(column: Column, axis: int, num_axes: int) -> Column:
    return column.reshape([-1 if k == axis else 1 for k in range(num_axes)])


def _check_parameters(parameters: tuple[Parameter, ...]) -> None:
    names = [parameter.name for parameter in parameters]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice:
        raise SpecError(f"the parameter {twice} is given twice.", "remove one.")
    discrete = {parameter.name: parameter for parameter in parameters if isinstance(parameter, Discrete)}
    for name in _NEEDED:
        if name not in discrete:
            raise SpecError(
                f"{name} is not among the discrete parameters.",
                f"give {name} values, or low and high.",
            )
    for name in CORE_NAMES:
        wrong = [v for v in (discrete[name].values if name in discrete else ()) if not _is_count(v)]
        if wrong:
            raise SpecError(f"{name}={wrong[0]!r} is not a positive integer.", "use 1 or more.")
        if name in names and name not in discrete:
            raise SpecError(f"{name} is continuous.", "use type: int.")
    for parameter in discrete.values():
        if not parameter.values:
            raise SpecError(f"{parameter.name} has no values.", "give at least one.")


def _is_count(value: ParameterValue) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1


def _check_rules(
    rules: Sequence[Rule], discrete: Sequence[Discrete], continuous: Sequence[Continuous]
) -> None:
    for rule in rules:
        for name in rule.names:
            if name in {parameter.name for parameter in continuous}:
                raise RuleError(
                    f"the constraint {rule.text!r} names {name}, which is continuous.",
                    f"list the values of {name}, or put the bound in its low and high.",
                    rule.text,
                )
            if name not in {parameter.name for parameter in discrete}:
                raise RuleError(
                    f"the constraint {rule.text!r} names {name!r}, which is not a parameter.",
                    "drop it.",
                    rule.text,
                )
