"""Columns brought to other types; a row with a value that does not fit is put aside."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from implementations.reading.fitting import all_but, fitting
from implementations.reading.schema_contract import declared_types
from implementations.reading.times import TimeField, is_number, is_text
from implementations.transforms.known import require
from pipeline_framework.errors import Misuse
from pipeline_framework.interfaces import PutAside

_UNITS = {"s": "second", "ms": "millisecond", "us": "microsecond", "ns": "nanosecond"}


@dataclass(frozen=True)
class Cast:
    """Gives columns other types: `cast: {amount: "decimal(10,2)", day: date}`.

    Types as in `source.columns`. Times are floored to the unit of the type, never rounded, and those without
    a zone are taken for UTC. A value that would change or does not fit puts its row aside.
    """

    cast: Mapping[str, str]

    def __post_init__(self) -> None:
        declared_types(self.cast, "cast")

    def apply(self, batch: pa.RecordBatch, put_aside: PutAside) -> pa.RecordBatch:
        require(self.cast, batch.schema)
        misfits, out = dict[int, str](), batch
        for name, kind in declared_types(self.cast).items():
            place = batch.schema.get_field_index(name)
            column, rows = cast_to(batch.column(place), kind, name)
            misfits = {**dict.fromkeys(rows, f"the column {name} does not fit {kind}"), **misfits}
            out = out.set_column(place, name, column)
        for row, reason in sorted(misfits.items()):
            put_aside(as_json(batch, row), reason)
        return out.filter(all_but(misfits, batch.num_rows)) if misfits else out


def cast_to(column: pa.Array, kind: pa.DataType, name: str) -> tuple[pa.Array, list[int]]:
    """The column as another type, NULL where a value does not fit, and those rows.

    Raises `Misuse` where no value of the one type can be one of the other.
    """
    try:
        return fitting(column, kind, partial(converted, kind=kind))
    except (pa.ArrowNotImplementedError, TypeError):
        raise Misuse(
            f"Column {name} is {column.type} and cannot be cast to {kind}: choose another type."
        ) from None


def converted(column: pa.Array, kind: pa.DataType) -> pa.Array:
    """The column as another type, every value unchanged but for finer digits of times."""
    times = [pa.types.is_temporal(each) for each in (column.type, kind)]
    if any(times) and (is_number(column.type) or is_number(kind)):
        raise TypeError  # a number of what, since when?
    if pa.types.is_timestamp(kind) and is_text(column.type):
        return _from_text(column, kind)
    if pa.types.is_timestamp(kind) and pa.types.is_timestamp(column.type):
        plain = column.view(pa.timestamp(column.type.unit))
        return pc.floor_temporal(plain, unit=_UNITS[kind.unit]).cast(pa.timestamp(kind.unit)).view(kind)
    if pa.types.is_decimal(kind) and pa.types.is_integer(column.type):
        # Arrow asks for room for the widest integer, whatever the values are.
        column = column.cast(pa.decimal256(20 + max(kind.scale, 0), max(kind.scale, 0)))
    return column.cast(kind)


def as_json(batch: pa.RecordBatch, row: int) -> bytes:
    """A row as a JSON object; decimals, times and bytes as text."""
    values = {
        field.name: _plain(column[row]) for field, column in zip(batch.schema, batch.columns, strict=True)
    }
    return json.dumps(values, default=str, ensure_ascii=False).encode("utf-8", "backslashreplace")


def _from_text(column: pa.Array, kind: pa.DataType) -> pa.Array:
    """ISO 8601; text with an offset is an instant, so only a type with a zone can hold it."""
    if kind.tz is None and pc.any(pc.match_substring_regex(column, r"[zZ]$|:\d\d(\.\d+)?[+-]\d\d")).as_py():
        raise pa.ArrowInvalid("it has an offset; cast it to timestamptz")
    return converted(TimeField("", unit="iso").utc(column, "").view(pa.timestamp("us")), kind)


def _plain(value: pa.Scalar) -> Any:
    try:
        return value.as_py()
    except (ValueError, OverflowError):  # a time outside of Python's years
        return value.cast(pa.string()).as_py()
