"""Batches pass through transforms and are counted on the way."""

from collections.abc import Iterator
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from pipeline_framework.interfaces import Reading
from pipeline_framework.transfers.streamed import changed


@dataclass(frozen=True)
class Even:
    """Keeps even numbers and adds their half."""

    def apply(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        kept = batch.filter(pc.equal(pc.bit_wise_and(batch["n"], 1), 0))
        return kept.append_column("half", pc.shift_right(kept["n"], 1))


def reading(*lengths: int) -> Reading:
    """Batches of consecutive numbers from 0."""
    schema = pa.schema([("n", pa.int64())])

    def batches() -> Iterator[pa.RecordBatch]:
        for length in lengths:
            yield pa.RecordBatch.from_arrays([pa.array(range(length), pa.int64())], schema=schema)

    return Reading(schema, batches(), sum(lengths))


def test_rows_that_a_transform_leaves_out_are_tallied() -> None:
    """What was read is what went on and what was filtered."""
    out = changed(reading(5, 4), [Even()])
    kept = sum(batch.num_rows for batch in out.batches)
    assert (out.tally.read, out.tally.filtered, kept) == (9, 4, 5)


def test_the_schema_is_that_behind_the_last_transform() -> None:
    """Known before the first batch, so that an empty window has it too."""
    assert changed(reading(), [Even()]).schema.names == ["n", "half"]


def test_nothing_is_read_before_it_is_asked_for() -> None:
    """The reading stays lazy: memory is bounded by the batch."""
    out = changed(reading(3, 3), [Even()])
    assert out.tally.read == 0
    next(out.batches)
    assert out.tally.read == 3
