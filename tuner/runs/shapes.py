"""The shape of each kind of line in a journal: which keys it has, and what each may hold.

Everything that reads a journal relies on it: `check_shape` is asked once for each line, where it becomes a
fact. Knows plain JSON values only; whether a figure or a name can be is checked by the types they become.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from typing import Any

from foundation.one_line import one_line
from tuner.runs.lines import Event

Check = Callable[[Any, str], None]
"""Takes a value and its key; raises ValueError unless the value has the shape."""


def check_shape(event: Event) -> None:
    """Checks a line of a journal.

    Raises:
        ValueError: The line is of no kind that this version knows, or a key of it is missing or wrong.
    """
    kind = event["event"]
    if kind not in _LINES:
        raise ValueError(f"{one_line(repr(kind), 60)} is no kind of line that this version knows")
    _number(event.get("elapsed_s"), "elapsed_s")
    if event["elapsed_s"] < 0:
        raise ValueError(f"elapsed_s is {event['elapsed_s']}, which is less than 0")
    _LINES[kind](event, "")


def _wrong(value: Any, key: str, wanted: str) -> ValueError:
    return ValueError(f"{key} is {one_line(repr(value), 60)}, which is not {wanted}")


def _text(value: Any, key: str) -> None:
    if not isinstance(value, str):
        raise _wrong(value, key, "text")


def _flag(value: Any, key: str) -> None:
    if not isinstance(value, bool):
        raise _wrong(value, key, "true or false")


def _whole(value: Any, key: str) -> None:
    if not isinstance(value, int) or isinstance(value, bool):
        raise _wrong(value, key, "a whole number")


def _count(value: Any, key: str) -> None:
    _whole(value, key)
    if value < 1:
        raise _wrong(value, key, "1 or more")


def _number(value: Any, key: str) -> None:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or not abs(value) <= sys.float_info.max:
        raise _wrong(value, key, "a number")


def _scalar(value: Any, key: str) -> None:
    if not isinstance(value, str | int | float):
        raise _wrong(value, key, "a single value")


def _anything(value: Any, key: str) -> None:
    """Every JSON value will do."""


def _maybe(check: Check) -> Check:
    """The value may be null."""

    def checked(value: Any, key: str) -> None:
        if value is not None:
            check(value, key)

    return checked


def _list(check: Check) -> Check:
    def checked(value: Any, key: str) -> None:
        if not isinstance(value, list):
            raise _wrong(value, key, "a list")
        for index, item in enumerate(value):
            check(item, f"{key}[{index}]")

    return checked


def _pair(first: Check, second: Check) -> Check:
    def checked(value: Any, key: str) -> None:
        if not isinstance(value, list) or len(value) != 2:
            raise _wrong(value, key, "a list of two")
        first(value[0], f"{key}[0]")
        second(value[1], f"{key}[1]")

    return checked


def _mapping(check: Check) -> Check:
    """Any names, each with a value of that shape."""

    def checked(value: Any, key: str) -> None:
        if not isinstance(value, dict):
            raise _wrong(value, key, "a mapping")
        for name, item in value.items():
            check(item, f"{key}.{name}")

    return checked


def _record(
    needed: Mapping[str, Check], optional: Mapping[str, Check] | None = None, *, is_closed: bool = False
) -> Check:
    """Keys that must be there and keys that may be; a closed record has no others."""
    known = {**needed, **(optional or {})}

    def checked(value: Any, key: str) -> None:
        if not isinstance(value, dict):
            raise _wrong(value, key, "a mapping")
        below = f"{key}." if key else ""
        for name in needed:
            if name not in value:
                raise ValueError(f"{below}{name} is missing")
        for name, item in value.items():
            if name in known:
                known[name](item, f"{below}{name}")
            elif is_closed:
                raise ValueError(f"{below}{name} is no key that this version knows")

    return checked


_CONFIG = _mapping(_scalar)

_ANSWERS: Mapping[str, Check] = {
    "run": _record(
        {"trial_id": _text, "config": _CONFIG, "seed": _whole, "num_epochs": _count, "purpose": _text},
        {"resumed_from": _text, "from_epoch": _whole},
    ),
    "probe": _record({"trial_id": _text, "configs": _list(_CONFIG)}, {"limit_s": _number}),
    "finished": _record({"reason": _text}),
    "broken": _record({"reason": _text}),
}


def _answer(value: Any, key: str) -> None:
    kind = value.get("kind") if isinstance(value, dict) else None
    if not isinstance(kind, str) or kind not in _ANSWERS:
        raise _wrong(value, key, f"an answer of one of the kinds {', '.join(_ANSWERS)}")
    _ANSWERS[kind](value, key)


_PROBE_RESULT = _record(
    {
        "config": _CONFIG,
        "status": _text,
        "epoch_time_s": _maybe(_number),
        "peak_memory_gib": _maybe(_number),
    },
    {"error": _number},
)

_STUDY = _record(
    {
        "stage": _record({"class": _text, "options": _mapping(_anything), "num_epochs": _count}),
        "target": _text,
    },
    {"metric": _mapping(_anything)},
)
"""As much of a study as is read without the loader of studies."""

_WARM_START = _record(
    {"run": _text, "device": _text, "num_runs": _whole, "num_full": _whole, "num_left_out": _whole}
)

_PROVENANCE = _record(
    {
        "device": _record(
            {"kind": _text, "name": _text},
            {"memory_gib": _maybe(_number), "python": _text, "torch": _text},
        )
    },
    {
        "study": _text,
        "study_hash": _text,
        "seed": _whole,
        "started": _text,
        "hardware": _text,
        "hardware_mismatch": _text,
        "platform": _text,
        "versions": _mapping(_text),
        "stage_source": _maybe(_mapping(_text)),
        "stage_source_rule": _whole,
        "place": _text,
        "warm_start": _WARM_START,
    },
)

_TRAITS = _record(
    {"quality_invariant_to": _list(_text)},
    {
        "can_probe": _flag,
        "probes_in_proportion": _flag,
        "capacity_gib": _maybe(_number),
        "quality_options": _maybe(_mapping(_anything)),
    },
    is_closed=True,
)

_PRIOR_RUN = _record(
    {"source": _text, "config": _CONFIG, "seed": _whole, "curve": _list(_pair(_whole, _number))}
)

_PRIOR = _record(
    {"source": _text, "device": _text, "num_epochs": _count, "runs": _list(_PRIOR_RUN)},
    {"num_left_out": _whole},
    is_closed=True,
)

_START = _record(
    {"provenance": _PROVENANCE, "traits": _TRAITS, "num_workers": _count},
    {"study": _maybe(_STUDY), "prior": _maybe(_PRIOR)},
)

_ADMITTED = _list(_pair(_CONFIG, _number))

_END_WORDS = (
    "status",
    "finish_reason",
    "prior_contradiction",
    "pooling_contradiction",
    "probing_given_up",
    "interrupted_by",
)


def _end(value: Any, key: str) -> None:
    words = dict.fromkeys(_END_WORDS, _text)
    _record({}, {**words, "admitted": _ADMITTED, "certified": _ADMITTED})(value, key)
    if "admitted" not in value and "certified" not in value:
        raise ValueError("admitted is missing")


_LINES: Mapping[str, Check] = {
    "start": _START,
    "resume": _record(
        {},
        {
            "provenance": _PROVENANCE,
            "study": _maybe(_STUDY),
            "num_workers": _count,
            "accepted": _list(_text),
            "noted": _list(_text),
        },
    ),
    "ask": _record({"answer": _answer}),
    "observe": _record({"trial_id": _text, "measurement": _mapping(_anything)}),
    "stop": _record({"trial_id": _text, "reason": _text}),
    "tell": _record(
        {"trial_id": _text, "state": _text, "reason": _text, "constraint": _text, "is_lost": _flag},
        {"is_general": _flag, "checkpoint_epoch": _whole, "is_elsewhere": _flag},
    ),
    "probed": _record({"trial_id": _text, "results": _list(_PROBE_RESULT)}),
    "retry": _record({}),
    "certify": _record({"hours": _maybe(_number)}, {"looked": _whole, "looked_runs": _whole}),
    "prior_dropped": _record({"reason": _text}),
    "pooling_dropped": _record({"reason": _text}),
    "end": _end,
}
