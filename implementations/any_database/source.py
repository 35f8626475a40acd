"""A table or view of any database that SQLAlchemy knows: one transaction, its rows batch by batch."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Literal

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

from implementations.any_database.connecting import Address, opened
from implementations.any_database.values import arrow_type, batch, is_instant
from implementations.reading.chosen import chosen, no_time
from implementations.reading.counted import timeless as refused
from implementations.reading.local_times import first_local, zone_named
from implementations.reading.times import INSTANT, TimeField
from pipeline_framework.interfaces import Reading
from pipeline_framework.windows import Window

ROWS = 10_000  # of a batch, and of what the server sends ahead
Columns = dict[str, Column[Any]]


@dataclass(frozen=True)
class DatabaseSource:
    """Rows of a table or view of any database with a driver for SQLAlchemy (`type: database`).

    `url`: an address as SQLAlchemy writes it, `kind+driver://user:password@host/database`, or in its place
    `conn_id`, the name of a connection. `time_field`: a column of a timestamp or date, best with an index.
    `schema`: the database's own when absent. `time_zone`: IANA zone of times that carry none; a date is its
    midnight there, a time that the clocks show twice the second of the two. `null_time`: whether rows
    without a time are refused or ignored. `columns`: those to read; all when absent. `where`: a condition in
    SQL that rows must meet.

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
    null_time: Literal["refuse", "ignore"] = "refuse"

    def __post_init__(self) -> None:
        zone_named(self.time_zone)

    def check(self) -> str:
        with self._opened() as connection:
            columns, timeless = self._columns(connection), self._timeless(connection)
        left = f"; {timeless} rows without a time are left out" if timeless else ""
        return f"{self._place}: {len(columns)} columns, time field {self.time_field}{left}"

    def count(self, window: Window) -> int:
        with self._opened() as connection:
            return self._count(connection, window)

    def read(self, window: Window) -> Reading:
        rows = self._snapshot(window)
        schema, count = next(rows)
        return Reading(schema, rows, count)

    def _snapshot(self, window: Window) -> Iterator[Any]:
        """First the schema and the count, then the batches; closed with the iterator."""
        with self._opened() as connection:
            columns, dialect = self._columns(connection), connection.dialect.name
            count = self._count(connection, window)
            given = pa.schema([(name, arrow_type(column, dialect)) for name, column in columns.items()])
            time = given.get_field_index(self.time_field)
            yield given.set(time, pa.field(self.time_field, INSTANT)), count
            asked = select(*map(_taken, columns.values(), given.types)).where(
                *self._inside(connection, window)
            )
            result = connection.execution_options(stream_results=True, yield_per=ROWS).execute(asked)
            for rows in result.partitions(ROWS):
                yield self._timed(batch(rows, given, self._place), time)

    def _timed(self, given: pa.RecordBatch, time: int) -> pa.RecordBatch:
        field = TimeField(self.time_field, self.time_zone, ambiguous="latest")
        return given.set_column(
            time, pa.field(self.time_field, INSTANT), field.utc(given.column(time), self._place)
        )

    def _count(self, connection: Connection, window: Window) -> int:
        if self.null_time == "refuse":
            self._timeless(connection)
        return self._number(connection, *self._inside(connection, window))

    def _timeless(self, connection: Connection) -> int:
        timeless = self._number(
            connection, *self._where, self._columns(connection)[self.time_field].is_(None)
        )
        if timeless and self.null_time == "refuse":
            raise refused(timeless, self._place, self.time_field)
        return timeless

    def _number(self, connection: Connection, *conditions: ColumnElement[bool]) -> int:
        asked = select(func.count()).select_from(self._reflected(connection)).where(*conditions)
        return int(connection.execute(asked).scalar_one())

    @property
    def _where(self) -> list[Any]:
        return [text(f"({self.where})")] if self.where else []

    def _inside(self, connection: Connection, window: Window) -> list[Any]:
        column = self._columns(connection)[self.time_field]
        start, end = (
            self._bound(column, bound, connection.dialect.name) for bound in (window.start, window.end)
        )
        return [*self._where, column >= start, column < end]

    def _bound(self, column: Column[Any], instant: datetime, dialect: str) -> datetime | date:
        """The first value of the column that is not before the instant."""
        if is_instant(column, dialect):
            aware = instant.astimezone(UTC)
            return aware if getattr(column.type, "timezone", False) else aware.replace(tzinfo=None)
        local = first_local(instant, zone_named(self.time_zone))
        if isinstance(column.type, DateTime):
            return local
        return local.date() + timedelta(days=local.time() > time())

    def _columns(self, connection: Connection) -> Columns:
        """The columns to read."""
        present = {column.name: column for column in self._reflected(connection).columns}
        columns = chosen(present, self.time_field, self.columns, self._place)
        kind = columns[self.time_field].type
        if not isinstance(kind, DateTime | Date):
            raise no_time(self.time_field, self._place, kind)
        return columns

    def _reflected(self, connection: Connection) -> Table:
        # Once for each connection, which is this source's alone.
        if "table" not in connection.info:
            connection.info["table"] = Table(
                self.table, MetaData(), schema=self.schema, autoload_with=connection, resolve_fks=False
            )
        table: Table = connection.info["table"]
        return table

    @property
    def _place(self) -> str:
        name = f"{self.schema}.{self.table}" if self.schema else self.table
        return f"{name} at {Address(self.url).shown}"

    @contextmanager
    def _opened(self) -> Iterator[Connection]:
        with opened(Address(self.url), self._place) as connection:
            yield connection


def _taken(column: Column[Any], kind: pa.DataType) -> ColumnElement[Any]:
    """A number with a point in the form that Arrow gets it: else SQLite's driver warns of its decimals."""
    numeric = isinstance(column.type, types.Numeric)
    return type_coerce(column, Float()) if numeric and pa.types.is_floating(kind) else column
