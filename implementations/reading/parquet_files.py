"""Parquet: row groups chosen by the statistics of the time field, read batch by batch."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from implementations.reading.folders import File
from implementations.reading.times import TimeField, inside
from pipeline_framework.errors import BadData, Unavailable
from pipeline_framework.windows import Window

# Pages are read through a buffer of this many bytes: without one pyarrow holds the whole column
# chunk, which for one huge row group is the whole column.
BUFFER = 256 * 1024


@dataclass(frozen=True, slots=True)
class Group:
    """A row group: its rows, how many have no time, and its first and last time where known."""

    number: int
    rows: int
    nulls: int | None
    first: Any
    last: Any

    def outside(self, window: Window) -> bool:
        """No row of the group can lie in the window."""
        return self.rows == self.nulls or (self.first is not None and (self.last < window.start or self.first >= window.end))

    def within(self, window: Window) -> bool:
        """Every row that has a time lies in the window, and it is known how many have none."""
        return self.nulls is not None and self.first is not None and self.first >= window.start and self.last < window.end


@dataclass(frozen=True, slots=True)
class Footer:
    """What a file says of itself without a row being read."""

    schema: pa.Schema
    groups: tuple[Group, ...]


@lru_cache(maxsize=1024)
def footer(file: File, time: TimeField) -> Footer:
    """Schema and row groups; kept, as a file is asked for every window. Raises `BadData` when corrupt."""
    with opened(file) as parquet:
        schema, metadata = parquet.schema_arrow, parquet.metadata
        leaf = _leaf(metadata, time.name)
        kind = schema.field(time.name).type if leaf is not None else None
        groups = [_group(metadata.row_group(number), number, leaf, kind, time, file) for number in range(metadata.num_row_groups)]
        return Footer(schema, tuple(groups))


@contextmanager
def opened(file: File) -> Iterator[pq.ParquetFile]:
    """The file, with whatever is wrong with it said in a sentence."""
    try:
        with pq.ParquetFile(file.path, pre_buffer=False, buffer_size=BUFFER) as parquet:
            yield parquet
    except FileNotFoundError as gone:
        raise Unavailable(f"{file.path} vanished while it was read; the window is read again.") from gone
    except (pa.ArrowException, OSError) as refused:
        file.unchanged()
        raise BadData(f"{file.path} is no readable Parquet file: {str(refused).partition(chr(10))[0]} Write it again.") from refused


def batches(file: File, groups: list[Group], columns: list[str], rows: int) -> Iterator[pa.RecordBatch]:
    """The groups' rows in batches of at most `rows`."""
    if groups:
        with opened(file) as parquet:
            yield from parquet.iter_batches(rows, [group.number for group in groups], columns, use_threads=False)


def _leaf(metadata: pq.FileMetaData, name: str) -> int | None:
    paths = [metadata.schema.column(number).path for number in range(metadata.num_columns)]
    return paths.index(name) if name in paths else None


def _group(group: Any, number: int, leaf: int | None, kind: Any, time: TimeField, file: File) -> Group:
    facts = group.column(leaf).statistics if leaf is not None else None
    nulls = facts.null_count if facts is not None and facts.has_null_count else None
    first, last = _span(facts, kind, time, file) if facts is not None and facts.has_min_max else (None, None)
    return Group(number, group.num_rows, nulls, first, last)


def _span(facts: Any, kind: pa.DataType, time: TimeField, file: File) -> tuple[Any, Any]:
    # A local time of a zone with clock changes has no order in UTC; text and doubles have cut or odd bounds.
    local = pa.types.is_timestamp(kind) and kind.tz is None and time.zone != "UTC"
    if local or not (pa.types.is_timestamp(kind) or pa.types.is_date32(kind) or pa.types.is_signed_integer(kind)):
        return None, None
    raw = pa.array([facts.min_raw, facts.max_raw], pa.int32() if facts.physical_type == "INT32" else pa.int64())
    first, last = time.utc(raw.cast(kind), file.path).to_pylist()
    return first, last


def scanned(file: File, groups: list[Group], time: TimeField, window: Window) -> Iterator[tuple[int, int]]:
    """(rows in the window, rows without a time) of groups that statistics say too little of."""
    for batch in batches(file, groups, [time.name], 64 * 1024):
        times = time.utc(batch.column(0), file.path)
        yield pc.sum(inside(times, window)).as_py() or 0, times.null_count
