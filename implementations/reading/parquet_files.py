"""Parquet: row groups chosen by the statistics of the time field, read batch by batch."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from implementations.reading.counted import Counted, counted
from implementations.reading.folders import File, vanished
from implementations.reading.times import TimeField, microseconds
from pipeline_framework.errors import BadData
from pipeline_framework.windows import Window

# Pages come through a buffer of this many bytes: without one pyarrow holds whole column chunks,
# which in a file of one huge row group are whole columns.
BUFFER = 256 * 1024
COUNT_ROWS = 128 * 1024


@dataclass(frozen=True, slots=True)
class Group:
    """A row group: its rows, how many have no time, and its first and last time in microseconds.

    None where the file's statistics do not say.
    """

    number: int
    rows: int
    timeless: int | None
    first: int | None
    last: int | None

    def outside(self, window: Window) -> bool:
        """No row of the group can lie in the window."""
        if self.first is None or self.last is None:
            return self.rows == self.timeless
        return self.last < microseconds(window.start) or self.first >= microseconds(window.end)

    def within(self, window: Window) -> bool:
        """Every row that has a time lies in the window."""
        if self.first is None or self.last is None:
            return False
        return self.first >= microseconds(window.start) and self.last < microseconds(window.end)


@dataclass(frozen=True, slots=True)
class Footer:
    """What a file says of itself without a row being read."""

    schema: pa.Schema
    groups: tuple[Group, ...]


# Kept, as a file is asked for every window; its size and time of change are part of the key.
@lru_cache(maxsize=1024)
def footer(file: File, time: TimeField) -> Footer:
    """Schema and row groups; raises `BadData` for a corrupt file."""
    with _opened(file) as parquet:
        groups = range(parquet.metadata.num_row_groups)
        return Footer(parquet.schema_arrow, tuple(_group(parquet, number, time, file) for number in groups))


def count(file: File, time: TimeField, window: Window) -> Counted:
    """From statistics alone where a row group lies wholly inside or outside, else from its time column."""
    total, unsaid = Counted(), []
    for group in footer(file, time).groups:
        if group.timeless is not None and group.outside(window):
            total += Counted(0, group.timeless)
        elif group.timeless is not None and group.within(window):
            total += Counted(group.rows - group.timeless, group.timeless)
        else:
            unsaid.append(group)
    for batch in _batches(file, unsaid, [time.name], COUNT_ROWS):
        total += counted(time.utc(batch.column(time.name), file.path), window)
    return total


def batches(file: File, time: TimeField, window: Window, rows: int) -> Iterator[pa.RecordBatch]:
    """Batches of at most `rows` rows, of every row group that may hold rows of the window."""
    groups = [group for group in footer(file, time).groups if not group.outside(window)]
    return _batches(file, groups, None, rows)


def _batches(
    file: File, groups: Sequence[Group], columns: list[str] | None, rows: int
) -> Iterator[pa.RecordBatch]:
    if groups:
        with _opened(file) as parquet:
            numbers = [group.number for group in groups]
            yield from parquet.iter_batches(rows, numbers, columns, use_threads=False)


@contextmanager
def _opened(file: File) -> Iterator[pq.ParquetFile]:
    try:
        with pq.ParquetFile(file.path, pre_buffer=False, buffer_size=BUFFER) as parquet:
            yield parquet
    except FileNotFoundError as gone:
        raise vanished(file.path) from gone
    except (pa.ArrowException, OSError) as refused:
        file.unchanged()
        why = str(refused).partition("\n")[0].rstrip(".")
        raise BadData(f"{file.path} is no readable Parquet file ({why}): write it again.") from refused


def _group(parquet: pq.ParquetFile, number: int, time: TimeField, file: File) -> Group:
    group = parquet.metadata.row_group(number)
    paths = [group.column(leaf).path_in_schema for leaf in range(group.num_columns)]
    facts = group.column(paths.index(time.name)).statistics if paths.count(time.name) == 1 else None
    if facts is None:
        return Group(number, group.num_rows, None, None, None)
    timeless = facts.null_count if facts.has_null_count else None
    kind = parquet.schema_arrow.field(time.name).type
    first, last = _span(facts, kind, time, file) if facts.has_min_max else (None, None)
    return Group(number, group.num_rows, timeless, first, last)


def _span(facts: Any, kind: pa.DataType, time: TimeField, file: File) -> tuple[int | None, int | None]:
    # Local times of a zone with clock changes have no order in UTC; doubles and text have odd bounds.
    local = pa.types.is_timestamp(kind) and kind.tz is None and time.zone != "UTC"
    ordered = pa.types.is_timestamp(kind) or pa.types.is_date32(kind) or pa.types.is_signed_integer(kind)
    if local or not ordered:
        return None, None
    width = pa.int32() if facts.physical_type == "INT32" else pa.int64()
    ends = time.utc(pa.array([facts.min_raw, facts.max_raw], width).cast(kind), file.path)
    first, last = ends.cast(pa.int64()).to_pylist()
    return first, last
