"""A table or view of any database that SQLAlchemy knows: one transaction, its rows batch by batch."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import pyarrow as pa
from pydantic import SecretStr
from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    Date,
    DateTime,
    Float,
    MetaData,
    Table,
    func,
    select,
    text,
    type_coerce,
    types,
)

from implementations.any_database import sqlite_times
from implementations.any_database.connecting import Address, opened
from implementations.any_database.values import arrow_type, batch, is_instant
from implementations.reading.chosen import chosen, no_time
from implementations.reading.local_times import first_local, zone_named
from implementations.reading.tables import NullTime, TableSource, in_utc, timed
from pipeline_framework.windows import Window

ROWS = 10_000  # of a batch, and of what the server sends ahead
Columns = dict[str, Column[Any]]


@dataclass(frozen=True)
class DatabaseSource(TableSource):
    """Rows of a table or view of any database with a driver for SQLAlchemy (`type: database`).

    `url`: an address as SQLAlchemy writes it, `kind+driver://user:password@host/database`, or in its place
    `conn_id`, the name of a connection. `table`: a table or view. `time_field`: a column of a timestamp or
    date, best with an index. `schema`: the database's own when absent. `time_zone`: IANA zone of times that
    carry none; a date is its midnight there, a time that the clocks show twice the second of the two.
    `null_time`: whether rows without a time are refused or ignored. `columns`: those to read; all when
    absent. `where`: a condition in SQL that rows must meet.

    Every value becomes a Python object on its way: where there is a connector of the system's own, that is
    several times faster. JSON and types that SQLAlchemy does not know come as text.
    """

    url: SecretStr
    table: str
    time_field: str
    schema: str | None = None
    columns: Sequence[str] = ()
    where: str = ""
    time_zone: str = "UTC"
    null_time: NullTime = "refuse"

    def __post_init__(self) -> None:
        zone_named(self.time_zone)

    @property
    def place(self) -> str:
        """The table in messages."""
        name = f"{self.schema}.{self.table}" if self.schema else self.table
        return f"{name} at {Address(self.url).shown}"

    @contextmanager
    def open_table(self) -> "Iterator[DatabaseRows]":
        with opened(Address(self.url), self.place) as connection:
            found = Table(
                self.table, MetaData(), schema=self.schema, autoload_with=connection, resolve_fks=False
            )
            table = DatabaseRows(self, connection, found, self._kinds(found))
            table.require_order()
            yield table

    def _kinds(self, found: Table) -> Columns:
        present = {column.name: column for column in found.columns}
        columns = chosen(present, self.time_field, self.columns, self.place)
        kind = columns[self.time_field].type
        if not isinstance(kind, DateTime | Date):
            raise no_time(self.time_field, self.place, kind)
        return columns


@dataclass(frozen=True, slots=True)
class DatabaseRows:
    """The source's table, as it was reflected, in one transaction."""

    source: DatabaseSource
    connection: Connection
    found: Table
    kinds: Columns

    def require_order(self) -> None:
        """Raise `BadData` for times of SQLite in a form whose order is not that of time."""
        disorderly = sqlite_times.disorderly(self._time)
        if self._dialect == "sqlite" and (rows := self._number(*self._where, disorderly)):
            raise sqlite_times.refused(rows, self._time, self.source.place)

    def timeless(self) -> int:
        return self._number(*self._where, self._time.is_(None))

    def count(self, window: Window) -> int:
        return self._number(*self._inside(window))

    def batches(self, window: Window) -> Iterator[Any]:
        source = self.source
        given = pa.schema([(name, arrow_type(column, self._dialect)) for name, column in self.kinds.items()])
        yield timed(given, source.time_field)
        asked = select(*map(_taken, self.kinds.values(), given.types)).where(*self._inside(window))
        result = self.connection.execution_options(stream_results=True, yield_per=ROWS).execute(asked)
        for rows in result.partitions(ROWS):
            yield in_utc(batch(rows, given, source.place), source.time_field, source.time_zone, source.place)

    def _number(self, *conditions: ColumnElement[bool]) -> int:
        asked = select(func.count()).select_from(self.found).where(*conditions)
        return int(self.connection.execute(asked).scalar_one())

    @property
    def _where(self) -> list[Any]:
        return [text(f"({self.source.where})")] if self.source.where else []

    @property
    def _time(self) -> Column[Any]:
        return self.kinds[self.source.time_field]

    @property
    def _dialect(self) -> str:
        return self.connection.dialect.name

    def _inside(self, window: Window) -> list[Any]:
        start, end = map(self._bound, (window.start, window.end))
        if self._dialect == "sqlite":
            return [*self._where, *sqlite_times.inside(self._time, start, end)]
        return [*self._where, self._time >= start, self._time < end]

    def _bound(self, instant: datetime) -> datetime | date:
        """The first value of the column that is not before the instant."""
        if is_instant(self._time, self._dialect):
            aware = instant.astimezone(UTC)
            return aware if getattr(self._time.type, "timezone", False) else aware.replace(tzinfo=None)
        local = first_local(instant, zone_named(self.source.time_zone))
        if isinstance(self._time.type, DateTime):
            return local
        return local.date() + timedelta(days=local.time() > time())


def _taken(column: Column[Any], kind: pa.DataType) -> ColumnElement[Any]:
    """A number with a point in the form that Arrow gets it: else SQLite's driver warns of its decimals."""
    numeric = isinstance(column.type, types.Numeric)
    return type_coerce(column, Float()) if numeric and pa.types.is_floating(kind) else column
