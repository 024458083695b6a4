"""Tells from a line of text, a library's or a script's, that training left out some of its work.

Does not know where the line is from.
"""

from __future__ import annotations

import re

from foundation.sentences import ADVICE, FLAG, HYPOTHESIS, has_any

_MAY_SPEAK_OF_SKIPPING = ("skip", "drop", "discard", "ignor", "continuing")
_SKIPPED = re.compile(
    r"""(?xi)\b(?:skipp(?:ing|ed)|skip\ (?:the|this|batch|chunk|step)
    |(?:dropp|discard|ignor)(?:ing|ed)\ (?:the\ |this\ )?(?:batch|chunk|step|update)
    |(?:batch|chunk|step|update)\w*\ (?:ignored|dropped|discarded)
    |(?:fail\w*|error)\b.{0,40}\b(?:batch|chunk|step)\b.{0,40}\bcontinuing)\b | (?:->|=>|→)\ skip\b"""
)
_WORK = re.compile(
    r"""(?xi)\b(?:micro-?|mini-?)?(?:batch(?:es)?|chunks?|steps?|updates?|updating|iterations?|samples?)\b"""
)
_NOT_TRAINING = re.compile(
    r"""(?xi)\b(?:updates?\ check\w*|check\w*\ for\ updates?|validation|warm-?up|resum\w+|already|upload\w*
    |early\ stopping|checkpoint\w*|sav(?:e|ing)|compil\w*|nan\ check|enabled|disabled|autotun\w*|wandb
    |tensorboard|logging)\b | \w\.compile\b | \bskipping\ (?:batches|steps)\ \d+\ ?-"""
)
"""Words for work other than training, or for work that was done before."""
_LOSS = re.compile(r"(?i)\bloss(?:es)?\b")
_CAUSE = re.compile(
    r"""(?xi)\b(?:\w*errors?|\w*exceptions?|fail(?:ed|ures?|s)|nans?|infs?|infinit\w+|non-?finite
    |not\ finite|invalid\ loss)\b"""
)
_NOT_FINITE = re.compile(r"(?i)\b(?:nan|inf|infinit\w+|non-?finite|not finite)\b")
_NONE_OF_IT = re.compile(
    r"""(?xi)\b(?:no|0|zero|without)\s+(?:\w+\s+)?(?:errors?|failures?|nans?|\w+\s+skipped)\b
    | \bskipped\s+0\b
    | \b(?:n?rmse|mse|mae|mean|absolute|squared|relative|test|train\w*)[ _]errors?\b
    | \berrors?\ (?:did\ not\ improve|[\d.]+)
    | \b(?:skipped|nan|inf|errors?|failures?|failed)(?:[ _-]\w+)?["']?\s*[:=]\s*(?:0\b|none\b|false\b|no\b)"""
)
_LOSS_SCALING = re.compile(r"(?i)overflow\b|loss[ _-]?scal|grad[ _-]?scal|\bamp\b|\bfp16\b")


def says_work_was_skipped(line: str) -> bool:
    """Whether a line says that training left out work because of an error or a loss that is not finite.

    Batches, chunks, steps or updates that are skipped, and the cause, must both be named. A step that
    is left out while automatic mixed precision looks for its loss scale is ordinary, and so is
    skipping without an error (what a resumed run has done already, the last batch).
    """
    if (
        not has_any(line.lower(), _MAY_SPEAK_OF_SKIPPING)
        or _LOSS_SCALING.search(line)
        or ADVICE.search(line)
        or _NOT_TRAINING.search(line)
    ):
        return False
    return any(_is_skipped_work(_NONE_OF_IT.sub(" ", part)) for part in FLAG.sub(" ", line).split("|"))


def _is_skipped_work(part: str) -> bool:
    if not _SKIPPED.search(part) or HYPOTHESIS.search(part):
        return False
    if (_LOSS.search(part) or _WORK.search(part)) and _NOT_FINITE.search(part):
        return True
    return bool(_WORK.search(part) and _CAUSE.search(part))
