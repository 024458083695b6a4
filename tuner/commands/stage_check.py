"""Checks a study's stage without importing it, so that to plan and to simulate need neither Ray nor torch.

Finds the stage's module and reads its source. If that has a function `check_study(options, varying, fixed)`,
or imports one, the function judges the options; the module that has it promises that importing it is cheap.
What else a stage has to say is asked when it is imported: `tuner.ray_adapter.stages`. The stages that come
with distill-tuner are asked nothing else; see `preflight`.
"""

from __future__ import annotations

import ast
import importlib
from collections.abc import Iterator
from contextlib import suppress
from importlib.machinery import ModuleSpec
from pathlib import Path

from foundation.own_source import find_module
from tuner.core.imports import why_not_imported
from tuner.core.study import StudySpec
from tuner.errors import StageError, split_fix

CHECK = "check_study"
"""Name of the function by which a stage's module checks a study."""


def check_stage(study: StudySpec) -> None:
    """Raises StageError for a stage that is not there, or that refuses the study's options or parameters."""
    class_path = study.stage.class_path
    module, _, class_name = class_path.partition(":")
    tree = _tree_of(_find(module, study), class_path)
    if tree is None:
        return
    names = _names_in(tree)
    if class_name not in names and "*" not in names:
        raise StageError(
            f"{study.path}: the stage {class_path!r} cannot be imported: {module} has no {class_name!r}.",
            "correct stage.class.",
        )
    if CHECK in names:
        _ask(_home_of_check(tree) or module, study)


def _ask(module: str, study: StudySpec) -> None:
    varying, fixed = study.varying_and_fixed()
    try:
        getattr(importlib.import_module(module), CHECK)(dict(study.stage.options), varying, fixed)
    except ValueError as error:
        message, hint = split_fix(str(error))
        raise StageError(f"{study.path}: {message}", hint) from error


def _find(module: str, study: StudySpec) -> ModuleSpec:
    """Finds a module without importing its packages."""
    try:
        return find_module(module)
    except ModuleNotFoundError as error:
        raise StageError(
            f"{study.path}: the stage {study.stage.class_path!r} cannot be imported: {error}.",
            "correct stage.class, install its module, or run from the folder that holds it.",
        ) from error


def _home_of_check(tree: ast.Module) -> str:
    """The module from which a module imports its check, where it does: the other one may be cheap."""
    imports = (statement for statement in tree.body if isinstance(statement, ast.ImportFrom))
    found = (one.module for one in imports if not one.level and CHECK in [a.name for a in one.names])
    return next(filter(None, found), "")


def _tree_of(spec: ModuleSpec, class_path: str) -> ast.Module | None:
    """The syntax tree of a module; None if there is no source."""
    if not spec.origin or not spec.origin.endswith(".py"):
        return None
    try:
        return ast.parse(Path(spec.origin).read_bytes(), spec.origin)
    except SyntaxError as error:
        said, fix = why_not_imported(error)
        raise StageError(f"the stage {class_path!r} cannot be imported: {said}.", fix) from error


def _names_in(tree: ast.Module) -> set[str]:
    """The names that a module binds, "*" among them if there may be others."""
    names = set(_bound(tree.body))
    if "__getattr__" in names:  # what it makes is in __all__, or cannot be known
        names |= _listed(tree) or {"*"}
    return names


def _listed(tree: ast.Module) -> set[str]:
    """The names in `__all__`; none if it is not there, or not written out in one place."""
    assigned = [
        statement.value
        for statement in tree.body
        if isinstance(statement, ast.Assign)
        and any(isinstance(target, ast.Name) and target.id == "__all__" for target in statement.targets)
    ]
    is_one = len(assigned) == 1 and not any(isinstance(node, ast.AugAssign) for node in tree.body)
    with suppress(ValueError):
        return set(ast.literal_eval(assigned[0])) if is_one else set()
    return set()


def _bound(body: list[ast.stmt]) -> Iterator[str]:
    """Yields the names that statements bind at the top level of a module, within `if` and `try` too."""
    for statement in body:
        match statement:
            case ast.ClassDef(name=name) | ast.FunctionDef(name=name):
                yield name
            case ast.Import(names=aliases) | ast.ImportFrom(names=aliases):
                yield from (alias.asname or alias.name for alias in aliases)
            case ast.Assign() | ast.AnnAssign():
                found = (node for node in ast.walk(statement) if isinstance(node, ast.Name))
                yield from (node.id for node in found if isinstance(node.ctx, ast.Store))
            case ast.If() | ast.Try() | ast.With():
                for part in ("body", "orelse", "finalbody"):
                    yield from _bound(getattr(statement, part, []))
                for handler in getattr(statement, "handlers", []):
                    yield from _bound(handler.body)
