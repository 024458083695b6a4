"""Scalars in TensorBoard's event files, step by step, while they are written.

Reads what torch's SummaryWriter and TensorFlow write, without either: TFRecord framing (whose checksums are
not looked at) and as much of the protocol buffers as scalars need. Does not know metrics.
"""

from __future__ import annotations

import struct
import time
from collections.abc import Collection, Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from trainables.command.sources.followed import Record
from trainables.command.sources.protobuf import fields_of
from trainables.command.sources.stamps import Stamps

MAX_EVENT = 2**20
"""Bytes of the longest event that is looked at: longer ones are pictures and histograms."""
MAX_TAGS = 20
"""Most tags that a message can name."""

_RESCAN_S = 1.0
_HEADER, _FOOTER = 12, 4  # a record: its length and its checksum, the data, their checksum
_FLOAT, _DOUBLE = 1, 2  # DataType of tensorflow/core/framework/types.proto


class Scalar(NamedTuple):
    """One value of a curve.

    Attributes:
        tag: Name of the curve.
        step: Its step.
        value: Its value.
        wall_s: ``time.time()`` when it was logged.
    """

    tag: str
    step: int
    value: float
    wall_s: float


class EventFolder:
    """The steps with an NRMSE, in order; event files from before the script began do not count.

    Args:
        folder: Searched with its subfolders; need not exist yet.
        nrmse: Tag of the NRMSE, or tags from which it is worked out: a step needs all of them.
        others: Tags that are waited for at each of its steps, until a later step has an NRMSE.
    """

    def __init__(self, folder: Path, nrmse: Collection[str], others: Collection[str]) -> None:
        self._folder, self._nrmse, self._others = folder, set(nrmse), set(others)
        self._offsets = {path: path.stat().st_size for path in self._files()}
        self._scanned_s = 0.0
        self._steps: dict[int, dict[str, Scalar]] = {}
        self._last_step: int | None = None
        self._tags: dict[str, float] = {}
        self._has_read = False
        self._stamps = Stamps()

    def poll(self, *, is_end: bool) -> Iterator[Record]:
        """See ``Source``."""
        self._stamps.poll()
        if is_end or time.monotonic() - self._scanned_s >= _RESCAN_S:
            self._offsets = dict.fromkeys(self._files(), 0) | self._offsets
            self._scanned_s = time.monotonic()
        for path in sorted(self._offsets):
            with suppress(FileNotFoundError):
                for scalar in self._new_scalars(path):
                    self._add(scalar)
        yield from self._complete_steps(is_end=is_end)
        if is_end and self._last_step is None and not self._nrmse <= set(self._tags):
            yield self._tags, 0.0  # no NRMSE among them: a message names them

    def why_nothing(self) -> str:
        """See ``Source``."""
        if self._has_read:
            return ""
        return (
            f"no event file below {self._folder} (option file) got a scalar. "
            "Fix: name the folder that the script gives to its SummaryWriter."
        )

    def _files(self) -> list[Path]:
        return [path for path in self._folder.rglob("*.tfevents.*") if path.is_file()]

    def _new_scalars(self, path: Path) -> Iterator[Scalar]:
        with path.open("rb") as file:
            end, at = path.stat().st_size, self._offsets[path]
            while at + _HEADER <= end:
                file.seek(at)
                (length,) = struct.unpack("<Q", file.read(_HEADER)[:8])
                if at + _HEADER + length + _FOOTER > end:
                    break
                if length <= MAX_EVENT:
                    yield from scalars_in(file.read(length))
                at += _HEADER + length + _FOOTER
            self._offsets[path] = at

    def _add(self, scalar: Scalar) -> None:
        self._has_read = True
        if len(self._tags) < MAX_TAGS:
            self._tags[scalar.tag] = scalar.value
        is_late = self._last_step is not None and scalar.step <= self._last_step
        of_step = self._steps.get(scalar.step, {})
        if scalar.tag in self._nrmse and (is_late or scalar.tag in of_step):
            raise ValueError(
                f"the scalar {scalar.tag!r} came twice for step {scalar.step}, or after a later one. "
                "Fix: let option file name the folder of one run, and log from rank 0 only."
            )
        if not is_late and scalar.tag in self._others | self._nrmse:
            self._steps.setdefault(scalar.step, {})[scalar.tag] = scalar

    def _complete_steps(self, *, is_end: bool) -> Iterator[Record]:
        with_nrmse = sorted(step for step, found in self._steps.items() if self._nrmse <= set(found))
        for step in with_nrmse:
            found = self._steps[step]
            if not (is_end or step < with_nrmse[-1] or self._others <= set(found)):
                return
            self._last_step = step
            self._steps = {other: rest for other, rest in self._steps.items() if other > step}
            age_s = self._stamps.age_s(max(found[tag].wall_s for tag in self._nrmse))
            yield {tag: scalar.value for tag, scalar in found.items()}, age_s


def scalars_in(event: bytes) -> Iterator[Scalar]:
    """Returns the scalars of a serialised ``Event``; whatever else it holds is passed over.

    Raises:
        ValueError: It is not one.
    """
    try:
        wall_s, step, values = 0.0, 0, []
        for field, value in fields_of(event):
            if field == 1 and isinstance(value, float):
                wall_s = value
            elif field == 2 and isinstance(value, int):
                step = value
            elif field == 5 and isinstance(value, bytes):
                values += [inner for number, inner in fields_of(value) if number == 1]
        for value in values:
            tag, number = _value(value) if isinstance(value, bytes) else ("", None)
            if number is not None:
                yield Scalar(tag, step, number, wall_s)
    except (IndexError, struct.error) as error:
        message = "a file of option file is no event file of TensorBoard. Fix: correct option file."
        raise ValueError(message) from error


def _value(message: bytes) -> tuple[str, float | None]:
    """Returns the tag of a ``Summary.Value``, and its number if it is a scalar."""
    tag, number = "", None
    for field, value in fields_of(message):
        if field == 1 and isinstance(value, bytes):
            tag = value.decode(errors="replace")
        elif field == 2 and isinstance(value, float):  # simple_value
            number = value
        elif field == 8 and isinstance(value, bytes):  # tensor, as TensorFlow 2 writes scalars
            number = _number_of_tensor(value)
    return tag, number


def _number_of_tensor(message: bytes) -> float | None:
    """Returns the number of a ``TensorProto`` of one float or double; None for any other."""
    found = dict(fields_of(message))
    code = {_FLOAT: "<f", _DOUBLE: "<d"}.get(found.get(1, 0))  # type: ignore[arg-type]
    packed = found.get(4) or found.get(5) or found.get(6)  # tensor_content, float_val, double_val
    if isinstance(packed, float):
        return packed
    if code is None or not isinstance(packed, bytes) or len(packed) != struct.calcsize(code):
        return None
    return float(struct.unpack(code, packed)[0])
