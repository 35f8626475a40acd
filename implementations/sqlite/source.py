"""A table or view of an SQLite file as source."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Annotated, Any

import pyarrow as pa
from pydantic import Field

from implementations.loading.dialect import Table, place
from implementations.reading.chosen import chosen
from implementations.reading.tables import NullTime, TableSource
from implementations.sqlite import kinds
from implementations.sqlite.session import Session, opened, told_plainly
from pipeline_framework.errors import BadData
from pipeline_framework.interfaces import InputPath
from pipeline_framework.windows import Window

_ROWS = 10_000  # of a batch
_INSIDE = "{} >= ? AND {} < ?"  # of the time field


@dataclass(frozen=True)
class SQLiteSource(TableSource):
    """A table or view of an SQLite file.

    `path`: the file. `table`: the table or view. `time_field`: the column that decides a row's window, text
    of the form `YYYY-MM-DDTHH:MM:SS.ffffffZ`. `columns`: the columns to read; all unless given. `null_time`:
    whether rows without a time are an error (`refuse`) or left out (`ignore`).
    A column whose declared type promises no values (`NUMERIC`, `DATETIME`, none) is read as text.
    """

    path: Annotated[InputPath, Field(examples=["flights.sqlite"])]
    table: str
    time_field: str
    columns: Sequence[str] = ()
    null_time: NullTime = "refuse"

    @property
    def stored(self) -> Table:
        """The table as the file knows it."""
        return Table("main", self.table, self.time_field)

    @property
    def place(self) -> str:
        """The table in messages."""
        return f"{self.table} of {self.path}"

    @contextmanager
    def open_table(self) -> "Iterator[SQLiteRows]":
        with opened(self.path, "ro") as session:
            session.rows("BEGIN")
            columns = chosen(session.columns(self.stored), self.time_field, self.columns, self.place)
            table = SQLiteRows(self, session, columns)
            table.require_order()
            yield table


@dataclass(frozen=True, slots=True)
class SQLiteRows:
    """The source's table in an open file, in one transaction."""

    source: SQLiteSource
    session: Session
    kinds: dict[str, str]

    def require_order(self) -> None:
        """Raise `BadData` for times in a form whose order is not that of time."""
        if strange := self._number("{} NOT GLOB ?", kinds.SHAPE):
            name = self.source.time_field
            raise BadData(
                f"{strange} rows of {self.source.place} have a {name} that is not text like "
                "YYYY-MM-DDTHH:MM:SS.ffffffZ: read a view that makes it so, as by "
                f"strftime('%Y-%m-%dT%H:%M:%f', {name}) || '000Z'."
            )

    def timeless(self) -> int:
        return self._number("{} IS NULL")

    def count(self, window: Window) -> int:
        return self._number(_INSIDE, window.start, window.end)

    def batches(self, window: Window) -> Iterator[Any]:
        arrow = {name: kinds.arrow(kind) for name, kind in self.kinds.items()}
        schema = pa.schema(arrow | {self.source.time_field: kinds.arrow(kinds.INSTANT)})
        yield schema
        bounds = [kinds.text(window.start), kinds.text(window.end)]
        asked = f"SELECT {', '.join(map(self.session.quoted, schema.names))} {self._where(_INSIDE)}"
        with told_plainly(self.source.path):
            cursor = self.session.connection.execute(asked, bounds)
            while rows := cursor.fetchmany(_ROWS):
                columns = zip(schema, zip(*rows, strict=True), strict=True)
                arrays = [self._array(column, values) for column, values in columns]
                yield pa.RecordBatch.from_arrays(arrays, schema=schema)

    def _number(self, condition: str, *values: object) -> int:
        return int(self.session.rows(f"SELECT count(*) {self._where(condition)}", values)[0][0])

    def _where(self, condition: str) -> str:
        time = self.session.quoted(self.source.time_field)
        return f"FROM {place(self.session, self.source.stored)} WHERE {condition.replace('{}', time)}"

    def _array(self, column: pa.Field, values: Sequence[object]) -> pa.Array:
        try:
            return kinds.array(values, column.type)
        except pa.ArrowException as error:
            raise BadData(
                f"Column {column.name} of {self.source.place} holds what is no {column.type}: {error}. "
                "Correct it, or read a view that does."
            ) from None
