"""A table or view of MySQL or MariaDB as source: one snapshot, its rows batch by batch."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import SecretStr

from implementations.loading.dialect import Table, place
from implementations.mysql import reading
from implementations.mysql.address import Address
from implementations.mysql.session import opened
from implementations.mysql.words import MySQLWords
from implementations.reading.chosen import chosen_by_time
from implementations.reading.local_times import first_local, zone_named
from implementations.reading.tables import NullTime, TableSource, in_utc, timed
from pipeline_framework.windows import Window

SILENCE = 600  # seconds for which the stage may take no row before the server gives up


@dataclass(frozen=True)
class MySQLSource(TableSource):
    """Rows of a table or view of MySQL 8 or MariaDB 10.6 and newer (`type: mysql`).

    `url`: `mysql://user:password@host:3306/database`, with `?ssl_ca=...&ssl_verify_identity=true` and the
    like where wanted, or in its place `conn_id`, the name of a connection. `table`: a table or view.
    `time_field`: a column of TIMESTAMP, DATETIME or DATE, best with an index. `time_zone`: IANA zone of
    DATETIME and DATE; a date is its midnight there, a time that the clocks show twice the second of the two.
    `null_time`: whether rows without a time (NULL, or a zero date) are refused or ignored. `columns`: those
    to read; all when absent. `where`: a condition in SQL that rows must meet. `tinyint1`: whether TINYINT(1)
    is a boolean or a number.

    JSON, TIME, ENUM, SET and types that Arrow lacks come as text, spatial ones as bytes.
    """

    url: SecretStr
    table: str
    time_field: str
    columns: Sequence[str] = ()
    where: str = "true"
    time_zone: str = "UTC"
    null_time: NullTime = "refuse"
    tinyint1: Literal["boolean", "number"] = "boolean"

    def __post_init__(self) -> None:
        zone_named(self.time_zone)

    @property
    def stored(self) -> Table:
        """The table as the server knows it."""
        return Table(Address(self.url).database, self.table, self.time_field)

    @property
    def place(self) -> str:
        """The table in messages."""
        return f"{self.stored} at {Address(self.url).shown}"

    @contextmanager
    def open_table(self) -> "Iterator[MySQLRows]":
        with opened(Address(self.url), str(self.stored), silence=SILENCE) as session:
            words = MySQLWords(session.connection)
            words.rows("SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            kinds = chosen_by_time(
                words.columns(self.stored), self.time_field, self.columns, self.place, "timestamp|date"
            )
            words.rows("START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY")
            yield MySQLRows(self, words, kinds)


@dataclass(frozen=True, slots=True)
class MySQLRows:
    """The source's table in one session and snapshot."""

    source: MySQLSource
    words: MySQLWords
    kinds: dict[str, str]

    def timeless(self) -> int:
        return self._number(f"{self._from} AND ({self._time} IS NULL OR {self._time} < '0001-01-01')")

    def count(self, window: Window) -> int:
        return self._number(self._inside(window))

    def batches(self, window: Window) -> Iterator[Any]:
        source, columns = self.source, self._columns()
        yield timed(reading.schema(columns), source.time_field)
        asked = f"SELECT {reading.query(columns)} FROM {self._inside(window)}"  # noqa: S608
        with self.words.streamed(asked) as cursor:
            for batch in reading.batches(cursor, columns, source.place):
                yield in_utc(batch, source.time_field, source.time_zone, source.place)

    def _number(self, rows: str) -> int:
        return int(self.words.rows(f"SELECT count(*) FROM {rows}")[0][0])  # noqa: S608

    def _inside(self, window: Window) -> str:
        of_instants = self.kinds[self.source.time_field].startswith("timestamp")
        zone = zone_named("UTC" if of_instants else self.source.time_zone)
        start, end = (
            first_local(bound, zone).isoformat(" ", "microseconds") for bound in (window.start, window.end)
        )
        inside = f"{self._time} >= TIMESTAMP'{start}' AND {self._time} < TIMESTAMP'{end}'"
        return f"{self._from} AND {inside}"

    def _columns(self) -> list[reading.Column]:
        as_bool = self.source.tinyint1 == "boolean"
        return [
            reading.column(name, kind, self.words.quoted(name), tinyint_is_bool=as_bool)
            for name, kind in self.kinds.items()
        ]

    @property
    def _from(self) -> str:
        return f"{place(self.words, self.source.stored)} WHERE ({self.source.where})"

    @property
    def _time(self) -> str:
        return self.words.quoted(self.source.time_field)
