"""The errors that a caller shows its user when a file cannot be patched."""

from __future__ import annotations


class ConfigPatchError(Exception):
    """A file that cannot be read, or a value that must not be replaced.

    Args:
        message: What is wrong, with the file and the line.
        hint: The fix.
    """

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message, hint)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message} Fix: {self.hint}"


class MissingKeyError(ConfigPatchError):
    """The file does not have the key."""
