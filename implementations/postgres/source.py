"""A table or view of PostgreSQL as source: one snapshot, its rows by COPY, batch by batch."""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
from pydantic import SecretStr

from implementations.loading.dialect import Table, literal, place
from implementations.postgres.session import Address, opened
from implementations.postgres.words import PostgresWords
from implementations.reading.chosen import chosen_by_time
from implementations.reading.local_times import zone_named
from implementations.reading.tables import NullTime, TableSource
from implementations.reading.times import INSTANT
from pipeline_framework.errors import BadData
from pipeline_framework.windows import Window

BATCH = 4 * 1024**2  # bytes of COPY that become one Arrow batch
# What the driver hands out as it is; everything else is read as text.
_AS_IT_IS = re.compile(
    r"(smallint|integer|bigint|real|double precision|boolean|bytea|date|text|character varying(\(\d+\))?"
    r"|timestamp(\(\d\))? with(out)? time zone|time(\(\d\))? without time zone)"
    r"|(smallint|integer|bigint|real|double precision|boolean|text)\[\]"
)


@dataclass(frozen=True)
class PostgresSource(TableSource):
    """Rows of a table or view of PostgreSQL 15 or newer (`type: postgres`).

    `url`: `postgresql://user:password@host:5432/database`, or in its place `conn_id`, the name of a
    connection. `table`: a table or view. `schema`: where the table is. `time_field`: a column of timestamptz,
    timestamp or date, best with an index. `time_zone`: IANA zone of times that carry none; a date is its
    midnight there, a time that the clocks show twice the second of the two. `null_time`: whether rows without
    a time are refused or ignored. `columns`: those to read; all when absent. `where`: a condition in SQL that
    rows must meet.

    Decimals without digits and types that Arrow lacks (jsonb, uuid, enums, ...) come as text.
    """

    url: SecretStr
    table: str
    time_field: str
    schema: str = "public"
    columns: Sequence[str] = ()
    where: str = "true"
    time_zone: str = "UTC"
    null_time: NullTime = "refuse"

    def __post_init__(self) -> None:
        zone_named(self.time_zone)

    @property
    def stored(self) -> Table:
        """The table as the server knows it."""
        return Table(self.schema, self.table, self.time_field)

    @property
    def place(self) -> str:
        """The table in messages."""
        return f"{self.stored} at {Address(self.url).shown}"

    @contextmanager
    def open_table(self) -> "Iterator[PostgresRows]":
        with opened(Address(self.url), str(self.stored), "pipeline") as session:
            words = PostgresWords(session.connection)
            words.connection.adbc_connection.set_autocommit(False)
            words.rows("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            kinds = chosen_by_time(
                words.columns(self.stored), self.time_field, self.columns, self.place, "timestamp|date$"
            )
            yield PostgresRows(self, words, kinds)


@dataclass(frozen=True, slots=True)
class PostgresRows:
    """The source's table in one session and snapshot."""

    source: PostgresSource
    words: PostgresWords
    kinds: dict[str, str]

    def timeless(self) -> int:
        return self._number(f"{self._from} AND {self._time} IS NULL")

    def count(self, window: Window) -> int:
        return self._number(f"{self._from} AND {self._inside(window)}")

    def batches(self, window: Window) -> Iterator[Any]:
        with self.words.connection.cursor() as cursor:
            cursor.adbc_statement.set_options(**{"adbc.postgresql.batch_size_hint_bytes": str(BATCH)})
            cursor.execute(self._query(window))
            reader = cursor.fetch_record_batch()
            schema = pa.schema(map(self._field, (reader.schema.field(name) for name in self.kinds)))
            yield schema
            for batch in reader:
                yield pa.RecordBatch.from_arrays(list(map(self._sent, batch.columns, schema)), schema=schema)

    def _number(self, rows: str) -> int:
        return int(self.words.rows(f"SELECT count(*) FROM {rows}")[0][0])  # noqa: S608

    def _query(self, window: Window) -> str:
        read = {name: _taken(self.words.quoted(name), kind) for name, kind in self.kinds.items()}
        read[self.source.time_field] = self._instant
        listed = ", ".join(f"{taken} AS {self.words.quoted(name)}" for name, taken in read.items())
        return f"SELECT {listed} FROM {self._from} AND {self._inside(window)}"  # noqa: S608

    def _inside(self, window: Window) -> str:
        zoned = "timestamp with time zone"
        start, end = (self.words.moment(bound, zoned) for bound in (window.start, window.end))
        inside = f"{self._instant} >= {start} AND {self._instant} < {end}"
        if self.kinds[self.source.time_field] == zoned:
            return inside
        # An index holds the local times: no zone is further from UTC than a day.
        after = f"{self._time} >= ({start})::timestamp - interval '1 day'"
        return f"{inside} AND {after} AND {self._time} <= ({end})::timestamp + interval '1 day'"

    @property
    def _from(self) -> str:
        return f"{place(self.words, self.source.stored)} WHERE ({self.source.where})"

    @property
    def _time(self) -> str:
        return self.words.quoted(self.source.time_field)

    @property
    def _instant(self) -> str:
        if "with time zone" in self.kinds[self.source.time_field]:
            return self._time
        return f"({self._time}::timestamp AT TIME ZONE {literal(self.source.time_zone)})"

    def _field(self, given: pa.Field) -> pa.Field:
        """A column as it is handed on."""
        if given.name == self.source.time_field:
            return pa.field(given.name, INSTANT)
        if digits := re.fullmatch(r"numeric\((\d+),(\d+)\)", self.kinds[given.name]):
            precision, scale = map(int, digits.groups())
            wide = pa.decimal128 if precision <= 38 else pa.decimal256
            return pa.field(given.name, wide(precision, scale) if precision <= 76 else given.type)
        kind = pa.list_(given.type.value_type) if pa.types.is_list(given.type) else given.type
        return pa.field(given.name, kind)

    def _sent(self, column: pa.Array, field: pa.Field) -> pa.Array:
        try:
            return column.cast(field.type)
        except pa.ArrowInvalid as refused:
            where = f"Column {field.name} of {self.source.place}"
            raise BadData(f"{where} does not fit {field.type} ({refused}): correct it.") from refused


def _taken(column: str, kind: str) -> str:
    return column if _AS_IT_IS.fullmatch(kind) else f"{column}::text"
