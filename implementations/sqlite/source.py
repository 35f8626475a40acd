"""A table or view of an SQLite file as source."""

import weakref
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Annotated, Literal

import pyarrow as pa
from pydantic import Field

from implementations.loading.dialect import Table, place
from implementations.reading.chosen import chosen
from implementations.reading.counted import ANY, Counted, timeless
from implementations.sqlite import kinds
from implementations.sqlite.session import Session, connected, opened, told_plainly
from pipeline_framework.errors import BadData
from pipeline_framework.interfaces import InputPath, Reading
from pipeline_framework.windows import Window

_ROWS = 10_000  # of a batch


@dataclass(frozen=True)
class SQLiteSource:
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
    null_time: Literal["refuse", "ignore"] = "refuse"

    def check(self) -> str:
        with opened(self.path, "ro") as session:
            columns, left_out = self._columns(session), self._counted(session, ANY).timeless
            rows = session.rows(f"SELECT count(*) FROM {self._place(session)}")[0][0]  # noqa: S608
        ignored = f", {left_out} rows without {self.time_field} left out" if left_out else ""
        return f"{self.table} of {self.path}: {len(columns)} columns, {rows} rows{ignored}"

    def count(self, window: Window) -> int:
        with opened(self.path, "ro") as session:
            self._columns(session)
            return self._counted(session, window).rows

    def read(self, window: Window) -> Reading:
        with told_plainly(self.path):
            session = Session(connected(self.path, "ro"), self.path)
        try:
            session.rows("BEGIN")  # one snapshot for the number and the rows
            columns = self._columns(session)
            counted, schema = self._counted(session, window).rows, pa.schema(columns)
            batches = self._batches(session, window, schema)
        except BaseException:
            session.connection.close()
            raise
        weakref.finalize(batches, session.connection.close)  # where nobody asks for a batch
        return Reading(schema, batches, counted)

    def _columns(self, session: Session) -> Mapping[str, pa.DataType]:
        present = session.columns(Table("main", self.table, self.time_field))
        wanted = chosen(present, self.time_field, self.columns, f"{self.table} of {self.path}")
        arrow = {name: kinds.arrow(kind) for name, kind in wanted.items()}
        return arrow | {self.time_field: kinds.arrow(kinds.INSTANT)}

    def _counted(self, session: Session, window: Window) -> Counted:
        name = session.quoted(self.time_field)
        tests = (f"{name} >= ? AND {name} < ?", f"{name} IS NULL", f"{name} NOT GLOB ?")
        listed = ", ".join(f"count(*) FILTER (WHERE {test})" for test in tests)
        asked = f"SELECT {listed} FROM {self._place(session)}"  # noqa: S608
        inside, without, strange = session.rows(asked, [window.start, window.end, kinds.SHAPE])[0]
        if strange:
            raise self._strange(strange)
        if without and self.null_time == "refuse":
            raise timeless(without, f"{self.table} of {self.path}", self.time_field)
        return Counted(inside, without)

    def _strange(self, rows: int) -> BadData:
        return BadData(
            f"{rows} rows of {self.table} of {self.path} have a {self.time_field} that is not text like "
            "YYYY-MM-DDTHH:MM:SS.ffffffZ: read a view that makes it so, as by "
            f"strftime('%Y-%m-%dT%H:%M:%f', {self.time_field}) || '000Z'."
        )

    def _batches(self, session: Session, window: Window, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
        name, listed = session.quoted(self.time_field), ", ".join(map(session.quoted, schema.names))
        asked = f"SELECT {listed} FROM {self._place(session)} WHERE {name} >= ? AND {name} < ?"  # noqa: S608
        bounds = [kinds.text(window.start), kinds.text(window.end)]
        with told_plainly(self.path), closing(session.connection):
            cursor = session.connection.execute(asked, bounds)
            while rows := cursor.fetchmany(_ROWS):
                columns = zip(schema, zip(*rows, strict=True), strict=True)
                arrays = [self._array(column, values) for column, values in columns]
                yield pa.RecordBatch.from_arrays(arrays, schema=schema)

    def _array(self, column: pa.Field, values: Sequence[object]) -> pa.Array:
        try:
            return kinds.array(values, column.type)
        except pa.ArrowException as error:
            raise BadData(
                f"Column {column.name} of {self.table} of {self.path} holds what is no {column.type}: "
                f"{error}. Correct it, or read a view that does."
            ) from None

    def _place(self, session: Session) -> str:
        return place(session, Table("main", self.table, self.time_field))
