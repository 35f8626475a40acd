"""A table or view of MySQL or MariaDB as source: one snapshot, its rows batch by batch."""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

import pyarrow as pa
from pydantic import SecretStr

from implementations.loading.dialect import Table, place
from implementations.mysql import reading
from implementations.mysql.address import Address
from implementations.mysql.session import opened
from implementations.mysql.words import MySQLWords
from implementations.reading.chosen import chosen, no_time
from implementations.reading.counted import timeless as refused
from implementations.reading.local_times import first_local, zone_named
from implementations.reading.times import INSTANT, TimeField
from pipeline_framework.interfaces import Reading
from pipeline_framework.windows import Window

SILENCE = 600  # seconds for which the stage may take no row before the server gives up


@dataclass(frozen=True)
class MySQLSource:
    """Rows of a table or view of MySQL 8 or MariaDB 10.6 and newer (`type: mysql`).

    `url`: `mysql://user:password@host:3306/database`, with `?ssl_ca=...&ssl_verify_identity=true` and the
    like where wanted, or in its place `conn_id`, the name of a connection. `time_field`: a column of
    TIMESTAMP, DATETIME or DATE, best with an index. `time_zone`: IANA zone of DATETIME and DATE; a date is
    its midnight there, a time that the clocks show twice the second of the two. `null_time`: whether rows
    without a time (NULL, or a zero date) are refused or ignored. `columns`: those to read; all when absent.
    `where`: a condition in SQL that rows must meet. `tinyint1`: whether TINYINT(1) is a boolean or a number.

    JSON, TIME, ENUM, SET and types that Arrow lacks come as text, spatial ones as bytes.
    """

    url: SecretStr
    table: str
    time_field: str
    columns: Sequence[str] = ()
    where: str = "true"
    time_zone: str = "UTC"
    null_time: Literal["refuse", "ignore"] = "refuse"
    tinyint1: Literal["boolean", "number"] = "boolean"

    def __post_init__(self) -> None:
        zone_named(self.time_zone)

    def check(self) -> str:
        with self._opened() as words:
            kinds, timeless = self._kinds(words), self._timeless(words)
        left = f"; {timeless} rows without a time are left out" if timeless else ""
        return f"{self._place}: {len(kinds)} columns, time field {self.time_field}{left}"

    def count(self, window: Window) -> int:
        with self._opened() as words:
            return self._count(words, window, self._kinds(words))

    def read(self, window: Window) -> Reading:
        rows = self._snapshot(window)
        schema, count = next(rows)
        return Reading(schema, rows, count)

    def _snapshot(self, window: Window) -> Iterator[Any]:
        """First the schema and the count, then the batches; closed with the iterator."""
        with self._opened() as words:
            kinds = self._kinds(words)
            words.rows("START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY")
            count, columns = self._count(words, window, kinds), self._columns(words, kinds)
            time = reading.schema(columns).get_field_index(self.time_field)
            schema = reading.schema(columns).set(time, pa.field(self.time_field, INSTANT))
            yield schema, count
            asked = f"SELECT {reading.query(columns)} FROM {self._inside(words, window, kinds)}"  # noqa: S608
            with words.streamed(asked) as cursor:
                for batch in reading.batches(cursor, columns, self._place):
                    yield self._timed(batch, time, schema)

    def _timed(self, batch: pa.RecordBatch, time: int, schema: pa.Schema) -> pa.RecordBatch:
        field = TimeField(self.time_field, self.time_zone, ambiguous="latest")
        arrays = [*batch.columns]
        arrays[time] = field.utc(arrays[time], self._place)
        return pa.RecordBatch.from_arrays(arrays, schema=schema)

    def _count(self, words: MySQLWords, window: Window, kinds: dict[str, str]) -> int:
        if self.null_time == "refuse":
            self._timeless(words)
        return int(words.rows(f"SELECT count(*) FROM {self._inside(words, window, kinds)}")[0][0])  # noqa: S608

    def _timeless(self, words: MySQLWords) -> int:
        time = words.quoted(self.time_field)
        without = f"{self._from(words)} AND ({time} IS NULL OR {time} < '0001-01-01')"
        timeless = int(words.rows(f"SELECT count(*) FROM {without}")[0][0])  # noqa: S608
        if timeless and self.null_time == "refuse":
            raise refused(timeless, self._place, self.time_field)
        return timeless

    def _from(self, words: MySQLWords) -> str:
        return f"{place(words, self._table)} WHERE ({self.where})"

    def _inside(self, words: MySQLWords, window: Window, kinds: dict[str, str]) -> str:
        zone = zone_named("UTC" if kinds[self.time_field].startswith("timestamp") else self.time_zone)
        start, end = (
            first_local(bound, zone).isoformat(" ", "microseconds") for bound in (window.start, window.end)
        )
        time = words.quoted(self.time_field)
        return f"{self._from(words)} AND {time} >= TIMESTAMP'{start}' AND {time} < TIMESTAMP'{end}'"

    def _columns(self, words: MySQLWords, kinds: dict[str, str]) -> list[reading.Column]:
        as_bool = self.tinyint1 == "boolean"
        return [
            reading.column(name, kind, words.quoted(name), tinyint_is_bool=as_bool)
            for name, kind in kinds.items()
        ]

    def _kinds(self, words: MySQLWords) -> dict[str, str]:
        """The columns to read by type."""
        kinds = chosen(words.columns(self._table), self.time_field, self.columns, self._place)
        if not re.match("timestamp|date", kinds[self.time_field]):
            raise no_time(self.time_field, self._place, kinds[self.time_field])
        return kinds

    @property
    def _table(self) -> Table:
        return Table(Address(self.url).database, self.table, self.time_field)

    @property
    def _place(self) -> str:
        return f"{self._table} at {Address(self.url).shown}"

    @contextmanager
    def _opened(self) -> Iterator[MySQLWords]:
        with opened(Address(self.url), str(self._table), silence=SILENCE) as session:
            session.rows("SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            yield MySQLWords(session.connection)
