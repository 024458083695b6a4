"""TensorBoard's event files, as far as scalars, texts and hyperparameters need them.

Written here because tensorboardX, which Ray brings, imports torch where it is installed: seconds and hundreds
of MB in a driver that needs none of it, and in simulations that must not. Nothing is buffered, so what a
killed process wrote can be read, and no file is kept open.

Formats: TFRecord framing with masked CRC-32C; protocol buffers `Event`, `Summary` and the plugin data of
`tensorboard/plugins/hparams`.
"""

from __future__ import annotations

import os
import socket
import struct
import time
from collections.abc import Iterable, Mapping
from pathlib import Path

HParam = int | float | str | bool

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_SUCCESS, _FAILURE = 1, 2
_STRING = 7
"""A DataType of `tensorflow/core/framework/types.proto`."""


class EventFile:
    """One event file; TensorBoard takes a folder of them for a run.

    Args:
        folder: Folder of TensorBoard's run; made if it does not exist.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        stem = f"events.out.tfevents.{time.time_ns() // 1000}.{socket.gethostname()}.{os.getpid()}"
        self._path = folder / stem
        self._write_event(_text(3, "brain.Event:2"))

    def scalars(self, values: Mapping[str, float], step: int) -> None:
        """Writes scalars of one step."""
        summary = b"".join(_message(1, _text(1, tag) + _float(2, value)) for tag, value in values.items())
        self._write_event(_int(2, step) + _message(5, summary))

    def text(self, tag: str, text: str) -> None:
        """Writes a text, which TensorBoard shows under Text."""
        tensor = _int(1, _STRING) + _message(2, b"") + _text(8, text)
        metadata = _message(1, _text(1, "text"))
        self._write_event(
            _message(5, _message(1, _text(1, tag) + _message(8, tensor) + _message(9, metadata)))
        )

    def hparams(self, values: Mapping[str, HParam], metrics: Iterable[str], *, is_success: bool) -> None:
        """Writes hyperparameters, and which scalars are their outcome."""
        infos = b"".join(_message(4, _text(1, name) + _int(4, _kind(v))) for name, v in values.items())
        tags = b"".join(_message(5, _message(1, _text(2, tag))) for tag in metrics)
        pairs = b"".join(_message(1, _text(1, name) + _message(2, _value(v))) for name, v in values.items())
        status = _int(1, _SUCCESS if is_success else _FAILURE) + _double(2, time.time())
        self._plugin("_hparams_/experiment", _message(2, infos + tags))
        self._plugin("_hparams_/session_start_info", _message(3, pairs))
        self._plugin("_hparams_/session_end_info", _message(4, status))

    def _plugin(self, tag: str, content: bytes) -> None:
        metadata = _message(1, _text(1, "hparams") + _message(2, content))
        self._write_event(_message(5, _message(1, _text(1, tag) + _message(9, metadata))))

    def _write_event(self, body: bytes) -> None:
        data = _double(1, time.time()) + body
        length = struct.pack("<Q", len(data))
        with self._path.open("ab") as file:
            file.write(length + _masked_crc(length) + data + _masked_crc(data))


def _kind(value: HParam) -> int:
    """Encodes a DataType of `tensorboard/plugins/hparams/api.proto`."""
    if isinstance(value, str):
        return 1
    return 2 if isinstance(value, bool) else 3


def _value(value: HParam) -> bytes:
    """Encodes a `google.protobuf.Value`."""
    if isinstance(value, str):
        return _text(3, value)
    return _int(4, int(value)) if isinstance(value, bool) else _double(2, float(value))


def _key(field: int, wire: int) -> bytes:
    return _varint(field << 3 | wire)


def _varint(number: int) -> bytes:
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def _int(field: int, value: int) -> bytes:
    return _key(field, _VARINT) + _varint(value)


def _double(field: int, value: float) -> bytes:
    return _key(field, _FIXED64) + struct.pack("<d", value)


def _float(field: int, value: float) -> bytes:
    return _key(field, _FIXED32) + struct.pack("<f", value)


def _message(field: int, body: bytes) -> bytes:
    return _key(field, _BYTES) + _varint(len(body)) + body


def _text(field: int, value: str) -> bytes:
    return _message(field, value.encode())


def _table() -> list[int]:
    """CRC-32C (Castagnoli, reflected polynomial 0x82F63B78) of every byte."""
    table = []
    for byte in range(256):
        crc = byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
        table.append(crc)
    return table


_CRC_TABLE = _table()


def _masked_crc(data: bytes) -> bytes:
    """CRC-32C, rotated and shifted as TFRecord wants it."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc = _CRC_TABLE[(crc ^ byte) & 0xFF] ^ crc >> 8
    crc ^= 0xFFFFFFFF
    return struct.pack("<I", ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF)
