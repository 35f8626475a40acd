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

_Ends = list[int | None]


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
        schema, metadata = parquet.schema_arrow, parquet.metadata
        groups = [metadata.row_group(number) for number in range(metadata.num_row_groups)]
        facts = _facts(metadata, groups, time.name)
        firsts, lasts = _spans(facts, schema, time, file)
        timeless = (fact.null_count if fact is not None and fact.has_null_count else None for fact in facts)
        rows = (group.num_rows for group in groups)
        return Footer(schema, tuple(map(Group, range(len(groups)), rows, timeless, firsts, lasts)))


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
            for batch in parquet.iter_batches(rows, numbers, columns, use_threads=False):
                batch.validate(full=True)  # text in UTF-8, which Parquet promises and Arrow takes on trust
                yield batch


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


def _facts(metadata: pq.FileMetaData, groups: list[Any], name: str) -> list[Any]:
    paths = [metadata.schema.column(leaf).path for leaf in range(metadata.num_columns)]
    leaf = paths.index(name) if paths.count(name) == 1 else None
    return [group.column(leaf).statistics if leaf is not None else None for group in groups]


def _spans(facts: list[Any], schema: pa.Schema, time: TimeField, file: File) -> tuple[_Ends, _Ends]:
    known = [fact if fact is not None and fact.has_min_max else None for fact in facts]
    kind = schema.field(time.name).type if any(known) else pa.null()
    # Local times of a zone with clock changes have no order in UTC; doubles and text have odd bounds.
    local = pa.types.is_timestamp(kind) and kind.tz is None and time.zone != "UTC"
    ordered = pa.types.is_timestamp(kind) or pa.types.is_date32(kind) or pa.types.is_signed_integer(kind)
    if local or not ordered:
        return [None] * len(facts), [None] * len(facts)
    firsts, lasts = ([getattr(fact, end, None) for fact in known] for end in ("min_raw", "max_raw"))
    return _ends(firsts, kind, time, file), _ends(lasts, kind, time, file)


def _ends(raw: list[Any], kind: pa.DataType, time: TimeField, file: File) -> _Ends:
    width = pa.int32() if pa.types.is_date32(kind) or kind.bit_width < 64 else pa.int64()
    ends: _Ends = time.utc(pa.array(raw, width).cast(kind), file.path).cast(pa.int64()).to_pylist()
    return ends
