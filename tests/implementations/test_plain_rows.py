"""Rows in the few types that a bulk path takes."""

import json
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from implementations.loading import plain_rows
from pipeline_framework.interfaces import Staged
from pipeline_framework.testing.staged import staged_in
from pipeline_framework.testing.truth import INSTANT


def sent(folder: Path, column: pa.Array) -> pa.Array:
    """The column as it goes to the database."""
    staged: Staged = staged_in(folder, pa.table({"it": column}))
    (batch,) = plain_rows.batches_of(staged)
    assert batch.schema == plain_rows.schema_of(staged)
    return batch.column(0)


@pytest.mark.parametrize(
    ("kind", "becomes"),
    [
        (pa.uint64(), pa.decimal128(20, 0)),
        (pa.date64(), pa.date32()),
        (pa.timestamp("ns"), pa.timestamp("us")),
        (pa.timestamp("s", "Asia/Tokyo"), pa.timestamp("us", "UTC")),
        (pa.dictionary(pa.int8(), pa.string()), pa.string()),
        (pa.struct({"a": pa.int8()}), pa.string()),
        (pa.list_(pa.int8()), pa.list_(pa.int8())),
        (pa.list_(pa.list_(pa.int8())), pa.string()),
        (pa.list_(pa.uint64()), pa.string()),
        (pa.map_(pa.string(), pa.int8()), pa.string()),
    ],
)
def test_types_become_plain(kind: pa.DataType, becomes: pa.DataType) -> None:
    """Times in microseconds, unsigned 64 bits as decimals, what is nested as JSON."""
    assert plain_rows.plain(kind) == becomes


def test_the_largest_unsigned_number_keeps_its_digits(tmp_path: Path) -> None:
    """It has no signed type."""
    assert sent(tmp_path, pa.array([2**64 - 1], pa.uint64())).to_pylist() == [Decimal(2**64 - 1)]


@given(st.integers(-(2**62), 2**62))
def test_nanoseconds_are_floored(instant: int) -> None:
    """Also before 1970: rounded, a row would move into the next window."""
    column = pa.array([instant], pa.int64()).view(pa.timestamp("ns", "UTC"))
    assert plain_rows._sent(column, pa.timestamp("us", "UTC")).view(pa.int64()).to_pylist() == [
        instant // 1000
    ]


@pytest.mark.parametrize(
    ("value", "kind", "text"),
    [
        ({"name": "日本", "n": None}, pa.struct({"name": pa.string(), "n": pa.int8()}), '"日本", "n": null}'),
        ([("k", 1)], pa.map_(pa.string(), pa.int8()), '{"k": 1}'),
        ({"at": datetime(2020, 1, 1, tzinfo=UTC)}, pa.struct({"at": INSTANT}), "2020-01-01T00:00"),
        ({"day": date(2020, 1, 1)}, pa.struct({"day": pa.date32()}), '"2020-01-01"'),
        ({"raw": b"\xff"}, pa.struct({"raw": pa.binary()}), '"ff"'),
        ({"d": Decimal("1.10")}, pa.struct({"d": pa.decimal128(4, 2)}), '"1.10"'),
    ],
)  # fmt: skip
def test_nested_values_are_json(tmp_path: Path, value: Any, kind: pa.DataType, text: str) -> None:
    """Times in ISO 8601, bytes in hexadecimal digits, decimals with all of theirs; NULL stays NULL."""
    written, nothing = sent(tmp_path, pa.array([value, None], kind)).to_pylist()
    assert text in written
    assert json.loads(written)
    assert nothing is None


def test_a_column_of_nothing_is_left_out(tmp_path: Path) -> None:
    """It has no type yet."""
    staged = staged_in(tmp_path, pa.table({"a": [1], "b": pa.nulls(1)}))
    assert plain_rows.schema_of(staged).names == ["a"]
