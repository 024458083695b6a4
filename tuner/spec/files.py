"""Finds studies and hardware profiles: the user's own files first, then the shipped ones."""

from __future__ import annotations

import difflib
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

from tuner.errors import SpecError
from tuner.spec.custom_errors import guess
from tuner.spec.document import Mistake, read_document

_SUFFIX = ".yaml"


def stem(file: Traversable) -> str:
    """A file's name without `.yaml`."""
    return file.name.removesuffix(_SUFFIX)


def yaml_files(*below: str) -> list[Traversable]:
    """The YAML files of a folder of `search_spaces`, by name."""
    folder = resources.files("search_spaces").joinpath(*below)
    files = [file for file in folder.iterdir() if file.name.endswith(_SUFFIX) and file.is_file()]
    return sorted(files, key=lambda file: file.name)


def find(name_or_path: str) -> tuple[Traversable | Path, str]:
    """The file, and the name to report its mistakes under."""
    given = Path(name_or_path)
    for candidate in (given, Path(f"{name_or_path}{_SUFFIX}")):
        if candidate.is_file():
            return candidate, str(candidate)
    known = {stem(file): file for file in yaml_files()}
    name = name_or_path.removesuffix(_SUFFIX)
    if name in known:
        return known[name], known[name].name
    if given.is_dir():
        raise SpecError(f"{name_or_path!r} is a folder, not a study.", "name a file inside it.")
    close = difflib.get_close_matches(given.name.removesuffix(_SUFFIX), known, n=1)
    suggestion = f"did you mean {close[0]}? " if close else ""
    listed = ", ".join(known)
    raise SpecError(
        f"there is no file {name_or_path!r}, and no shipped study of that name.",
        f"{suggestion}The shipped ones are {listed}."
        if suggestion
        else f"give a path, or one of the shipped ones: {listed}.",
    )


def shipped_hardware(name: str) -> tuple[Any, list[Mistake]]:
    """A profile's values; for an unknown name those of some profile, and the mistake."""
    known = {stem(file): file for file in yaml_files("hardware")}
    mistakes = []
    if name not in known:
        what = f"there is no hardware profile {name!r}."
        fix = guess(name, sorted(known), "profiles") + " Or describe the device here."
        mistakes = [Mistake(path=("hardware",), what=what, fix=fix)]
        name = min(known)
    return read_document(known[name].read_bytes(), known[name].name).value, mistakes
