"""Fields of a protocol buffer, without its schema: the little that figures in logs need.

Knows the wire format. Does not know what a field means.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_MAX_SHIFT = 70
"""Bits of a number's ten bytes at most, seven a byte. More would take hours to add up in a file of MiBs."""


def fields_of(message: bytes) -> Iterator[tuple[int, int | float | bytes]]:
    """Returns number and value of each field: whole numbers, floats, or bytes for all that has a length.

    Raises:
        IndexError: It is no protocol buffer.
        struct.error: It is none, or one that is cut.
    """
    at = 0
    while at < len(message):
        key, at = _varint(message, at)
        field, wire = key >> 3, key & 7
        value: int | float | bytes
        if wire == _VARINT:
            value, at = _varint(message, at)
        elif wire == _FIXED64:
            value, at = struct.unpack_from("<d", message, at)[0], at + 8
        elif wire == _FIXED32:
            value, at = struct.unpack_from("<f", message, at)[0], at + 4
        elif wire == _BYTES:
            length, at = _varint(message, at)
            value, at = message[at : at + length], at + length
        else:
            raise IndexError(wire)
        yield field, value


def _varint(message: bytes, at: int) -> tuple[int, int]:
    number = shift = 0
    while shift < _MAX_SHIFT:
        byte = message[at]
        number |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return number, at
    raise IndexError("a number of more than 64 bits")
