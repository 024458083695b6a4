"""What makes a sentence advice, a possibility or a setting, and no report of what happened."""

from __future__ import annotations

import re

# Words that make what follows in the sentence advice, or a possibility.
ADVICE = re.compile(r"(?i)\b(?:hint|tip|help|troubleshooting|faq|advice|example)s?\b\s*[:\]-]|^\s*usage:")
HYPOTHESIS = re.compile(
    r"""(?xi)\b(?:if|unless|in\ case|should|would|might|will|may(?![/\ ]\d)|(?:can|could)(?!\ not|'t)
    |(?<!error\ )(?<!exception\ )(?<!failed\ )(?<!occurred\ )(?<!raised\ )when(?:ever)?
    |(?:that|which)\ (?:run|raise|cause|hit|throw|trigger|go)|to\ (?:reduce|handle|fix|limit|survive)
    |avoid\w*|prevent\w*|mitigat\w*|against|possib\w+|potential\w*|likely|risk\w*|such\ as)\b"""
)
FLAG = re.compile(r"(?<!\S)--?[A-Za-z][\w-]*")


def has_any(text: str, words: tuple[str, ...]) -> bool:
    """Does what ``any`` does at a third of its cost, since every line of a script's output comes here."""
    for word in words:  # noqa: SIM110
        if word in text:
            return True
    return False
