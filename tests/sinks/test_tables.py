"""The Parquet file is trials.csv with types."""

import csv
import io
from dataclasses import replace

import pyarrow.parquet as pq
import pytest

from tests.sinks.cases import play
from tuner.report.trials_table import trials_csv
from tuner.sinks.tables import Parquet


def test_it_has_the_rows_of_the_csv(tmp_path):
    result = play(Parquet(), tmp_path / "run")
    table = pq.read_table(tmp_path / "run" / "trials.parquet")
    rows = list(csv.DictReader(io.StringIO(trials_csv(result))))
    assert table.column_names == list(rows[0])
    for row, found in zip(rows, table.to_pylist(), strict=True):
        assert row == {name: "" if value is None else str(value) for name, value in found.items()}


@pytest.mark.parametrize(
    ("reason", "cell"),
    [
        ("=HYPERLINK(1)", "'=HYPERLINK(1)"),
        ("@SUM(1)", "'@SUM(1)"),
        ("+1 is too much", "'+1 is too much"),
        ("-1 is too little", "'-1 is too little"),
        ('ValueError: "a", b', 'ValueError: "a", b'),
    ],
)
def test_a_spreadsheet_takes_no_reason_for_a_formula(reason, cell, tmp_path):
    result = play(Parquet(), tmp_path / "run")
    told = replace(result, records=tuple(replace(record, reason=reason) for record in result.records))
    rows = list(csv.DictReader(io.StringIO(trials_csv(told))))
    assert {row["reason"] for row in rows} == {cell}


def test_columns_have_their_types_even_where_nothing_was_measured(tmp_path):
    play(Parquet(), tmp_path / "run")
    types = {f.name: str(f.type) for f in pq.read_schema(tmp_path / "run" / "trials.parquet")}
    wanted = {
        "batch_size": "int64",
        "time_s": "double",
        "censored": "bool",
        "power_w": "double",
        "num_alloc_retries": "int64",
        "contended": "bool",
        "reason": "string",
    }
    assert {name: types[name] for name in wanted} == wanted
