"""Finds what has changed since a run began, by its journal, and what `--resume` refuses.

Figures of before and after are compared with each other, so nothing that they depend on may differ, unless
somebody accepts it. Compares plain JSON values; asks no stage and no worker itself.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tuner.errors import ResumeError
from tuner.runs.past_run import PastRun

FREE_KEYS = ("name", "description", "outputs", "budget")
"""Keys of a study that may change, since no measurement depends on them; nor does one on stage.timeout_s."""

DEVICE_KEYS = ("kind", "name", "memory_gib", "python", "torch")
"""Keys of a stage's description of its device on which measurements depend."""

STRICT_VERSIONS = ("python", "torch")
"""Packages that compute what is measured. Another version of any other package is only reported.

A patch release of Python counts as the same version, and is only reported too.
"""

MEMORY_TOLERANCE = 0.01
"""Relative tolerance of memory: a kernel's or driver's own share differs from version to version."""

NEVER_ACCEPTED: tuple[tuple[str, ...], ...] = (
    ("parameters",),
    ("constraints",),
    ("order of parameters",),
    ("baseline",),
    ("metric",),
    ("stage", "class"),
    ("stage", "num_epochs"),
    ("device", "kind"),
    ("device", "name"),
    ("device", "memory_gib"),
)
"""Keys that make the trials so far mean something else, or nothing, beside those to come."""

_Path = tuple[str | int, ...]

_SHA256_DIGITS = 64
_MAX_CHANGES, _MAX_TEXT, _CONTEXT = 20, 60, 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One value that has changed since a run began; as text, what people read of it.

    Attributes:
        path: Keys and indices that lead to the value: `("stage", "options", "width")`.
        before: The value when the run began, in words.
        now: The value now, in words.
    """

    path: _Path
    before: str
    now: str

    @property
    def key(self) -> str:
        """The path as people write it: `constraints[1]`."""
        parts = (f"[{part}]" if isinstance(part, int) else f".{part}" for part in self.path)
        return "".join(parts).removeprefix(".")

    def __str__(self) -> str:
        return f"{self.key}: {self.before} -> {self.now}"


def refuse(past: PastRun, changes: Sequence[Change], *, accept: bool = False) -> None:
    """Refuses to go on with a run when there are changes.

    Args:
        past: The run.
        changes: Changes on which its measurements depend.
        accept: Whether somebody accepts those that can be.

    Raises:
        ResumeError: There are; the message names each with both values.
    """
    never = [change for change in changes if _is_never_accepted(past, change)]
    if accept and not never:
        return
    if accept:
        raise ResumeError(
            f"--resume {past.folder} --accept-changes: this cannot be accepted, as the trials so far would "
            f"say nothing beside those to come: {_named(never)}.",
            "put it back as it was, or start a new run: --space FILE; where only the device has changed, "
            "--warm-start keeps what this one learned.",
        )
    if changes:
        or_accept = "" if never else "accept it with --accept-changes, which every output will say, "
        raise ResumeError(
            f"--resume {past.folder}: what it measures has changed since it began: {_named(changes)}.",
            f"put it back as it was, {or_accept}or start a new run: --space FILE.",
        )


def _named(changes: Sequence[Change]) -> str:
    more = f"; and {len(changes) - _MAX_CHANGES} more" if len(changes) > _MAX_CHANGES else ""
    return "; ".join(map(str, changes[:_MAX_CHANGES])) + more


def _is_never_accepted(past: PastRun, change: Change) -> bool:
    """Whether a change is of `NEVER_ACCEPTED`; of the target too where figures are on a scale about it."""
    never = (*NEVER_ACCEPTED, *(() if past.study.metric.is_identity else (("target",),)))
    return any(change.path[: len(path)] == path for path in never)


def with_more(known: Sequence[Change], more: Sequence[Change]) -> tuple[Change, ...]:
    """Returns changes and those of the others that they do not say already.

    Another Python or torch of this process is usually that of the device too: it is one change.
    """
    said = {(change.path[-1], change.before, change.now) for change in known if change.path[0] == "versions"}
    new = [one for one in more if one.path[0] != "device" or (one.path[-1], one.before, one.now) not in said]
    return tuple(dict.fromkeys([*known, *new]))


def study_changes(past: PastRun) -> list[Change]:
    """Describes what has changed in the folder's study.yaml, except `FREE_KEYS`."""
    before, now = past.study_so_far.as_dict(), past.study.as_dict()
    for key in FREE_KEYS:
        del before[key], now[key]
    for study in (before, now):
        del study["stage"]["timeout_s"]
    changes = list(_differences(before, now))
    if before["parameters"] == now["parameters"]:  # their order numbers the configurations
        order, other = (", ".join(study["parameters"]) for study in (before, now))
        changes += _differences(order, other, ("order of parameters",))
    return changes


def free_changes(past: PastRun) -> list[Change]:
    """Describes what has changed of `FREE_KEYS` and of the limit of silence."""
    before, now = past.study_so_far.as_dict(), past.study.as_dict()
    old, new = (study["stage"]["timeout_s"] for study in (before, now))
    changes = [change for key in FREE_KEYS for change in _differences(before[key], now[key], (key,))]
    return [*changes, *_differences(old, new, ("stage", "timeout_s"))]


def version_changes(past: PastRun, versions: Mapping[str, str]) -> list[Change]:
    """Describes which of `STRICT_VERSIONS` have another version than the run began with."""
    before = past.facts.basis.versions
    names = [name for name in STRICT_VERSIONS if not _is_python_patch(name, before, versions)]
    return list(_common_differences(before, versions, names, ("versions",)))


def other_versions(past: PastRun, versions: Mapping[str, str]) -> list[Change]:
    """Describes which other versions, Python's patch release too, differ from those the run began with."""
    before = past.facts.basis.versions
    names = [
        name for name in versions if name not in STRICT_VERSIONS or _is_python_patch(name, before, versions)
    ]
    return list(_common_differences(before, versions, names))


def _is_python_patch(name: str, before: Mapping[str, Any], now: Mapping[str, Any]) -> bool:
    """Whether `name` is Python, and its versions before and now differ in the patch release at most."""
    if name != "python" or name not in before or name not in now:
        return False
    old, new = (str(versions[name]).split(".")[:2] for versions in (before, now))
    return old == new


def device_changes(past: PastRun, device: Mapping[str, Any], num_workers: int) -> list[Change]:
    """Describes what has changed about the device."""
    before, now = dict(past.facts.basis.device), dict(device)
    if _are_alike(before.get("memory_gib"), now.get("memory_gib")):
        now["memory_gib"] = before["memory_gib"]
    keys = [key for key in DEVICE_KEYS if not _is_python_patch(key, before, now)]
    changes = _common_differences(before, now, keys, ("device",))
    return [*changes, *_differences(past.num_workers, num_workers, ("number of workers",))]


def _are_alike(before: Any, now: Any) -> bool:
    """Whether two amounts of memory are those of the same device."""
    are_numbers = all(isinstance(value, int | float) for value in (before, now))
    return are_numbers and math.isclose(before, now, rel_tol=MEMORY_TOLERANCE)


def source_changes(past: PastRun, source: Mapping[str, str]) -> list[Change]:
    """Describes which of the stage's source files have changed; nothing if the journal does not say.

    An early version knew fewer files of a class, by shorter names: of such a run, only those are compared.
    """
    basis = past.facts.basis
    before, now = basis.stage_source, dict(source)
    if before is None:
        return []
    if not basis.knows_whole_source:
        now = {name: _like(name, before[name], source) for name in before}
    return [
        Change(
            path=(f"stage source {name}",), before=_short(before.get(name, "")), now=_short(now.get(name, ""))
        )
        for name in sorted({*before, *now})
        if before.get(name) != now.get(name)
    ]


def _like(name: str, fingerprint: str, source: Mapping[str, str]) -> str:
    """Returns the fingerprint of a file by the end of its name; the same as before, if several have it."""
    found = [one for path, one in source.items() if path == name or path.endswith(f"/{name}")]
    return fingerprint if fingerprint in found else next(iter(found), "")


def _short(fingerprint: str) -> str:
    """Returns as much of a SHA-256 as tells two apart; what else stands for a file stays as it is."""
    if not fingerprint:
        return "no such file"
    return fingerprint[:8] if len(fingerprint) == _SHA256_DIGITS else fingerprint


def _common_differences(
    before: Mapping[str, Any], now: Mapping[str, Any], names: Sequence[str], path: _Path = ()
) -> Iterator[Change]:
    """Yields the differences for those of the names that both sides know."""
    for name in names:
        if name in before and name in now:
            yield from _differences(before[name], now[name], (*path, name))


def _differences(before: Any, now: Any, path: _Path = ()) -> Iterator[Change]:
    """A change for each value that differs, under its path; lists of equal length item by item."""
    return _walk(json.loads(json.dumps(before)), json.loads(json.dumps(now)), path)


_ABSENT = object()


def _walk(before: Any, now: Any, path: _Path) -> Iterator[Change]:
    if isinstance(before, dict) and isinstance(now, dict):
        for name in dict.fromkeys([*before, *now]):
            yield from _walk(before.get(name, _ABSENT), now.get(name, _ABSENT), (*path, name))
    elif isinstance(before, list) and isinstance(now, list) and len(before) == len(now):
        for index, (one, other) in enumerate(zip(before, now, strict=True)):
            yield from _walk(one, other, (*path, index))
    elif before != now or isinstance(before, bool) != isinstance(now, bool):
        old, new = _pair(before, now)
        yield Change(path=path, before=old, now=new)


def _pair(before: Any, now: Any) -> tuple[str, str]:
    """Shows two values; long ones from a little before the first difference."""
    texts = ["not given" if v is _ABSENT else json.dumps(v, ensure_ascii=False) for v in (before, now)]
    if all(len(text) <= _MAX_TEXT for text in texts):
        return texts[0], texts[1]
    shortest = min(map(len, texts))
    num_alike = next((k for k in range(shortest) if texts[0][k] != texts[1][k]), shortest)
    first = max(0, num_alike - _CONTEXT)
    old, new = (_cut(f"...{text[first:]}" if first else text) for text in texts)
    return old, new


def _cut(text: str) -> str:
    return text if len(text) <= _MAX_TEXT else f"{text[: _MAX_TEXT - 3]}..."
