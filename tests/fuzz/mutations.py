"""Spoilt inputs: a real one, of which a few pieces are replaced, repeated, moved, dropped or cut off."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from hypothesis import strategies as st

_PIECES = re.compile(rb"[A-Za-z_]+|[0-9]+|\s+|[^A-Za-z_0-9\s]", re.DOTALL)
_MANY = (1, 3, 40, 400, 5000)

Pieces = list[bytes]


@st.composite
def spoilt(draw: st.DrawFn, seeds: Sequence[bytes], words: Sequence[bytes]) -> bytes:
    """A seed after one to four edits, each of which may put in one of `words`, once or many times."""
    data = draw(st.sampled_from(seeds))
    for _ in range(draw(st.integers(1, 4))):
        by_lines = draw(st.booleans())
        pieces = data.splitlines(keepends=True) if by_lines else _PIECES.findall(data)
        edit = draw(st.sampled_from(_EDITS))
        put_in = st.sampled_from([*words, *pieces[:200]]) | st.binary(max_size=8)
        new = draw(put_in) * draw(st.sampled_from(_MANY))
        at = draw(st.integers(0, len(pieces)))
        data = b"".join(edit(pieces, at, new[:100_000]))
    return data


def _replace(pieces: Pieces, at: int, new: bytes) -> Pieces:
    return [*pieces[:at], new, *pieces[at + 1 :]]


def _insert(pieces: Pieces, at: int, new: bytes) -> Pieces:
    return [*pieces[:at], new, *pieces[at:]]


def _drop(pieces: Pieces, at: int, _new: bytes) -> Pieces:
    return [*pieces[:at], *pieces[at + 1 :]]


def _double(pieces: Pieces, at: int, _new: bytes) -> Pieces:
    return [*pieces[: at + 1], *pieces[at:]]


def _swap(pieces: Pieces, at: int, _new: bytes) -> Pieces:
    return [*pieces[:at], *pieces[at + 1 : at + 2], *pieces[at : at + 1], *pieces[at + 2 :]]


def _cut(pieces: Pieces, at: int, _new: bytes) -> Pieces:
    return pieces[:at]


_EDITS: tuple[Callable[[Pieces, int, bytes], Pieces], ...] = (
    _replace,
    _replace,
    _insert,
    _drop,
    _double,
    _swap,
    _cut,
)
