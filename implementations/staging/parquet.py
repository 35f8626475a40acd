"""Batches to Parquet parts in memory: bounded row groups, bounded files."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import chain, repeat

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline_framework.errors import BadData

# A group ends at whichever comes first: DuckDB works in groups of 122,880 rows, bytes bound wide rows.
GROUP_ROWS = 122_880
GROUP_BYTES = 16 * 1024**2
SAMPLE_ROWS = 10_000
# The smallest warehouse of Snowflake takes eight files at a time, so the first eight are smaller: a quarter.
# https://docs.snowflake.com/en/user-guide/data-load-considerations-prepare
SMALLER = 8


@dataclass(slots=True)
class Chunks:
    """A file in memory that keeps its pieces as they come, without the copies of a growing buffer."""

    pieces: list[bytes] = field(default_factory=list)
    size: int = 0
    closed: bool = False

    def write(self, data: bytes) -> int:
        """Keep a piece; answers its bytes."""
        self.pieces.append(bytes(data))
        self.size += len(data)
        return len(data)

    def tell(self) -> int:
        """Bytes so far."""
        return self.size

    def flush(self) -> None:
        """Nothing is held back."""

    def close(self) -> None:
        """No more pieces."""
        self.closed = True


@dataclass(frozen=True, slots=True)
class Part:
    """A finished Parquet file of `rows` rows."""

    data: Chunks
    rows: int


def parts(batches: Iterable[pa.RecordBatch], schema: pa.Schema, part_bytes: int) -> Iterator[Part]:
    """Parquet files of about `part_bytes` bytes, the first of a quarter; for zero rows one with the schema.

    zstd level 1, and a dictionary on columns of few values only (measured in docs/performance.md).
    Raises `BadData` for a type that Parquet cannot hold.
    """
    groups = _groups(batches, schema)
    sizes = chain(repeat(part_bytes // 4, SMALLER), repeat(part_bytes))
    while part := _part(groups, next(sizes)):
        yield part
        # Arrow keeps freed memory for itself, which a load in the same process would come on top of.
        pa.default_memory_pool().release_unused()


def few_values(table: pa.Table) -> list[str]:
    """Columns in whose first rows a value comes ten times on average: worth a dictionary."""
    sample = table.slice(0, SAMPLE_ROWS)
    flat = [field.name for field in table.schema if not pa.types.is_nested(field.type)]
    return [name for name in flat if len(sample[name].unique()) * 10 <= len(sample)]


@dataclass(slots=True)
class _File:
    """A file that grows by groups, and keeps none of them."""

    data: Chunks = field(default_factory=Chunks)
    rows: int = 0
    writer: pq.ParquetWriter | None = None

    def add(self, group: pa.Table) -> None:
        self.writer = self.writer or _writer(self.data, group)
        self.writer.write_table(group)
        self.rows += group.num_rows


def _part(groups: Iterator[pa.Table], part_bytes: int) -> Part | None:
    """The next file; None where there are no groups left."""
    file = _File()
    # `map` lets go of a group before the next is gathered: a name for it here would keep two in memory.
    for _ in map(file.add, groups):
        if file.data.size >= part_bytes:
            break
    if not file.writer:
        return None
    file.writer.close()
    return Part(file.data, file.rows)


def _writer(data: Chunks, first: pa.Table) -> pq.ParquetWriter:
    try:
        return pq.ParquetWriter(
            pa.PythonFile(data, mode="w"),
            first.schema,
            compression="zstd",
            compression_level=1,
            use_dictionary=few_values(first),
        )
    except (pa.ArrowNotImplementedError, pa.ArrowInvalid) as refused:
        raise BadData(f"Parquet cannot hold these columns: {refused}; cast or drop them.") from refused


def _groups(batches: Iterable[pa.RecordBatch], schema: pa.Schema) -> Iterator[pa.Table]:
    waiting: list[pa.RecordBatch] = []
    rows = size = sent = 0
    for batch in batches:
        while batch.num_rows:
            waiting.append(batch.slice(0, GROUP_ROWS - rows))
            batch = batch.slice(GROUP_ROWS - rows)  # noqa: PLW2901 - a name more would keep rows in memory
            rows, size = rows + waiting[-1].num_rows, size + waiting[-1].nbytes
            if rows == GROUP_ROWS or size >= GROUP_BYTES:
                yield pa.Table.from_batches(waiting, schema)
                waiting, rows, size, sent = [], 0, 0, sent + 1
    if rows or not sent:
        yield pa.Table.from_batches(waiting, schema)
