"""The one recipe that reads a window of a table: no row without a time, a count, and the rows of one state.

Every source of a database's table uses it; what it supplies is its table, opened.
"""

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, closing
from typing import Any, Literal, Protocol

import pyarrow as pa

from implementations.reading.counted import timeless
from implementations.reading.times import INSTANT, TimeField
from pipeline_framework.interfaces import Reading
from pipeline_framework.windows import Window

NullTime = Literal["refuse", "ignore"]


class OpenTable(Protocol):
    """A table in one session, in one state from the first question to the last row.

    Whatever the database raises comes out as an error of the framework.
    """

    @property
    def kinds(self) -> Mapping[str, Any]:
        """The columns to read by type."""

    def timeless(self) -> int:
        """Rows that belong to no window, as they have no time."""

    def count(self, window: Window) -> int:
        """Rows with start <= time < end."""

    def batches(self, window: Window) -> Iterator[Any]:
        """First the schema of these rows, then the rows; closed with the iterator."""


class OfTable(Protocol):
    """What a source says of its table: its name in messages, its time, and how it is opened."""

    @property
    def place(self) -> str: ...
    @property
    def time_field(self) -> str: ...
    @property
    def null_time(self) -> NullTime: ...

    def open_table(self) -> AbstractContextManager[OpenTable]:
        """The table, closed at the end of the block."""


class TableSource:
    """To be inherited by a source that is `OfTable`: the three things that every source is asked."""

    def check(self: OfTable) -> str:
        """What answers, in one sentence; `BadData` for rows without a time, where they are refused."""
        with self.open_table() as table:
            columns, without = len(table.kinds), _timeless(self, table)
        left = f"; {without} rows without a time are left out" if without else ""
        return f"{self.place}: {columns} columns, time field {self.time_field}{left}"

    def count(self: OfTable, window: Window) -> int:
        """Rows of the window, now."""
        with self.open_table() as table:
            return _count(self, table, window)

    def read(self: OfTable, window: Window) -> Reading:
        """The same rows, with their count in the same state of the table."""
        rows = _snapshot(self, window)
        schema, count = next(rows)
        return Reading(schema, rows, count)


def _snapshot(source: OfTable, window: Window) -> Iterator[Any]:
    with source.open_table() as table, closing(table.batches(window)) as batches:  # type: ignore[type-var]
        count = _count(source, table, window)
        yield next(batches), count
        yield from batches


def _count(source: OfTable, table: OpenTable, window: Window) -> int:
    if source.null_time == "refuse":
        _timeless(source, table)
    return table.count(window)


def _timeless(source: OfTable, table: OpenTable) -> int:
    without = table.timeless()
    if without and source.null_time == "refuse":
        raise timeless(without, source.place, source.time_field)
    return without


def timed(schema: pa.Schema, time_field: str) -> pa.Schema:
    """The schema with instants in the time field."""
    return schema.set(schema.get_field_index(time_field), pa.field(time_field, INSTANT))


def in_utc(batch: pa.RecordBatch, time_field: str, zone: str, place: str) -> pa.RecordBatch:
    """The batch with instants in the time field; of a time that its zone's clocks show twice, the second."""
    column = batch.schema.get_field_index(time_field)
    times = TimeField(time_field, zone, ambiguous="latest").utc(batch.column(column), place)
    return batch.set_column(column, pa.field(time_field, INSTANT), times)
