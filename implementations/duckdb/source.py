"""A table or view of a DuckDB file as source: one snapshot, its rows batch by batch."""

import re
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa
from pydantic import NonNegativeFloat

from implementations.duckdb.file import MEMORY, opened
from implementations.duckdb.words import DuckDBWords
from implementations.loading.dialect import Table, place
from implementations.loading.waiting import patiently
from implementations.reading.chosen import chosen, no_time
from implementations.reading.counted import timeless as refused
from implementations.reading.local_times import first_local, zone_named
from implementations.reading.schema_contract import conformed, plain
from implementations.reading.times import INSTANT, TimeField
from pipeline_framework.errors import Misuse
from pipeline_framework.interfaces import InputPath, Reading
from pipeline_framework.windows import Window

ROWS = 50_000  # of a batch
ZONED = "TIMESTAMP WITH TIME ZONE"
# Exact in Arrow only after a cast: elsewhere a huge integer becomes a double, and bits become bytes.
_CASTS = {r"U?HUGEINT": "DECIMAL(38, 0)", r".*\b(U?HUGEINT|BIT)\b.*": "VARCHAR"}


@dataclass(frozen=True)
class DuckDBSource:
    """Rows of a table or view of a DuckDB file (`type: duckdb`).

    `path`: the file. `time_field`: a column of TIMESTAMPTZ, TIMESTAMP or DATE. `time_zone`: IANA zone of
    times that carry none; a date is its midnight there, a time that the clocks show twice the second of the
    two. `null_time`: whether rows without a time are refused or ignored. `columns`: those to read; all when
    absent. `where`: a condition in SQL that rows must meet. `wait_seconds`: how long to wait for another
    process that writes to the file.

    Types that Parquet lacks (UUID, INTERVAL, BIT, ...) come as text, HUGEINT as a decimal of 38 digits.
    """

    path: InputPath
    table: str
    time_field: str
    schema: str = "main"
    columns: Sequence[str] = ()
    where: str = "true"
    time_zone: str = "UTC"
    null_time: Literal["refuse", "ignore"] = "refuse"
    wait_seconds: NonNegativeFloat = 120.0

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
            words.rows("BEGIN TRANSACTION READ ONLY")
            kinds = self._kinds(words)
            count, asked = self._count(words, window, kinds), self._asked(words, window, kinds)
            reader = words.connection.sql(asked).to_arrow_reader(ROWS)
            schema = pa.schema([(field.name, plain(field.type)) for field in reader.schema])
            time = schema.get_field_index(self.time_field)
            schema = schema.set(time, pa.field(self.time_field, INSTANT))
            yield schema, count
            for batch in reader:
                yield conformed(self._timed(batch, time), schema, self._place)

    def _timed(self, batch: pa.RecordBatch, time: int) -> pa.RecordBatch:
        field = TimeField(self.time_field, self.time_zone, ambiguous="latest")
        return batch.set_column(time, self.time_field, field.utc(batch.column(time), self._place))

    def _count(self, words: DuckDBWords, window: Window, kinds: dict[str, str]) -> int:
        if self.null_time == "refuse":
            self._timeless(words)
        return int(words.rows(f"SELECT count(*) FROM {self._inside(words, window, kinds)}")[0][0])  # noqa: S608

    def _timeless(self, words: DuckDBWords) -> int:
        without = f"{self._from(words)} AND {words.quoted(self.time_field)} IS NULL"
        timeless = int(words.rows(f"SELECT count(*) FROM {without}")[0][0])  # noqa: S608
        if timeless and self.null_time == "refuse":
            raise refused(timeless, self._place, self.time_field)
        return timeless

    def _asked(self, words: DuckDBWords, window: Window, kinds: dict[str, str]) -> str:
        """The query of rows, in which a type that Arrow or Parquet lacks is cast."""
        plainly = ", ".join(map(words.quoted, kinds))
        none = words.connection.sql(f"SELECT {plainly} FROM {place(words, self._table)} LIMIT 0")  # noqa: S608
        found = none.to_arrow_reader(ROWS).schema
        taken = (_taken(words.quoted(name), kind, found.field(name).type) for name, kind in kinds.items())
        return f"SELECT {', '.join(taken)} FROM {self._inside(words, window, kinds)}"  # noqa: S608

    def _from(self, words: DuckDBWords) -> str:
        return f"{place(words, self._table)} WHERE ({self.where})"

    def _inside(self, words: DuckDBWords, window: Window, kinds: dict[str, str]) -> str:
        time, kind = words.quoted(self.time_field), kinds[self.time_field]
        start, end = (self._moment(bound, kind) for bound in (window.start, window.end))
        return f"{self._from(words)} AND {time} >= {start} AND {time} < {end}"

    def _moment(self, instant: Any, kind: str) -> str:
        if kind == ZONED:
            return f"TIMESTAMPTZ '{instant.isoformat()}'"
        local = first_local(instant, zone_named(self.time_zone)).isoformat(" ", "microseconds")
        return f"{'TIMESTAMP_NS' if kind == 'TIMESTAMP_NS' else 'TIMESTAMP'} '{local}'"

    def _kinds(self, words: DuckDBWords) -> dict[str, str]:
        """The columns to read by type."""
        kinds = chosen(words.columns(self._table), self.time_field, self.columns, self._place)
        if not re.match("TIMESTAMP|DATE$", kinds[self.time_field]):
            raise no_time(self.time_field, self._place, kinds[self.time_field])
        return kinds

    @property
    def _table(self) -> Table:
        return Table(self.schema, self.table, self.time_field)

    @property
    def _place(self) -> str:
        return f"{self._table} of {self.path}"

    @contextmanager
    def _opened(self) -> Iterator[DuckDBWords]:
        if not Path(self.path).exists():
            raise Misuse(f"{self.path} is not there: correct `source.path`.")
        with ExitStack() as stack:
            file = partial(opened, self.path, self._place, read_only=True)
            connection = patiently(lambda: stack.enter_context(file()), self.wait_seconds)
            connection.execute(f"SET memory_limit = '{MEMORY[1]}MB'")
            yield DuckDBWords(connection)


def _taken(column: str, kind: str, given: pa.DataType) -> str:
    for pattern, cast in _CASTS.items():
        if re.fullmatch(pattern, kind):
            return f"CAST({column} AS {cast}) AS {column}"
    return column if _fits(given) else f"CAST({column} AS VARCHAR) AS {column}"


def _fits(kind: pa.DataType) -> bool:
    """Whether Parquet holds the type, and with it all that is nested in it."""
    if isinstance(kind, pa.BaseExtensionType) or pa.types.is_interval(kind) or pa.types.is_union(kind):
        return False
    if pa.types.is_nested(kind):
        return all(_fits(kind.field(place).type) for place in range(kind.num_fields))
    return True
