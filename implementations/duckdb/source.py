"""A table or view of a DuckDB file as source: one snapshot, its rows batch by batch."""

import re
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
from pydantic import NonNegativeFloat

from implementations.duckdb.file import MEMORY, opened
from implementations.duckdb.words import DuckDBWords
from implementations.loading.dialect import Table, place
from implementations.loading.waiting import patiently
from implementations.reading.chosen import chosen_by_time
from implementations.reading.local_times import first_local, zone_named
from implementations.reading.schema_contract import conformed, plain
from implementations.reading.tables import NullTime, TableSource, in_utc, timed
from pipeline_framework.errors import Misuse
from pipeline_framework.interfaces import InputPath
from pipeline_framework.windows import Window

ROWS = 50_000  # of a batch
ZONED = "TIMESTAMP WITH TIME ZONE"
# Exact in Arrow only after a cast: elsewhere a huge integer becomes a double, and bits become bytes.
_CASTS = {r"U?HUGEINT": "DECIMAL(38, 0)", r".*\b(U?HUGEINT|BIT)\b.*": "VARCHAR"}


@dataclass(frozen=True)
class DuckDBSource(TableSource):
    """Rows of a table or view of a DuckDB file (`type: duckdb`).

    `path`: the file. `table`: a table or view. `schema`: where the table is. `time_field`: a column of
    TIMESTAMPTZ, TIMESTAMP or DATE. `time_zone`: IANA zone of times that carry none; a date is its midnight
    there, a time that the clocks show twice the second of the two. `null_time`: whether rows without a time
    are refused or ignored. `columns`: those to read; all when absent. `where`: a condition in SQL that rows
    must meet. `wait_seconds`: how long to wait for another process that writes to the file.

    Types that Parquet lacks (UUID, INTERVAL, BIT, ...) come as text, HUGEINT as a decimal of 38 digits.
    """

    path: InputPath
    table: str
    time_field: str
    schema: str = "main"
    columns: Sequence[str] = ()
    where: str = "true"
    time_zone: str = "UTC"
    null_time: NullTime = "refuse"
    wait_seconds: NonNegativeFloat = 120.0

    def __post_init__(self) -> None:
        zone_named(self.time_zone)

    @property
    def stored(self) -> Table:
        """The table as the file knows it."""
        return Table(self.schema, self.table, self.time_field)

    @property
    def place(self) -> str:
        """The table in messages."""
        return f"{self.stored} of {self.path}"

    @contextmanager
    def open_table(self) -> "Iterator[DuckDBRows]":
        if not Path(self.path).exists():
            raise Misuse(f"{self.path} is not there: correct `source.path`.")
        with ExitStack() as stack:
            file = partial(opened, self.path, self.place, read_only=True)
            connection = patiently(lambda: stack.enter_context(file()), self.wait_seconds)
            connection.execute(f"SET memory_limit = '{MEMORY[1]}MB'")
            words = DuckDBWords(connection)
            words.rows("BEGIN TRANSACTION READ ONLY")
            kinds = chosen_by_time(
                words.columns(self.stored), self.time_field, self.columns, self.place, "TIMESTAMP|DATE$"
            )
            yield DuckDBRows(self, words, kinds)


@dataclass(frozen=True, slots=True)
class DuckDBRows:
    """The source's table in an open file, in one transaction."""

    source: DuckDBSource
    words: DuckDBWords
    kinds: dict[str, str]

    def timeless(self) -> int:
        return self._number(f"{self._from} AND {self._time} IS NULL")

    def count(self, window: Window) -> int:
        return self._number(self._inside(window))

    def batches(self, window: Window) -> Iterator[Any]:
        source = self.source
        reader = self.words.connection.sql(self._asked(window)).to_arrow_reader(ROWS)
        schema = timed(
            pa.schema([(field.name, plain(field.type)) for field in reader.schema]), source.time_field
        )
        yield schema
        for batch in reader:
            instants = in_utc(batch, source.time_field, source.time_zone, source.place)
            yield conformed(instants, schema, source.place)

    def _number(self, rows: str) -> int:
        return int(self.words.rows(f"SELECT count(*) FROM {rows}")[0][0])  # noqa: S608

    def _asked(self, window: Window) -> str:
        """The query of rows, in which a type that Arrow or Parquet lacks is cast."""
        plainly, stored = ", ".join(map(self.words.quoted, self.kinds)), place(self.words, self.source.stored)
        none = self.words.connection.sql(f"SELECT {plainly} FROM {stored} LIMIT 0")  # noqa: S608
        found = none.to_arrow_reader(ROWS).schema
        taken = (
            _taken(self.words.quoted(name), kind, found.field(name).type) for name, kind in self.kinds.items()
        )
        return f"SELECT {', '.join(taken)} FROM {self._inside(window)}"  # noqa: S608

    def _inside(self, window: Window) -> str:
        start, end = map(self._moment, (window.start, window.end))
        return f"{self._from} AND {self._time} >= {start} AND {self._time} < {end}"

    def _moment(self, instant: datetime) -> str:
        kind = self.kinds[self.source.time_field]
        if kind == ZONED:
            return f"TIMESTAMPTZ '{instant.isoformat()}'"
        local = first_local(instant, zone_named(self.source.time_zone)).isoformat(" ", "microseconds")
        return f"{'TIMESTAMP_NS' if kind == 'TIMESTAMP_NS' else 'TIMESTAMP'} '{local}'"

    @property
    def _from(self) -> str:
        return f"{place(self.words, self.source.stored)} WHERE ({self.source.where})"

    @property
    def _time(self) -> str:
        return self.words.quoted(self.source.time_field)


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
