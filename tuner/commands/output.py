"""Defines where a command's words go. Knows no terminal: `tuner.run` hands in what prints."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Output:
    """The two streams of the command line.

    Attributes:
        say: Prints a line on standard output. The command has failed if it cannot be written.
        log: The same for a line that the files of a run have too: the command goes on without it.
        note: Prints a line on standard error.
    """

    say: Callable[[str], None]
    log: Callable[[str], None]
    note: Callable[[str], None]

    def say_json(self, value: Any) -> None:
        """Prints one JSON object; what JSON has no number for is null."""
        self.say(json.dumps(_finite(value), indent=2, allow_nan=False))


def _finite(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, Mapping):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_finite(item) for item in value]
    return value


def shown(path: Path) -> str:
    """A path as short as it can be said from here."""
    with suppress(ValueError):
        return str(path.relative_to(Path.cwd()))
    return str(path)
