"""Finds the files that are the own source of a class, for whoever wants to know whether it has changed.

That is the module of the class and of each of its bases; in a package, every `*.py` beside it; and the
modules that those modules import, wherever in them, as far as they are the project's, and what these import
in turn. The project's is what is neither part of Python nor installed (`site-packages`), for there a version
tells one from another; and what is in the top package of the class, wherever that is. `tuner` is not among
it: it decides, and measures nothing.

Reads the modules and runs none of them. A module that is imported by a name made at run time is not found.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from functools import cache
from importlib.machinery import ModuleSpec
from pathlib import Path

_INSTALLED = ("site-packages", "dist-packages")
_DECIDES = "tuner"


def own_source(cls: type) -> dict[str, Path]:
    """Returns the files of a class's own source, by the names of their modules written as paths.

    Args:
        cls: A class whose module has been imported.

    Returns:
        Such as ``{"my_project/stage.py": Path("/home/me/my_project/stage.py")}``: the names do not depend on
        where the project is.
    """
    top, is_of_project = _top(cls.__module__), cache(_is_of_project)
    found = _beside(cls.__module__)
    seen: set[str] = set()
    to_read = [base.__module__ for base in cls.__mro__]
    while to_read:
        name = to_read.pop()
        if name in seen or not (_top(name) == top or is_of_project(_top(name))):
            continue
        seen.add(name)
        file = _file_of(name)
        if file is not None:  # a name of an import may be that of a function
            found[_named(name, file)] = file
            to_read += _imported_by(name, file)
    return found


def find_module(name: str) -> ModuleSpec:
    """Finds a module without importing it or its packages.

    Raises:
        ModuleNotFoundError: It, or a package that it is in, is not there; `name` of the error says which.
    """
    path, at, spec = None, "", None
    for part in name.split("."):
        at = f"{at}.{part}" if at else part
        spec = _find_below(at, path)
        if spec is None:
            raise ModuleNotFoundError(f"there is no module {at!r}", name=at)
        path = list(spec.submodule_search_locations or ())
    assert spec is not None
    return spec


def _find_below(name: str, path: list[str] | None) -> ModuleSpec | None:
    """Finds a module in the folders of its package; None if it is not there."""
    try:
        found = (finder.find_spec(name, path) for finder in sys.meta_path)
        return next((spec for spec in found if spec is not None), None)
    except KeyError:  # a namespace within a namespace, which Python finds only once its parent is imported
        spec = ModuleSpec(name, None, is_package=True)
        places = (Path(folder, name.rpartition(".")[2]) for folder in path or ())
        spec.submodule_search_locations = [str(place) for place in places if place.is_dir()]
        return spec


def _is_of_project(top: str) -> bool:
    """Whether a top package or module, which need not exist, is the project's."""
    if top in sys.stdlib_module_names or top in ("", "__main__", _DECIDES):
        return False
    file, spec = _file_of(top), _spec_of(top)
    places = [*([file] if file else []), *map(Path, (spec and spec.submodule_search_locations) or ())]
    return bool(places) and not any(part in _INSTALLED for place in places for part in place.parts)


def _file_of(name: str) -> Path | None:
    """The file of a module; None if it has none."""
    module = sys.modules.get(name)
    spec = _spec_of(name)
    file = spec.origin if spec and spec.has_location else getattr(module, "__file__", None)
    return Path(file) if file else None


def _spec_of(name: str) -> ModuleSpec | None:
    module = sys.modules.get(name)
    if module is not None and module.__spec__ is not None:
        return module.__spec__
    try:
        return find_module(name)
    except (ImportError, AttributeError):  # also by a finder of a time before specs
        return None


def _named(name: str, file: Path) -> str:
    stem = name.replace(".", "/")
    return f"{stem}/{file.name}" if file.stem == "__init__" else f"{stem}{file.suffix}"


def _beside(name: str) -> dict[str, Path]:
    """The Python files beside a module that is in a package."""
    file = _file_of(name)
    package = _package_of(name, file)
    if file is None or not package:
        return {}
    return {f"{package.replace('.', '/')}/{other.name}": other for other in file.parent.glob("*.py")}


def _package_of(name: str, file: Path | None) -> str:
    is_package = file is not None and file.stem == "__init__"
    return name if is_package else name.rpartition(".")[0]


def _imported_by(name: str, file: Path) -> Iterator[str]:
    """Yields the modules that a module names in its imports, with the packages that they are in."""
    yield from _parents(name)
    if file.suffix != ".py":
        return
    try:
        tree = ast.parse(file.read_bytes())
    except (OSError, SyntaxError, ValueError):
        return  # that it is so is told where it is imported; its fingerprint is known all the same
    for node in ast.walk(tree):
        for imported in _names_in(node, _package_of(name, file)):
            yield imported
            yield from _parents(imported)


def _names_in(node: ast.AST, package: str) -> Iterator[str]:
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        base = node.module or ""
        if node.level:
            parts = package.split(".")
            base = ".".join([*parts[: len(parts) - node.level + 1], *filter(None, [node.module])])
        yield base
        yield from (f"{base}.{alias.name}" for alias in node.names)  # which may be a module too


def _parents(name: str) -> Iterator[str]:
    while name := name.rpartition(".")[0]:
        yield name


def _top(name: str) -> str:
    return name.partition(".")[0]
