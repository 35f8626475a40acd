"""Columns as SQLAlchemy reflects them, in Arrow."""

import json
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
from sqlalchemy import Column, types

from implementations.reading.times import INSTANT
from pipeline_framework.errors import BadData

_INTEGERS = {True: pa.uint64(), False: pa.int64()}
# In this order, as some of these types are kinds of others; what is none of them comes as text.
_KINDS: tuple[tuple[type[Any], pa.DataType], ...] = (
    (types.Boolean, pa.bool_()),
    (types.Float, pa.float64()),
    (types.Date, pa.date32()),
    (types.Time, pa.time64("us")),
    (types._Binary, pa.binary()),  # noqa: SLF001 - what BINARY, VARBINARY and BLOB have in common
)


def arrow_type(column: Column[Any], dialect: str) -> pa.DataType:
    """The type of a reflected column; decimals without digits, JSON and strange types are text."""
    kind = column.type
    if isinstance(kind, types.Integer):
        return _INTEGERS[bool(getattr(kind, "unsigned", False))]
    if isinstance(kind, types.DateTime):
        return INSTANT if is_instant(column, dialect) else pa.timestamp("us")
    if isinstance(kind, types.Numeric) and not isinstance(kind, types.Float):
        return _decimal(kind, dialect)
    return next((arrow for sql, arrow in _KINDS if isinstance(kind, sql)), pa.string())


def is_instant(column: Column[Any], dialect: str) -> bool:
    """Whether a time is an instant, not the clock of some zone."""
    stamp = isinstance(column.type, types.TIMESTAMP) and dialect in {"mysql", "mariadb"}
    return stamp or bool(getattr(column.type, "timezone", False))


def batch(rows: Sequence[Sequence[Any]], schema: pa.Schema, place: str) -> pa.RecordBatch:
    """Rows as a batch; `BadData` naming the column for values that do not fit."""
    columns = zip(*rows, strict=True) if rows else [()] * len(schema)
    arrays = [_array(values, field, place) for values, field in zip(columns, schema, strict=True)]
    return pa.RecordBatch.from_arrays(arrays, schema=schema)


def _array(values: Iterable[Any], field: pa.Field, place: str) -> pa.Array:
    change = _changes().get(field.type)
    try:
        return pa.array(map(change, values) if change else values, field.type)
    except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError, ValueError) as refused:
        raise BadData(
            f"Column {field.name} of {place} does not fit {field.type}: {str(refused).rstrip('.')}."
        ) from None


def _changes() -> dict[pa.DataType, Callable[[Any], Any]]:
    return {pa.string(): _text, INSTANT: _instant, pa.float64(): _float, pa.bool_(): _boolean}


def _text(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, dict | list | bool):
        return json.dumps(value, ensure_ascii=False, default=str)
    return value.hex() if isinstance(value, bytes) else str(value)


def _instant(value: datetime | None) -> datetime | None:
    return value.replace(tzinfo=UTC) if value is not None and value.tzinfo is None else value


def _float(value: Any) -> float | None:
    return None if value is None else float(value)


def _boolean(value: Any) -> bool | None:
    return None if value is None else bool(value)


def _decimal(kind: "types.Numeric[Any]", dialect: str) -> pa.DataType:
    if dialect == "sqlite":
        return pa.float64()  # which is how it keeps them
    if kind.precision is None or kind.precision > 76:
        return pa.string()
    wide = pa.decimal128 if kind.precision <= 38 else pa.decimal256
    return wide(kind.precision, kind.scale or 0)
