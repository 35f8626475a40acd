"""Staged rows as documents: lines of a bulk request, each row under an `_id` that is always its own."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

import msgspec
import pyarrow as pa

from implementations.reading.json_types import keeps_json
from implementations.reading.times import floored
from pipeline_framework.errors import BadData
from pipeline_framework.interfaces import Lock

REQUEST = 8 * 1024**2  # bytes of one bulk request, about
_TO_JSON = msgspec.json.Encoder(decimal_format="number")


@dataclass(frozen=True, slots=True)
class Ids:
    """The `_id` of each row: that of a column, or else the window's own name with the row's number."""

    prefix: str
    column: str | None = None

    @classmethod
    def of(cls, lock: Lock, scope: str, column: str | None) -> "Ids":
        """Those of a window's rows, the same in every load of it."""
        whose = [lock.pipeline_id, lock.mapping_name, scope, *map(str, (lock.window.start, lock.window.end))]
        return cls(blake2b(msgspec.json.encode(whose), digest_size=12).hexdigest(), column)

    def named(self, row: dict[str, Any], number: int) -> str:
        """The row's `_id`, which is taken out of the row."""
        if not self.column:
            return f"{self.prefix}-{number}"
        if (name := row.pop(self.column, None)) is None:
            raise BadData(f"Row {number} has no {self.column}, which `target.id_column` makes its _id.")
        return str(name)

    def stale(self, name: str, version: int, epoch: int, rows: int) -> bool:
        """Whether a document of the window is none of the `rows` that this epoch brought."""
        if version < epoch or self.column:
            return version < epoch
        prefix, _, number = name.rpartition("-")
        return prefix != self.prefix or not number.isdecimal() or int(number) >= rows

    def left_over(self, name: str, rows: int) -> bool:
        """Whether a document is the window's own, but none of its `rows`."""
        prefix, _, number = name.rpartition("-")
        return prefix == self.prefix and number.isdecimal() and int(number) >= rows


def requests(rows: Iterator[dict[str, Any]], ids: Ids, epoch: int) -> Iterator[list[bytes]]:
    """Bulk requests that index every row with the epoch as its version: each an action and a document."""
    lines, size = list[bytes](), 0
    for number, row in enumerate(rows):
        name = ids.named(row, number)
        action = {"index": {"_id": name, "version": epoch, "version_type": "external_gte"}}
        lines.append(msgspec.json.encode(action) + b"\n" + document(row) + b"\n")
        size += len(lines[-1])
        if size >= REQUEST:
            yield lines
            lines, size = [], 0
    if lines:
        yield lines


def document(row: Mapping[str, Any]) -> bytes:
    """A row as JSON."""
    return _TO_JSON.encode(row)


def rows_of(batch: pa.RecordBatch) -> Iterator[dict[str, Any]]:
    """The rows by column, NULL left out."""
    columns = [_values(*each) for each in zip(batch.columns, batch.schema, strict=True)]
    for values in zip(*columns, strict=True) if columns else ():
        yield {
            name: value for name, value in zip(batch.schema.names, values, strict=True) if value is not None
        }


def _values(column: pa.Array, field: pa.Field) -> list[Any]:
    if keeps_json(field):
        return [msgspec.Raw(text.encode()) if text else None for text in column.to_pylist()]
    plain: list[Any] = (floored(column) if pa.types.is_timestamp(column.type) else column).to_pylist()
    return plain
