"""Calling a command in this process, and spoiling the folder of a run."""

import json
from dataclasses import dataclass, field
from pathlib import Path

from tuner.commands import load
from tuner.commands.output import Output
from tuner.run import make_parser


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
    said.code = load(name).run(args, Output(say=said.lines.append, note=said.notes.append))
    return said


def cut(folder: Path, keep) -> None:
    """Keeps of a journal only the lines whose number and event `keep` wants."""
    path = folder / "journal.jsonl"
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join(line for k, line in enumerate(lines) if keep(k, json.loads(line))))
