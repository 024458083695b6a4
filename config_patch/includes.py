"""Finds the files that a YAML file includes by a key `include` at its top, and what they hold.

The including file's values come on top of those of the file it includes, section by section. Reads files, and
writes none. A name that leads to no file includes nothing: the key may mean something else.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

MAX_FILES = 100
"""Most files that are followed."""


def included_by(file: Path) -> dict[Path, str]:
    """Returns the text of every file that a file includes, itself or through another, nearest first.

    Raises:
        OSError: One of them cannot be read.
        UnicodeDecodeError: One of them is not UTF-8 text.
    """
    found: dict[Path, str] = {}
    waiting = [file]
    while waiting and len(found) < MAX_FILES:
        at = waiting.pop(0)
        for other in _named_in(at, found.get(at)):
            if other.resolve() not in [known.resolve() for known in (file, *found)]:
                found[other] = _text(other)
                waiting.append(other)
    return found


def _named_in(file: Path, text: str | None) -> Iterator[Path]:
    if file.suffix.lower() not in (".yaml", ".yml"):
        return
    try:
        values = YAML(typ="rt", pure=True).load(_text(file) if text is None else text)
    except (YAMLError, ValueError, RecursionError):
        return  # whoever patches the file says so
    names = values.get("include") if isinstance(values, dict) else None
    for name in names if isinstance(names, list) else [names]:
        if isinstance(name, str):
            path = file.parent / name
            candidates = (path, Path(f"{path}.yaml"), Path(f"{path}.yml"))
            yield from [candidate for candidate in candidates if candidate.is_file()][:1]


def _text(file: Path) -> str:
    return file.read_bytes().decode("utf-8")
