"""One finding of `doctor`: a line that is ok, warn or fail, with its fix. Finds nothing itself."""

from __future__ import annotations

from dataclasses import dataclass

from foundation.one_line import MAX_LINE, one_line
from tuner.errors import TunerError, split_fix

OK, WARN, FAIL = "ok", "warn", "fail"
CHECK_FAILED, MISTAKE = 1, 2
"""Exit codes of a check that fails, and of a study with a mistake."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnosis:
    """One line: what was looked at, how it is, what was seen, and what to do about it.

    Attributes:
        exit_code: The exit code of `doctor` if this fails.
    """

    name: str
    level: str
    seen: str
    fix: str = ""
    exit_code: int = CHECK_FAILED

    def __post_init__(self) -> None:
        for name in ("seen", "fix"):  # both may quote a stage, a script or a library
            object.__setattr__(self, name, one_line(getattr(self, name), MAX_LINE))

    def __str__(self) -> str:
        fix = f" Fix: {self.fix}" if self.fix else ""
        return f"{self.level:<4}  {self.name:<10} {self.seen}{fix}"


def mistake(name: str, error: TunerError) -> Diagnosis:
    """The failure for a mistake in the study."""
    return Diagnosis(name=name, level=FAIL, seen=error.message, fix=error.hint, exit_code=MISTAKE)


def told(name: str, text: str) -> Diagnosis:
    """What a stage tells of a trial: ok, unless the text asks for a change."""
    seen, fix = split_fix(text)
    return Diagnosis(name=name, level=WARN if fix else OK, seen=seen, fix=fix)
