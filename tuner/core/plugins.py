"""Makes an object that a study names: one of ours by its short name, or anyone's as `module:Class`.

Knows what is wrong with a name or with options and says the fix; knows nothing of what it makes.
"""

from __future__ import annotations

import difflib
import importlib
import inspect
from collections.abc import Callable, Mapping
from typing import Any

from foundation.one_line import one_line
from tuner.core.imports import MAX_REASON, why_not_imported
from tuner.errors import Interrupted, SpecError


def make(
    kind: str,
    name: str,
    *,
    known: Mapping[str, Callable[..., Any]],
    options: Mapping[str, Any],
    given: Mapping[str, Any] | None = None,
) -> Any:
    """Calls what `name` stands for with `options`, and with `given`, which no option may replace.

    Args:
        kind: Kind of thing that is made, for messages: "sampler".
        name: A key of `known`, or `module:Class`.
        known: Ours, by short name.
        options: Options as written in the study.
        given: Arguments that the tuner passes itself.

    Raises:
        SpecError: The name, the module, the class or an option is wrong.
    """
    given = given or {}
    factory = known[name] if name in known else _import(kind, name, known)
    _check_options(kind, name, factory, options, given)
    try:
        return factory(**given, **options)
    except (TypeError, ValueError) as error:
        raise SpecError(
            f"the {kind} {name!r} cannot be made with the options {dict(options)}: "
            f"{one_line(str(error), MAX_REASON)}",
            "correct the option that the error names.",
        ) from error


def _import(kind: str, name: str, known: Mapping[str, Any]) -> Callable[..., Any]:
    module_name, colon, class_name = name.partition(":")
    if not colon:
        raise SpecError(
            f"there is no {kind} {name!r}.",
            f"{_did_you_mean(name, known)}choose one of {', '.join(known)}, or module:Class.",
        )
    try:
        module = importlib.import_module(module_name)
    except Interrupted:
        raise
    except BaseException as error:
        said, fix = why_not_imported(error)
        raise SpecError(f"the {kind} {name!r} cannot be imported: {said}.", fix) from error
    factory = getattr(module, class_name, None)
    if not callable(factory):
        raise SpecError(
            f"the {kind} {name!r} cannot be imported: {module_name!r} has no {class_name!r}.",
            f"{_did_you_mean(class_name, vars(module))}check the part after the colon.",
        )
    return factory  # type: ignore[no-any-return]  # callable is all that can be known of it


def _check_options(
    kind: str,
    name: str,
    factory: Callable[..., Any],
    options: Mapping[str, Any],
    given: Mapping[str, Any],
) -> None:
    parameters = inspect.signature(factory).parameters
    if any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values()):
        return
    allowed = [key for key in parameters if key not in given]
    for key in options:
        if key not in allowed:
            what = ", ".join(allowed) or "none"
            raise SpecError(
                f"the {kind} {name!r} has no option {key!r}.",
                f"{_did_you_mean(key, allowed)}its options are: {what}.",
            )


def _did_you_mean(word: str, words: Any) -> str:
    close = difflib.get_close_matches(word, list(words), n=1)
    return f"did you mean {close[0]!r}? " if close else ""
