"""A table or view of PostgreSQL as source: one snapshot, its rows by COPY, batch by batch."""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, Literal
from zoneinfo import ZoneInfo

import pyarrow as pa
from pydantic import SecretStr

from implementations.loading.dialect import Table, literal, place
from implementations.postgres.session import Address, opened
from implementations.postgres.words import PostgresWords
from implementations.reading.counted import timeless as refused
from implementations.reading.times import INSTANT
from pipeline_framework.errors import BadData, Misuse
from pipeline_framework.interfaces import Reading
from pipeline_framework.windows import Window

BATCH = 4 * 1024**2  # bytes of COPY that become one Arrow batch
# What the driver hands out as it is; everything else is read as text.
_AS_IT_IS = re.compile(
    r"(smallint|integer|bigint|real|double precision|boolean|bytea|date|text|character varying(\(\d+\))?"
    r"|timestamp(\(\d\))? with(out)? time zone|time(\(\d\))? without time zone)"
    r"|(smallint|integer|bigint|real|double precision|boolean|text)\[\]"
)


@dataclass(frozen=True)
class PostgresSource:
    """Rows of a table or view of PostgreSQL 15 or newer (`type: postgres`).

    `url`: `postgresql://user:password@host:5432/database`, or in its place `conn_id`, the name of a
    connection. `time_field`: a column of timestamptz, timestamp or date, best with an index.
    `time_zone`: IANA zone of times that carry none; a date is its midnight there, a time that the
    clocks show twice the second of the two. `null_time`: whether rows without a time are refused or
    ignored. `columns`: those to read; all when absent. `where`: a condition in SQL that rows must meet.

    numeric without digits and types that Arrow lacks (jsonb, uuid, enums, ...) come as text.
    """

    url: SecretStr
    table: str
    time_field: str
    schema: str = "public"
    columns: Sequence[str] = ()
    where: str = "true"
    time_zone: str = "UTC"
    null_time: Literal["refuse", "ignore"] = "refuse"

    def __post_init__(self) -> None:
        try:
            ZoneInfo(self.time_zone)
        except (OSError, ValueError, LookupError):
            raise Misuse(
                f"`source.time_zone`: there is no zone {self.time_zone}; use an IANA name."
            ) from None

    def check(self) -> str:
        with self._opened() as words:
            kinds, timeless = self._kinds(words), self._timeless(words)
        left = f"; {timeless} rows without a time are left out" if timeless else ""
        return f"{self._place}: {len(kinds)} columns, time field {self.time_field}{left}"

    def count(self, window: Window) -> int:
        with self._opened() as words:
            return self._count(words, window)

    def read(self, window: Window) -> Reading:
        rows = self._snapshot(window)
        schema, count = next(rows)
        return Reading(schema, rows, count)

    def _snapshot(self, window: Window) -> Iterator[Any]:
        """First the schema and the count, then the batches; closed with the iterator."""
        with self._opened() as words, words.connection.cursor() as cursor:
            words.connection.adbc_connection.set_autocommit(False)
            words.rows("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            kinds, count = self._kinds(words), self._count(words, window)
            cursor.adbc_statement.set_options(**{"adbc.postgresql.batch_size_hint_bytes": str(BATCH)})
            cursor.execute(self._query(words, window, kinds))
            reader = cursor.fetch_record_batch()
            schema = pa.schema([(name, self._type(reader.schema.field(name), kinds[name])) for name in kinds])
            yield schema, count
            for batch in reader:
                yield pa.RecordBatch.from_arrays(list(map(self._sent, batch.columns, schema)), schema=schema)

    def _count(self, words: PostgresWords, window: Window) -> int:
        inside = self._inside(words, window, self._kinds(words))
        if self.null_time == "refuse":
            self._timeless(words)
        return int(words.rows(f"SELECT count(*) FROM {self._from(words)} AND {inside}")[0][0])  # noqa: S608

    def _timeless(self, words: PostgresWords) -> int:
        time = words.quoted(self.time_field)
        asked = f"SELECT count(*) FROM {self._from(words)} AND {time} IS NULL"  # noqa: S608
        timeless = int(words.rows(asked)[0][0])
        if timeless and self.null_time == "refuse":
            raise refused(timeless, self._place, self.time_field)
        return timeless

    def _query(self, words: PostgresWords, window: Window, kinds: dict[str, str]) -> str:
        read = {name: self._read(words.quoted(name), kind) for name, kind in kinds.items()}
        read[self.time_field] = self._instant(words, kinds)
        listed = ", ".join(f"{taken} AS {words.quoted(name)}" for name, taken in read.items())
        return f"SELECT {listed} FROM {self._from(words)} AND {self._inside(words, window, kinds)}"  # noqa: S608

    def _from(self, words: PostgresWords) -> str:
        return f"{place(words, self._table)} WHERE ({self.where})"

    def _inside(self, words: PostgresWords, window: Window, kinds: dict[str, str]) -> str:
        zoned = "timestamp with time zone"
        start, end = (words.moment(bound, zoned) for bound in (window.start, window.end))
        instant, time = self._instant(words, kinds), words.quoted(self.time_field)
        inside = f"{instant} >= {start} AND {instant} < {end}"
        if kinds[self.time_field] == zoned:
            return inside
        # An index holds the local times: no zone is further from UTC than a day.
        bounds = f"{time} >= ({start})::timestamp - interval '1 day' AND {time} <= ({end})::timestamp"
        return f"{inside} AND {bounds} + interval '1 day'"

    def _instant(self, words: PostgresWords, kinds: dict[str, str]) -> str:
        time, kind = words.quoted(self.time_field), kinds[self.time_field]
        if "with time zone" in kind:
            return time
        return f"({time}::timestamp AT TIME ZONE {literal(self.time_zone)})"

    def _kinds(self, words: PostgresWords) -> dict[str, str]:
        """The columns to read by type."""
        present = words.columns(self._table)
        if not present:
            raise Misuse(f"{self._place} is not there: correct `source.schema` and `source.table`.")
        for name in (self.time_field, *self.columns):
            if name not in present:
                near = get_close_matches(name, present, 1, 0)[0]
                raise BadData(f"{self._place} has no column {name}; the nearest is {near}. Correct the name.")
        kind = present[self.time_field]
        if not re.match("timestamp|date$", kind):
            raise BadData(
                f"The time field {self.time_field} of {self._place} is {kind}, not a time: name another "
                "`source.time_field`, or read a view that makes a timestamp of it."
            )
        chosen = {self.time_field, *self.columns} if self.columns else present.keys()
        return {name: kind for name, kind in present.items() if name in chosen}

    def _read(self, column: str, kind: str) -> str:
        return column if _AS_IT_IS.fullmatch(kind) else f"{column}::text"

    def _type(self, given: pa.Field, kind: str) -> pa.DataType:
        if given.name == self.time_field:
            return INSTANT
        if digits := re.fullmatch(r"numeric\((\d+),(\d+)\)", kind):
            precision, scale = map(int, digits.groups())
            wide = pa.decimal128 if precision <= 38 else pa.decimal256
            return wide(precision, scale) if precision <= 76 else given.type
        return pa.list_(given.type.value_type) if pa.types.is_list(given.type) else given.type

    def _sent(self, column: pa.Array, field: pa.Field) -> pa.Array:
        try:
            return column.cast(field.type)
        except pa.ArrowInvalid as refused:
            raise BadData(
                f"Column {field.name} of {self._place} does not fit {field.type} ({refused}): correct it."
            ) from refused

    @property
    def _table(self) -> Table:
        return Table(self.schema, self.table, self.time_field)

    @property
    def _place(self) -> str:
        return f"{self._table} at {Address(self.url).shown}"

    @contextmanager
    def _opened(self) -> Iterator[PostgresWords]:
        with opened(Address(self.url), str(self._table), "pipeline") as session:
            yield PostgresWords(session.connection)
