"""Calling a command in this process, and spoiling the folder of a run."""

import json
from dataclasses import dataclass, field
from pathlib import Path

from tests.journals import write_journal
from tuner.commands import load
from tuner.commands.output import Output
from tuner.run import make_parser
from tuner.runs.journal import read_journal


@dataclass
class Said:
    """The output of a command, and its exit code."""

    code: int = 0
    lines: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def text(self) -> str:
        return "\n".join(self.lines)

    @property
    def json(self):
        return json.loads(self.text)


def call(name: str, *words: str | Path) -> Said:
    """Calls a command in this process."""
    said = Said()
    args = make_parser(name).parse_args([str(word) for word in words])
    said.code = load(name).run(
        args, Output(say=said.lines.append, log=said.lines.append, note=said.notes.append)
    )
    return said


def cut(folder: Path, keep) -> None:
    """Keeps of a journal only the events that `keep` wants, by their place and themselves."""
    path = folder / "journal.jsonl"
    write_journal(path, [event for k, event in enumerate(read_journal(path)) if keep(k, event)])
