"""Figures in a table with a header: CSV, with commas, semicolons or tabs, appended or rewritten."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

from trainables.command.objects import short
from trainables.command.sources.followed import GrowingFile, Record, Seen, where, why_unread


class CsvFile:
    """Rows below a header; an empty cell is no figure.

    Args:
        path: The file; need not exist yet.
    """

    def __init__(self, path: Path) -> None:
        self._file, self._seen, self._has_read = GrowingFile(path), Seen(), False
        self._header: list[str] = []
        self._separator = ","

    def poll(self, *, is_end: bool) -> Iterator[Record]:
        """See ``Source``."""
        lines, is_from_begin = self._file.new_lines(is_end=is_end)
        if not lines:
            return
        if is_from_begin:
            self._take_header(lines.pop(0))
        elif not self._header:
            self._take_header(self._file.first_line())
        rows = (self._row(line) for line in lines)
        items = ((frozenset(row.items()), row) for row in rows)
        for row in self._seen.new(items, is_from_begin=is_from_begin):
            self._has_read = True
            yield {name: _number_or_text(cell) for name, cell in row.items()}, 0.0

    def why_nothing(self) -> str:
        """See ``Source``."""
        what = "row below a header"
        return "" if self._has_read else why_unread(self._file.path, self._file.before, what)

    def _take_header(self, line: str) -> None:
        line = line.removeprefix("\ufeff")
        self._separator = max(",;\t", key=line.count)
        self._header = [name.strip() for name in self._cells(line)]

    def _cells(self, line: str) -> list[str]:
        try:
            return next(csv.reader([line], delimiter=self._separator), [])
        except csv.Error as error:
            raise ValueError(
                f"{where(self._file.path)} has a line that is no row of a table ({error}): {short(line)}. "
                "Fix: have the script write its metrics to a file of their own, a line a row."
            ) from None

    def _row(self, line: str) -> dict[str, str]:
        cells = zip(self._header, self._cells(line), strict=False)
        return {name: cell.strip() for name, cell in cells if cell.strip()}


def _number_or_text(cell: str) -> float | str:
    try:
        return float(cell)
    except ValueError:
        return cell
