"""Checks that what a study varies reaches the script, in a word of its command or in its configuration.

Knows names only. Does not know values, and starts nothing.
"""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterator

from trainables.command.mistakes import mistake
from trainables.command.options import CommandOptions
from trainables.command.probe_options import ProbeOptions
from trainables.command.words import EPOCH, OWN_WORDS, STEPS, names_in, word_of

_EVALUATION = ("evaluate", "evaluate_file", "evaluate_start")
_REACH_NO_TRAINING = (*_EVALUATION, "probe.args", "probe.patch")
"""Options whose words a training does not see."""


def check_parameters(options: CommandOptions, varying: Collection[str], fixed: Collection[str]) -> None:
    """Finds a study whose parameters and words do not fit each other.

    Args:
        options: The stage's options.
        varying: Parameters with more than one value.
        fixed: Parameters with a single value, which may be left out of the command.

    Raises:
        ValueError: A parameter has the name of one of our words; a word is neither a parameter nor ours; a
            parameter that varies reaches nothing.
    """
    names = [*varying, *fixed]
    own = [*OWN_WORDS, *([STEPS] if options.probe else []), *([EPOCH] if options.evaluate else [])]
    for name in names:
        if name in own:
            raise ValueError(
                f"the parameter {name!r} has the name of a word that the command stage fills in itself "
                f"({', '.join(own)}). Fix: give the parameter another name."
            )
    for where, text, name in _uses(options):
        known = _known(where, names)
        if name not in known:
            raise _unknown(where, text, name, known)
    for key, text in options.constants.items():
        for name in names_in(text) if isinstance(text, str) else ():
            if name in _known("patch", names):
                raise mistake(
                    f"constants.{key}",
                    text,
                    f"write {key} into patch, where {{{name}}} is filled in; constants are written as they "
                    f"stand (if the text {{{name}}} itself is meant, patch has {{{{{name}}}}} for it)",
                )
    if unreached := [name for name in varying if not reaches_script(options, name)]:
        raise _unreached(unreached)


def reaches_script(options: CommandOptions, name: str) -> bool:
    """Whether the script is told the value of a word; telling it to another command does not count."""
    return any(told == name and where not in _REACH_NO_TRAINING for where, _, told in _uses(options))


def _known(where: str, names: list[str]) -> list[str]:
    """Returns the words that an option may name."""
    own = [word for word in OWN_WORDS if word != "config" or not where.endswith("patch")]
    more = [STEPS] if where.startswith("probe.") else [EPOCH] if where in _EVALUATION else []
    return [*names, *own, *more]


def _uses(options: CommandOptions) -> Iterator[tuple[str, str, str]]:
    """Yields option, text and name for every place where an option names a word."""
    texts = [("command", text) for text in options.command] + [("file", options.file)]
    texts += [("evaluate_start", text) for text in options.evaluate_start]
    texts += [("evaluate", text) for text in options.evaluate] + [("evaluate_file", options.evaluate_file)]
    texts += [("env", str(text)) for text in options.env.values()]
    for where, text in texts:
        yield from ((where, text, name) for name in names_in(text))
    for key, text in options.patch.items():
        name = word_of(text)
        names = names_in(text) if name is None else [name]
        yield from (("patch", f"{key}: {text}", name) for name in names)
    if probe := ProbeOptions.parse(options.probe, config=options.config):
        yield from probe.uses()


def _unknown(where: str, text: str, name: str, known: list[str]) -> ValueError:
    in_place = "{{{}}}" if f"{{{name}}}" in text else "{}"
    close = difflib.get_close_matches(name, known, n=1)
    fix = f"did you mean {in_place.format(close[0])}? " if close else ""
    fix += f"Known are {', '.join(known)}."
    if in_place != "{}":
        fix += f" If the text {{{name}}} itself is meant, write {{{{{name}}}}}."
    said = in_place.format(name)
    return ValueError(
        f"stage option {where}: {said} in {text!r} is neither a parameter of the study nor a word of the "
        f"command stage. Fix: {fix}"
    )


def _unreached(names: list[str]) -> ValueError:
    first, *more = names
    also = f" Nor do {', '.join(more)}." if more else ""
    return ValueError(
        f"the study varies the parameter {first!r}, but it does not reach the script: no word of stage "
        f"option command contains it, and no key of patch gets it.{also} Fix: write {{{first}}} into "
        f"command, or KEY: {first} into patch, or give it a single value."
    )
