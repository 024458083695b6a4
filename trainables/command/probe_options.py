"""The option ``probe``: how a script is told to do few steps, read and checked without starting anything.

Knows what its keys mean, and how many steps an epoch has. Does not know how a script is run.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Self

from trainables.command.mistakes import are_words, mistake, no_words
from trainables.command.words import STEPS, names_in, word_of

UNITS = ("batch", "update", "sample")
_NUMBER = f"{{{STEPS}}}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbeOptions:
    """How to start the script of a stage for a few steps only.

    Attributes:
        steps: Steps of the shorter of two starts; the longer one does twice as many. ``{num_steps}`` is
            their number.
        unit: What the script counts as a step: a ``batch``, an ``update`` of the optimizer (``accum_steps``
            batches), or a ``sample``.
        args: Words that are appended to ``command``.
        patch: Keys of ``config`` and their values, on top of those of option ``patch``: words and texts as
            there, or numbers, true and false as they are.

    Raises:
        ValueError: A value makes no sense; the message names key, value and fix.
    """

    steps: int
    unit: str = "batch"
    args: list[str] = field(default_factory=list)
    patch: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if isinstance(self.steps, bool) or not isinstance(self.steps, int) or self.steps < 1:
            raise mistake("probe.steps", self.steps, "write a whole number of steps, such as 20")
        if self.unit not in UNITS:
            raise mistake("probe.unit", self.unit, f"use one of {', '.join(UNITS)}")
        if not are_words(self.args):
            raise no_words("probe.args", self.args, f"['--max-steps', '{_NUMBER}']")
        if not isinstance(self.patch, Mapping) or not all(isinstance(key, str) for key in self.patch):
            fix = f"map keys to values, such as {{train.max_steps: {STEPS}}}"
            raise mistake("probe.patch", self.patch, fix)
        for key, value in self.patch.items():
            if not isinstance(value, str | int | float):
                fix = "write a word, a text, a number, true or false"
                raise mistake(f"probe.patch.{key}", value, fix)
        if STEPS not in {name for _, _, name in self.uses()}:
            fix = f"write {_NUMBER} into args, or KEY: {STEPS} into patch, as the script reads how many to do"
            raise mistake("probe", {"args": self.args, "patch": dict(self.patch)}, fix)

    @classmethod
    def parse(cls, raw: object, *, config: str) -> Self | None:
        """Reads the option; None if it is empty.

        Args:
            raw: The option's value.
            config: The option ``config``.

        Raises:
            ValueError: It makes no sense; the message names key, value and fix.
        """
        if not isinstance(raw, Mapping):
            raise mistake("probe", raw, f"write {{steps: 20, args: ['--max-steps', '{_NUMBER}']}}")
        if not raw:
            return None
        known = [one.name for one in fields(cls)]
        for key in raw:
            if key not in known:
                close = difflib.get_close_matches(str(key), known, n=1)
                raise mistake(
                    "probe", key, f"did you mean {close[0]}" if close else f"use {', '.join(known)}"
                )
        if "steps" not in raw:
            raise mistake("probe", dict(raw), "add steps, the number of steps that a short start does")
        probe = cls(**raw)
        if probe.patch and not config:
            raise mistake("config", config, "name the YAML, JSON or TOML file that probe.patch is to patch")
        if not config and any(name == "config" for _, _, name in probe.uses()):
            raise mistake("config", config, "name the file that {config} copies, or remove that word")
        return probe

    def uses(self) -> Iterator[tuple[str, str, str]]:
        """Yields option, text and name for every place where a word is named."""
        for text in self.args:
            yield from (("probe.args", text, name) for name in names_in(text))
        for key, text in self.patch.items():
            if isinstance(text, str):
                name = word_of(text)
                names = names_in(text) if name is None else [name]
                yield from (("probe.patch", f"{key}: {text}", name) for name in names)

    def steps_per_epoch(self, params: Mapping[str, Any], num_samples: int) -> float:
        """Returns the steps of an epoch; in proportion only where ``num_samples`` is 0, which is unknown.

        Batches are counted as everywhere: ``num_samples / batch_size``, rounded, half a batch up.
        """
        if self.unit == "sample":
            return float(num_samples or 1)
        size = int(params["batch_size"])
        batches = max(1, (2 * num_samples + size) // (2 * size)) if num_samples else 1 / size
        return batches / (int(params.get("accum_steps", 1)) if self.unit == "update" else 1)
