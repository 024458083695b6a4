"""A journal that keeps nothing: for simulated studies by the thousand, of which only the end is wanted."""

from __future__ import annotations

from typing import Any

from tuner.records.journal import Journal


class Unwritten(Journal):
    """Takes events and forgets them; touches no disk."""

    def __init__(self) -> None:
        """Opens nothing."""

    def append(self, event: str, /, *, elapsed_s: float, **fields: Any) -> None:
        """Forgets the event."""

    def close(self) -> None:
        """Has nothing to close."""
