"""The trials as Parquet: the rows of `trials.csv` with their types."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_args, get_type_hints

from foundation.whole_file import whole_file
from tuner.core.measurement import Measurement
from tuner.core.study import StudySpec
from tuner.core.trial import TrialRecord
from tuner.report.trials_table import trials_table
from tuner.runs.result import RunResult
from tuner.sinks.contract import Sink

FILE_NAME = "trials.parquet"

_HINTS: dict[str, Any] = get_type_hints(Measurement)


class Parquet(Sink):
    """Writes `trials.parquet` at the end of a run."""

    def start(self, study: StudySpec, provenance: Mapping[str, Any], folder: Path) -> None:
        """Remembers the folder to write to."""
        self._folder = folder

    def show(self, record: TrialRecord) -> None:
        """The journal keeps it until the end."""

    def finish(self, result: RunResult) -> None:
        """Writes the file whole or not at all."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        columns, rows = trials_table(result)
        arrays = [_array(name, [row.get(name) for row in rows]) for name in columns]
        table = pa.Table.from_arrays(arrays, names=columns)
        with whole_file(self._folder / FILE_NAME) as draft:
            pq.write_table(table.replace_schema_metadata({"study": result.study.name}), draft)


def _array(name: str, values: list[Any]) -> Any:
    """A column of one type, which it has even where nothing was measured."""
    import pyarrow as pa

    kinds = {type(value) for value in values if value is not None}
    if len(kinds) > 1 and kinds != {int, float}:
        return pa.array([None if value is None else str(value) for value in values])
    if kinds:
        return pa.array(values)
    hint = _HINTS.get(name, float)
    kind = (*get_args(hint), hint)[0]
    return pa.array(
        values, type={bool: pa.bool_(), int: pa.int64(), str: pa.string()}.get(kind, pa.float64())
    )
