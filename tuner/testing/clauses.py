"""Defines a clause of a contract, and runs a list of them.

Knows nothing of any particular contract.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

Case = TypeVar("Case")
Seen = str | None
"""Returns what a clause saw that it should not have; None if it holds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokenClause:
    """A clause that does not hold.

    Attributes:
        clause: Name of the clause: what should be true.
        seen: The observation that breaks it.
        fix: A way to mend it.
        error: The exception, when it was one that was seen.
    """

    clause: str
    seen: str
    fix: str
    error: Exception | None = None

    def __str__(self) -> str:
        return f"- {self.clause}\n    seen: {self.seen}\n    fix: {self.fix}"


class ContractError(AssertionError):
    """A contract is broken.

    Attributes:
        broken: The clauses that do not hold.
        not_run: Names of those that could not be asked, as they need a broken one.
    """

    def __init__(self, broken: Sequence[BrokenClause], not_run: Sequence[str] = ()) -> None:
        self.broken, self.not_run = tuple(broken), tuple(not_run)
        lines = [f"{len(broken)} broken:", *map(str, broken)]
        super().__init__("\n".join([*lines, *(f"- not run: {name}" for name in not_run)]))


@dataclass(frozen=True, slots=True, kw_only=True)
class Clause(Generic[Case]):
    """A clause as something to call: returns when it holds for a case, else raises `ContractError`.

    Attributes:
        name: The statement that should be true; also its `str`, for the ids of a parametrised test.
        fix: A way to mend what breaks it.
        look: Asks it of a case.
        needs: Names of the clauses without which it says nothing.
    """

    name: str
    fix: str
    look: Callable[[Case], Seen]
    needs: tuple[str, ...] = ()

    def __call__(self, case: Case) -> None:
        """Raises `ContractError` unless the clause holds for `case`."""
        broken = self.broken(case)
        if broken is not None:
            raise ContractError([broken]) from broken.error

    def broken(self, case: Case) -> BrokenClause | None:
        """Returns what is wrong, None if nothing is; an exception is wrong too."""
        error = None
        try:
            seen = self.look(case)
        except Exception as caught:  # whatever a plug-in raises is a finding
            error, seen = caught, f"{type(caught).__name__}: {caught}"
        return None if seen is None else BrokenClause(clause=self.name, seen=seen, fix=self.fix, error=error)

    def __str__(self) -> str:
        return self.name


def clause(
    fix: str, *, needs: Sequence[Clause[Any]] = ()
) -> Callable[[Callable[[Case], Seen]], Clause[Case]]:
    """Makes a `Clause` of a function whose name says what should be true."""

    def make(look: Callable[[Case], Seen]) -> Clause[Case]:
        names = tuple(need.name for need in needs)
        return Clause(name=look.__name__.replace("_", " "), fix=fix, look=look, needs=names)

    return make


def run_clauses(clauses: Sequence[Clause[Case]], case: Case) -> None:
    """Runs all clauses in order, but those that need a broken one.

    Raises:
        ContractError: Clauses are broken; lists all of them.
    """
    broken: list[BrokenClause] = []
    lost: list[str] = []
    for one in clauses:
        if any(need in lost or need in (b.clause for b in broken) for need in one.needs):
            lost.append(one.name)
        elif found := one.broken(case):
            broken.append(found)
    if broken:
        raise ContractError(broken, lost) from next((b.error for b in broken if b.error), None)
