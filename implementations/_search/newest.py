"""Staged rows that share a key: which of them is the newest, and by what its document is named.

Keys and versions of a window are in memory at once, and nothing else of it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import reduce
from hashlib import blake2b
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from implementations.reading.json_types import keeps_json
from implementations.reading.times import floored
from pipeline_framework.errors import BadData
from pipeline_framework.interfaces import Staged

_PLAIN = [
    pa.types.is_integer,
    pa.types.is_decimal,
    pa.types.is_string,
    pa.types.is_large_string,
    pa.types.is_timestamp,
    pa.types.is_date,
]


@dataclass(frozen=True, slots=True)
class Order:
    """The columns that name a row, and the one by which one is newer than another."""

    key: Sequence[str]
    version: str
    scope: str  # of which the rows are: keys of another are others

    def newest(self, staged: Staged, where: str) -> pa.BooleanArray:
        """For each staged row whether it is the newest of its key.

        Raises `BadData` where that cannot be told: a row without key or version, or two that share both.
        """
        names = [*(name for name in self.key if name != self.version), self.version]
        nothing = pa.RecordBatch.from_pylist([], pa.schema([staged.schema.field(name) for name in names]))
        batches = [_plain(batch.select(names)) for batch in staged.batches()]
        table = pa.Table.from_batches([_plain(nothing), *batches])
        empty = reduce(pc.or_, (pc.is_null(table[name]) for name in names))
        order = pc.sort_indices(table, sort_keys=[(name, "ascending") for name in names])
        same_key = reduce(pc.and_, (_as_the_next(table[name].take(order)) for name in self.key))
        twice = pc.and_(same_key, _as_the_next(table[self.version].take(order)))
        if doubtful := (pc.sum(empty).as_py() or 0) + (pc.sum(twice).as_py() or 0):
            raise self._doubtful(doubtful, where)
        # An order's own order is the way back to where each row was.
        return pc.invert(same_key).take(pc.sort_indices(order))

    def named(self, row: dict[str, Any]) -> str:
        """The `_id` of a row's document."""
        told = msgspec.json.encode([self.scope, *(_canonical(row[name]) for name in self.key)])
        return blake2b(told, digest_size=16).hexdigest()

    def _doubtful(self, rows: int, where: str) -> BadData:
        return BadData(
            f"{rows} rows staged for {where} have no {' and '.join([*self.key, self.version])}, or share "
            "them with another one, so it cannot be told which is the newer: correct the source, or name "
            "another `target.write.version_by`."
        )


def require_plain(column: pa.Field, where: str, key: str) -> None:
    """Raise `BadData` for a key that may be nearly another one, and for a version that has no order."""
    kind = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
    fitting = [*_PLAIN, pa.types.is_floating if key == "version_by" else pa.types.is_boolean]
    if keeps_json(column) or not any(fits(kind) for fits in fitting):
        raise BadData(
            f"`target.write.{key}` of {where} names {column.name}, which is staged as {column.type}: take a "
            "column of whole numbers, decimals, text or times."
        )


def comparable(value: Any) -> Any:
    """A date as its midnight, a time without a zone in UTC, as an index takes them; others as they are."""
    if not isinstance(value, date):
        return value
    if not isinstance(value, datetime):
        value = datetime(value.year, value.month, value.day, tzinfo=UTC)
    return value.astimezone(UTC) if value.tzinfo else value.replace(tzinfo=UTC)


def _plain(batch: pa.RecordBatch) -> pa.RecordBatch:
    """The values as they are sent."""
    columns = zip(batch.columns, batch.schema.types, strict=True)
    return pa.RecordBatch.from_arrays([_sent(*each) for each in columns], batch.schema.names)


def _sent(column: pa.Array, kind: pa.DataType) -> pa.Array:
    if pa.types.is_dictionary(kind):
        return column.cast(kind.value_type)
    return floored(column) if pa.types.is_timestamp(kind) else column


def _as_the_next(column: pa.ChunkedArray) -> pa.Array:
    """Whether each value is that of the row behind it; false for the last one."""
    values = column.combine_chunks()
    some = min(1, len(values))
    alike = pc.equal(values.slice(0, len(values) - some), values.slice(some))
    return pa.concat_arrays([pc.fill_null(alike, fill_value=False), pa.array([False] * some, pa.bool_())])


def _canonical(value: Any) -> Any:
    """The same for values that are one in any column that holds them: 7 and 7.00, a date and its midnight."""
    if isinstance(value, Decimal):
        text = f"{value:f}"
        return msgspec.Raw((text.rstrip("0").rstrip(".") if "." in text else text).encode())
    return comparable(value)
