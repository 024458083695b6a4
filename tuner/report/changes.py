"""Says what had changed when a run was resumed, from its provenance: what was accepted, what was noted."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tuner.core.trial import TrialRecord

_MAX_CHANGES = 20


def changes_caution(provenance: Mapping[str, Any]) -> str:
    """Cautions against figures of before and after accepted changes; empty if there were none."""
    said = [f"{_after(one)}: {_named(one['accepted'])}" for one in _changes(provenance) if one["accepted"]]
    if not said:
        return ""
    return (
        f"Mind: what this run measures has changed, and that was accepted (--accept-changes) "
        f"{'; '.join(said)}. Its figures of before and after may not be comparable."
    )


def noted_lines(provenance: Mapping[str, Any]) -> list[str]:
    """Says what else had changed, on which no measurement depends; each change once."""
    seen: set[str] = set()
    lines = []
    for one in _changes(provenance):
        if new := [change for change in one["noted"] if change not in seen]:
            seen.update(new)
            lines.append(
                f"changed {_after(one)}: {_named(new)}. Earlier measurements stay valid; later decisions may "
                "differ."
            )
    return lines


def resumed_lines(provenance: Mapping[str, Any]) -> list[str]:
    """Returns what must be heard of all this when a run is resumed."""
    caution = changes_caution(provenance)
    return [*([f"*** {caution} ***"] if caution else []), *noted_lines(provenance)]


def predating(records: Sequence[TrialRecord], provenance: Mapping[str, Any]) -> frozenset[str]:
    """Returns the ids of the trials that were asked for before changes were accepted the last time."""
    last = next((one["after_trial"] for one in reversed(_changes(provenance)) if one["accepted"]), "")
    ids = [record.trial_id for record in records]
    return frozenset(ids[: ids.index(last) + 1] if last in ids else ())


def _changes(provenance: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    changes: Sequence[Mapping[str, Any]] = provenance.get("changes", ())
    return changes


def _after(one: Mapping[str, Any]) -> str:
    return f"after trial {one['after_trial']}" if one["after_trial"] else "before the first trial"


def _named(changes: Sequence[str]) -> str:
    return "; ".join(_shown(changes))


def _shown(changes: Sequence[str]) -> Iterator[str]:
    yield from changes[:_MAX_CHANGES]
    if len(changes) > _MAX_CHANGES:
        yield f"and {len(changes) - _MAX_CHANGES} more"
