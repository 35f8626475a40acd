"""Staged rows in the few types that a bulk path takes: whatever is nested becomes JSON text."""

import json
from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from pipeline_framework.interfaces import Staged


def plain(kind: pa.DataType) -> pa.DataType:
    """What a column of that type is sent as; times in microseconds, unsigned 64 bits as decimals."""
    types = pa.types
    if types.is_dictionary(kind):
        return plain(kind.value_type)
    if nested(kind):
        return pa.string()
    if types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind):
        return pa.list_(plain(kind.value_type))
    if types.is_timestamp(kind):
        return pa.timestamp("us", "UTC" if kind.tz else None)
    return {pa.uint64(): pa.decimal128(20, 0), pa.date64(): pa.date32()}.get(kind, kind)


def nested(kind: pa.DataType) -> bool:
    """Whether only JSON holds such values; a list of plain values is none."""
    if pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind):
        return bool(pa.types.is_nested(kind.value_type) or pa.types.is_decimal(plain(kind.value_type)))
    return bool(pa.types.is_nested(kind))


def unknown(kind: pa.DataType) -> bool:
    """Whether such a column has held nothing but NULL, so that nobody knows its type."""
    return bool(pa.types.is_null(plain(kind)))


def as_json(value: Any) -> str | None:
    """A nested value as JSON text; bytes as hexadecimal digits, times and decimals as text."""
    return None if value is None else json.dumps(value, ensure_ascii=False, default=_shown)


def schema_of(staged: Staged) -> pa.Schema:
    """The staged columns as they are sent; those of nothing but NULL are left out, as they have no type."""
    known = [column for column in staged.schema if not unknown(column.type)]
    return pa.schema([(column.name, plain(column.type)) for column in known])


def batches_of(staged: Staged) -> Iterator[pa.RecordBatch]:
    """The staged rows, one batch at a time."""
    schema = schema_of(staged)
    for batch in staged.batches():
        columns = [_sent(batch.column(column.name), column.type) for column in schema]
        yield pa.RecordBatch.from_arrays(columns, schema=schema)


def _sent(column: pa.Array, kind: pa.DataType) -> pa.Array:
    if column.type == kind:
        return column
    if nested(column.type):
        return pa.array(map(as_json, column.to_pylist(maps_as_pydicts="strict")), kind)
    if pa.types.is_timestamp(column.type) and column.type.unit == "ns":
        # Floored, as rounding moves a row into the next window; as plain numbers, as a zone's clock repeats.
        numbers = pc.floor_temporal(column.view(pa.timestamp("ns")), unit="microsecond")
        return numbers.cast(pa.timestamp("us")).view(kind)
    return column.cast(kind)


def _shown(value: Any) -> str:
    if isinstance(value, bytes):
        return value.hex()
    return value.isoformat() if hasattr(value, "isoformat") else str(value)
