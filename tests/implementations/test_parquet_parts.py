"""Parquet parts in memory: as many as the rows need, each of bounded groups, none of which is kept."""

from collections.abc import Iterator
from random import randbytes

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from implementations.staging import parquet

ROWS = 25_000
SCHEMA = pa.schema([(f"n{place}", pa.int64()) for place in range(21)])  # 4 batches are a group


def batches(number: int) -> Iterator[pa.RecordBatch]:
    """So many of 4 MiB each, every number once."""
    for start in range(0, number * ROWS, ROWS):
        columns = [pa.array(range(start, start + ROWS), pa.int64()) for _ in SCHEMA]
        yield pa.RecordBatch.from_arrays(columns, schema=SCHEMA)


def test_a_group_that_is_written_is_let_go_of() -> None:
    """While the next is gathered there is no other in memory, whichever of its file it is."""
    before, held = pa.total_allocated_bytes(), list[int]()

    def watched() -> Iterator[pa.RecordBatch]:
        for batch in batches(16):
            held.append(pa.total_allocated_bytes() - before)
            yield batch

    assert sum(part.rows for part in parquet.parts(watched(), SCHEMA, 10**9)) == 16 * ROWS
    assert max(held) < 1.5 * parquet.GROUP_BYTES


def test_parts_hold_every_row_once_and_in_order() -> None:
    """A part ends behind the group that fills it, the last wherever the rows end."""
    parts = list(parquet.parts(batches(10), SCHEMA, 1))
    tables = [pq.read_table(pa.BufferReader(b"".join(part.data.pieces))) for part in parts]
    assert (
        [table.num_rows for table in tables]
        == [part.rows for part in parts]
        == [4 * ROWS, 4 * ROWS, 2 * ROWS]
    )
    assert pa.concat_tables(tables)["n0"].to_pylist() == list(range(10 * ROWS))


@pytest.mark.parametrize("size", [5_000, 300_000])
def test_a_group_has_so_many_rows_and_no_more(size: int) -> None:
    """However batches are cut: no small group behind each full one, and no huge one of a huge batch."""
    schema = pa.schema([("n", pa.int64())])
    numbers = pa.table({"n": range(300_000)}, schema)
    [part] = parquet.parts(numbers.to_batches(max_chunksize=size), schema, 10**9)
    file = pq.ParquetFile(pa.BufferReader(b"".join(part.data.pieces)))
    groups = [file.metadata.row_group(group).num_rows for group in range(file.num_row_groups)]
    assert groups == [parquet.GROUP_ROWS, parquet.GROUP_ROWS, 300_000 - 2 * parquet.GROUP_ROWS]
    assert file.read().equals(numbers)


def test_the_first_eight_parts_are_smaller(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that a window of less than eight whole parts has files for all hands of a small warehouse."""
    monkeypatch.setattr(parquet, "GROUP_BYTES", 80_000)
    schema = pa.schema([("n", pa.binary(100))])
    groups = [[randbytes(100) for _ in range(1000)] for _ in range(8 + 3 * 4)]
    batches = (pa.RecordBatch.from_pydict({"n": group}, schema) for group in groups)
    rows = [part.rows for part in parquet.parts(batches, schema, 400_000)]
    assert rows == [1000] * 8 + [4000] * 3


def test_no_rows_are_one_part_of_the_schema() -> None:
    """A target learns the columns from it."""
    [part] = parquet.parts(iter([]), SCHEMA, 1)
    assert part.rows == 0
    assert pq.read_schema(pa.BufferReader(b"".join(part.data.pieces))) == SCHEMA
