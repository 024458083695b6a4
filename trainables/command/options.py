"""The options of a command stage, checked as far as they can be without starting anything.

Knows what each option means. Does not know how a script is run.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Self

SOURCES = ("json", "regex", "file")
METRICS = ("nrmse", "loss", "time_s", "peak_memory_gib")


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandOptions:
    """How to run a script.

    Words in braces are replaced: parameters, ``{seed}``, ``{num_epochs}``, ``{num_samples}``,
    ``{num_threads}``, ``{python}``, ``{dir}`` (the trial's folder) and ``{config}``.

    Attributes:
        command: The program and its arguments, as a list of words; no shell reads it.
        num_samples: As the study says; for the template.
        config: A YAML or JSON file, copied for each trial to ``{config}``.
        patch: Dotted keys of ``config``, and the parameter (or other word) whose value each gets.
        source: Where metrics are: ``json`` objects in lines of output, a ``regex`` on the lines, or a
            JSON ``file`` (one object, or one a line of which the last counts) read at the end.
        pattern: The regex; its named groups are metrics.
        file: The metrics file; may contain words in braces.
        keys: Our names (nrmse, loss, time_s, peak_memory_gib) to the script's. time_s is cumulative.
        start: A regex on a line that says training begins: what is before it is warm-up.
        per_epoch: False: the script reports once, at its end, for the whole budget.
        logs: Folder in which every trial's folder is kept; empty: a trial's folder is a temporary
            one, removed when the trial ends.
        grace_s: Seconds between SIGTERM and SIGKILL.

    Raises:
        ValueError: A value makes no sense; the message names option, value and fix.
    """

    command: list[str]
    num_samples: int = 0
    config: str = ""
    patch: Mapping[str, str] = field(default_factory=dict)
    source: str = "json"
    pattern: str = ""
    file: str = ""
    keys: Mapping[str, str] = field(default_factory=dict)
    start: str = ""
    per_epoch: bool = True
    logs: str = ""
    grace_s: float = 5.0

    def __post_init__(self) -> None:
        self._check_types()
        if self.source not in SOURCES:
            raise mistake("source", self.source, f"use one of {', '.join(SOURCES)}")
        if self.source == "file" and not self.file:
            raise mistake("file", self.file, "name the metrics file, such as '{dir}/metrics.json'")
        if self.source == "file" and self.per_epoch:
            raise mistake("per_epoch", True, "write per_epoch: false; a file is read at the end")
        if self.patch and not self.config:
            raise mistake("config", self.config, "name the YAML or JSON file to patch")
        for name in self.keys:
            if name not in METRICS:
                raise mistake("keys", name, f"use one of {', '.join(METRICS)}")
        self._check_regexes()

    def _check_types(self) -> None:
        if not (_are_words(self.command) and self.command):
            raise mistake("command", self.command, "write a list of words, such as ['{python}', 'train.py']")
        for name in ("config", "source", "pattern", "file", "start", "logs"):
            if not isinstance(getattr(self, name), str):
                raise mistake(name, getattr(self, name), "write text, in quotes where YAML needs them")
        for name in ("patch", "keys"):
            value = getattr(self, name)
            if not (isinstance(value, Mapping) and _are_words([*value, *value.values()])):
                raise mistake(name, value, "write names and names, such as {a: b}")
        if not isinstance(self.per_epoch, bool):
            raise mistake("per_epoch", self.per_epoch, "write true or false")
        if isinstance(self.grace_s, bool) or not isinstance(self.grace_s, int | float) or self.grace_s < 0:
            raise mistake("grace_s", self.grace_s, "write seconds, such as 5")

    def _check_regexes(self) -> None:
        for name in ("pattern", "start"):
            try:
                re.compile(getattr(self, name))
            except re.error as error:
                raise mistake(name, getattr(self, name), f"correct the regex ({error})") from error
        groups = re.compile(self.pattern).groupindex
        for ours in {"nrmse", *self.keys} if self.source == "regex" else ():
            theirs = self.keys.get(ours, ours)
            if theirs not in groups:
                fix = f"give the regex a group named {theirs}, such as {theirs}=(?P<{theirs}>[0-9.e+-]+)"
                raise mistake("pattern", self.pattern, fix)

    @classmethod
    def parse(cls, raw: Mapping[str, Any]) -> Self:
        """Reads the options of a study; ValueError names the key and the fix."""
        known = [f.name for f in fields(cls)]
        for key in raw:
            if key not in known:
                raise ValueError(f"unknown stage option {key!r}. Fix: known are {', '.join(known)}.")
        return cls(**{"command": [], **raw})


def mistake(name: str, value: object, fix: str) -> ValueError:
    """The error for an option that makes no sense."""
    return ValueError(f"stage option {name}={value!r} makes no sense. Fix: {fix}.")


def _are_words(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(word, str) for word in value)
