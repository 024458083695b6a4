"""What a run began with, as the first line of its journal says it, and what changed when it was resumed.

The figures of a run depend on its study, its stage, its device and the versions of packages. `Basis` is what
`--resume` compares with, and `Changes` is what somebody accepted, or what makes no difference.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tuner.core.traits import StageTraits
from tuner.core.warm_start import WarmStart
from tuner.errors import RecordsError, TunerError
from tuner.runs.lines import Event, how_to_mend
from tuner.runs.shapes import check_shape

PLACE = "place"
"""Key of the provenance in a journal: a fingerprint of where the run's folder was. No output has it."""

STAGE_SOURCE = "stage_source"
"""Key of the provenance in a journal's first line. No output repeats it: it may name thousands of files."""

SOURCE_RULE = "stage_source_rule"
"""Key beside it: the rule by which the files were found. Early versions knew only those beside a class."""

RULE = 2
"""The rule of today; see `foundation.own_source`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """A journal's first line: what a run knew before its first trial.

    Attributes:
        study: The resolved study, as plain values; None if the line lacks it.
        provenance: The origin of the figures, as plain JSON values.
        stage_source: The fingerprints of the stage's source files; None where the line lacks them.
        knows_whole_source: Whether they are those of today's rule.
        place: Fingerprint of where the run's folder was; empty where the line lacks it.
        traits: Properties that the stage and its device stated of themselves.
        num_workers: Trials at once.
        warm_start: NRMSE results of an earlier run; None without one.
    """

    study: Mapping[str, Any] | None
    provenance: Mapping[str, Any]
    stage_source: Mapping[str, str] | None
    knows_whole_source: bool
    place: str
    traits: StageTraits
    num_workers: int
    warm_start: WarmStart | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Basis:
    """What the figures of a run depend on, as it was when it began or when changes of it were last accepted.

    Attributes:
        study: The resolved study, as plain values; None if the journal lacks it.
        versions: Versions of packages, by name.
        device: Description of the device.
        stage_source: The fingerprints of the stage's source files; None where the journal lacks them.
        knows_whole_source: Whether they are those of today's rule.
        num_workers: Trials at once.
    """

    study: Mapping[str, Any] | None
    versions: Mapping[str, str]
    device: Mapping[str, Any]
    stage_source: Mapping[str, str] | None
    knows_whole_source: bool
    num_workers: int

    @classmethod
    def of(cls, start: Start) -> Basis:
        """Returns what a run began with."""
        return cls(
            study=start.study,
            versions=start.provenance["versions"],
            device=start.provenance["device"],
            stage_source=start.stage_source,
            knows_whole_source=start.knows_whole_source,
            num_workers=start.num_workers,
        )

    def after(self, event: Event) -> Basis:
        """Returns it after the run was resumed, as that line of its journal says.

        The line has the stage's source if changes were accepted, and if the journal did not have it before.
        """
        provenance = event.get("provenance") or {}
        after = replace(self, study=event.get("study") or self.study)
        if provenance.get(STAGE_SOURCE) is not None:
            is_whole = provenance.get(SOURCE_RULE) == RULE
            after = replace(after, stage_source=provenance[STAGE_SOURCE], knows_whole_source=is_whole)
        if not event.get("accepted") or not provenance:
            return after
        return replace(
            after,
            versions=provenance.get("versions", {}),
            device=provenance["device"],
            num_workers=event.get("num_workers", self.num_workers),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """What had changed when a run was resumed.

    Attributes:
        after_trial: The last trial that was asked for before; empty if there was none.
        accepted: Changes on which measurements depend, which somebody accepted.
        noted: Changes on which no measurement depends.
    """

    after_trial: str
    accepted: tuple[str, ...]
    noted: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        """Returns them as plain JSON values, as a run's provenance holds them."""
        return {
            "after_trial": self.after_trial,
            "accepted": list(self.accepted),
            "noted": list(self.noted),
        }


def start_of(events: Sequence[Event]) -> Start:
    """The first line of a journal.

    Raises:
        RecordsError: The journal does not begin with the start of a run, or that line is wrong.
    """
    first = events[0] if events else {}
    if first.get("event") != "start" or not {"provenance", "traits"} <= first.keys():
        raise RecordsError("it does not begin with the start of a run.")
    with located_line(1):
        check_shape(first)
        provenance = dict(first["provenance"])
        source, place = provenance.pop(STAGE_SOURCE, None), provenance.pop(PLACE, "")
        rule = provenance.pop(SOURCE_RULE, None)
        return Start(
            study=first.get("study"),
            provenance=provenance | {k: v for k, v in _NOT_KEPT_EARLIER.items() if k not in provenance},
            stage_source=source,
            knows_whole_source=source is not None and rule == RULE,
            place=place,
            traits=StageTraits.from_dict(first["traits"]),
            num_workers=first["num_workers"],
            warm_start=WarmStart.from_dict(first["prior"]) if first.get("prior") else None,
        )


_NOT_KEPT_EARLIER: dict[str, Any] = {
    "study": "",
    "study_hash": "",
    "seed": None,
    "started": "",
    "hardware": "",
    "hardware_mismatch": "",
    "platform": "",
    "versions": {},
}
"""Provenance that the journals of early versions lack."""


@contextmanager
def located_line(number: int) -> Iterator[None]:
    """Says of what is wrong with a line, which one it is and what to do about it."""
    try:
        yield
    except (TunerError, ValueError) as error:
        what = error.message if isinstance(error, TunerError) else str(error)
        raise RecordsError(f"line {number}: {what.rstrip('.')}.", how_to_mend(number)) from error


def kept_source(stage_source: Mapping[str, str] | None) -> dict[str, Any]:
    """Returns what a line's provenance keeps of the stage's source; nothing where nobody has looked."""
    return {} if stage_source is None else {STAGE_SOURCE: dict(stage_source), SOURCE_RULE: RULE}


def place_of(folder: Path) -> str:
    """Returns a fingerprint of where a run's folder is, which tells nobody the path itself."""
    return hashlib.sha256(os.fsencode(folder.resolve())).hexdigest()[:16]
