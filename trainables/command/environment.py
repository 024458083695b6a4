"""The environment variables that a script gets: the user's own, without those of the machinery around it.

Knows names. Starts nothing.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from trainables.command.metrics_place import environment_of
from trainables.command.options import CommandOptions
from trainables.command.words import fill

NOT_INHERITED = ("RAY_", "TUNE_")
"""Beginnings of the names that Ray, and we for Ray, have set: its addresses and tokens among them."""

_THREADS = "OMP_NUM_THREADS"
"""Ray sets it in its workers to the CPUs of a trial; the user may have set it before."""


def script_environment(options: CommandOptions, words: Mapping[str, Any]) -> dict[str, str]:
    """Returns all variables of a script.

    Args:
        options: Those of the stage; ``env`` comes last, so that it wins.
        words: Values of the words in braces.

    Raises:
        ValueError: There is no such word.
    """
    found = {name: value for name, value in os.environ.items() if not name.startswith(NOT_INHERITED)}
    if _THREADS in found and not _was_started_with(_THREADS):
        del found[_THREADS]
    found["PYTHONUNBUFFERED"] = "1"
    # Ray and NVML count cards by bus; left to itself CUDA counts the fastest first.
    found["CUDA_DEVICE_ORDER"] = "PCI_BUS_ID"
    if options.device == "cpu":
        found["CUDA_VISIBLE_DEVICES"] = ""
    found |= environment_of(options.source, fill(options.file, words))
    return found | {name: fill(str(text), words) for name, text in options.env.items()}


def _was_started_with(name: str, environ: Path = Path("/proc/self/environ")) -> bool:
    """Whether this process had a variable when it began; True where the kernel does not say."""
    try:
        return any(entry.startswith(f"{name}=".encode()) for entry in environ.read_bytes().split(b"\0"))
    except OSError:
        return True
