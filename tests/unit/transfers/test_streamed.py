"""Batches pass through transforms and are counted on the way."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from implementations.duckdb import DuckDBTarget
from implementations.object_store.local import LocalStage
from pipeline_framework.errors import BadData, Unavailable
from pipeline_framework.interfaces import Manifest, PutAside, Reading
from pipeline_framework.testing.truth import lock_for
from pipeline_framework.transfers.streamed import StreamedTransfer, changed
from pipeline_framework.windows import Window

NOWHERE = DuckDBTarget("no such file", "t", "at")  # nothing is loaded here


@dataclass(frozen=True)
class Even:
    """Keeps even numbers and adds their half."""

    def apply(self, batch: pa.RecordBatch, put_aside: PutAside) -> pa.RecordBatch:
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


@dataclass(frozen=True)
class Picky:
    """Puts every row aside."""

    def apply(self, batch: pa.RecordBatch, put_aside: PutAside) -> pa.RecordBatch:
        for _ in range(batch.num_rows):
            put_aside(b"{}", "it is too plain")
        return batch.slice(0, 0)


def test_rows_put_aside_are_not_filtered() -> None:
    """They are counted as bad, with their letters."""
    out = changed(reading(5, 4), [Even(), Picky()])
    assert sum(batch.num_rows for batch in out.batches) == 0
    assert (out.tally.read, out.tally.filtered, out.tally.bad) == (9, 4, 5)


def test_a_source_may_compare_what_it_gave_with_what_it_counted() -> None:
    """Its own tally knows only the rows that it put aside itself; the reading's knows all."""
    given = reading(3, 3)

    def batches() -> Iterator[pa.RecordBatch]:
        given.tally.put_aside(b"{", "it is no object")
        yield from given.batches
        assert given.tally.bad == 1

    out = changed(replace(given, batches=batches()), [Picky()])
    assert sum(batch.num_rows for batch in out.batches) == 0
    assert (out.tally.bad, out.tally.filtered, out.tally.read) == (7, 0, 6)


@dataclass(frozen=True)
class Scripted:
    """Stands in for a source whose batches close; the other parts of a transfer are real."""

    given: Reading

    def check(self) -> str:
        return "answers"

    def count(self, window: Window) -> int:
        return self.given.count

    def read(self, window: Window) -> Reading:
        return self.given


def moved(given: Reading, tmp_path: Path, tolerated: int) -> Manifest:
    """A reading staged through `Picky`."""
    stage = LocalStage(str(tmp_path / "stage"))
    transfer = StreamedTransfer(Scripted(given), stage, NOWHERE, [Picky()], lambda _: tolerated)
    return transfer.source_to_stage(lock_for())


def test_as_many_bad_rows_as_tolerated_are_staged(tmp_path: Path) -> None:
    """The window goes on, and its manifest knows of them."""
    assert moved(reading(5, 4), tmp_path, 9).bad_rows == 9


def test_one_bad_row_more_fails_the_window(tmp_path: Path) -> None:
    """The message says how many of how many, the first reason, and where a person finds the letters."""
    with pytest.raises(
        BadData, match=r"^9 of 9 rows .* 8 may, the first because it is too plain; see "
    ) as raised:
        moved(reading(5, 4), tmp_path, 8)
    (letters,) = tmp_path.rglob("bad-*.jsonl")
    assert str(letters) in str(raised.value)
    assert len(letters.read_text().splitlines()) == 9


def test_too_many_bad_rows_stay_too_many_when_the_manifest_is_asked_for_again(tmp_path: Path) -> None:
    """A store that did not answer has the manifest of the first try, and the second does not read."""
    with pytest.raises(BadData):
        moved(reading(5, 4), tmp_path, 8)
    grown = Scripted(reading(*[10] * 10))
    again = StreamedTransfer(grown, LocalStage(str(tmp_path / "stage")), NOWHERE, [Picky()], lambda n: n - 1)
    with pytest.raises(BadData, match=r"^9 of 9 rows .* 8 may; see .+/bad-00000\.jsonl"):
        again.source_to_stage(lock_for())


def watched(given: Reading, closed: list[bool]) -> Reading:
    """The same reading, which tells of its end."""

    def batches() -> Iterator[pa.RecordBatch]:
        try:
            yield from given.batches
        finally:
            closed.append(True)

    return replace(given, batches=batches())


def test_a_reading_that_is_all_bad_ends_early(tmp_path: Path) -> None:
    """After a thousand letters more than tolerated nobody reads on, and the source is closed."""
    closed = list[bool]()
    with pytest.raises(BadData, match="2,500 of 50,000 rows"):
        moved(watched(reading(*[500] * 100), closed), tmp_path, 1000)
    assert closed == [True]


@dataclass(frozen=True)
class Broken:
    """Fails at the first row."""

    def apply(self, batch: pa.RecordBatch, put_aside: PutAside) -> pa.RecordBatch:
        if batch.num_rows:
            raise Unavailable("the stage is away")
        return batch


def test_a_source_is_closed_where_the_reading_breaks(tmp_path: Path) -> None:
    """Its threads and connections end at once, not when whoever tries again has forgotten the error."""
    closed = list[bool]()
    given = watched(reading(5, 4), closed)
    transfer = StreamedTransfer(Scripted(given), LocalStage(str(tmp_path)), NOWHERE, [Broken()])
    with pytest.raises(Unavailable, match="is away") as kept:
        transfer.source_to_stage(lock_for())
    assert (closed, kept.value.args) == ([True], ("the stage is away",))
