"""The recipe that reads a table: what is asked in which order, and that whatever was opened is closed."""

import gc
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
import pytest

from implementations.reading.tables import NullTime, OpenTable, TableSource, in_utc, timed
from implementations.reading.times import INSTANT
from pipeline_framework.errors import BadData
from pipeline_framework.testing.truth import TIME_FIELD, WINDOW, truth
from pipeline_framework.windows import Window


@dataclass
class Remembered:
    """A stand-in for a database's table, which remembers what it was asked."""

    without: int = 0
    asked: list[str] = field(default_factory=list)
    kinds: dict[str, str] = field(default_factory=lambda: {TIME_FIELD: "instant"})

    def timeless(self) -> int:
        self.asked.append("timeless")
        return self.without

    def count(self, window: Window) -> int:
        self.asked.append("count")
        return 60

    def batches(self, window: Window) -> Iterator[Any]:
        self.asked.append("query")
        try:
            yield truth().schema
            yield from truth().to_batches(max_chunksize=20)
        finally:
            self.asked.append("end of query")

    @contextmanager
    def opened(self) -> Iterator["Remembered"]:
        self.asked.append("open")
        try:
            yield self
        finally:
            self.asked.append("close")


@dataclass(frozen=True)
class Flights(TableSource):
    """A source of that table."""

    table: Remembered
    null_time: NullTime = "refuse"
    time_field: str = TIME_FIELD
    place: str = "main.flights of a file"

    def open_table(self) -> AbstractContextManager[OpenTable]:
        return self.table.opened()


def test_count_and_rows_are_asked_of_one_opened_table() -> None:
    """Between opening and closing: rows without a time, the count, the rows."""
    table = Remembered()
    reading = Flights(table).read(WINDOW)
    assert (reading.count, sum(batch.num_rows for batch in reading.batches)) == (60, 60)
    assert table.asked == ["open", "timeless", "count", "query", "end of query", "close"]


@pytest.mark.parametrize("taken", [0, 1])
def test_rows_that_nobody_takes_leave_nothing_open(taken: int) -> None:
    """The query ends before the session does."""
    table = Remembered()
    reading = Flights(table).read(WINDOW)
    for _ in range(taken):
        next(reading.batches)
    del reading
    gc.collect()
    assert table.asked[-2:] == ["end of query", "close"]


def test_rows_without_a_time_stop_everything_that_asks() -> None:
    """None of check, count and read goes on, and no row is asked for."""
    table = Remembered(without=3)
    source = Flights(table)
    for ask in (source.count, source.read, lambda _: source.check()):
        with pytest.raises(BadData, match=r"3 rows of main.flights of a file have no happened_at"):
            ask(WINDOW)
    assert table.asked == ["open", "timeless", "close"] * 3


def test_rows_without_a_time_are_left_out_and_told() -> None:
    """By `check` alone: a count need not look for them."""
    table = Remembered(without=3)
    source = Flights(table, "ignore")
    assert source.check() == (
        "main.flights of a file: 1 columns, time field happened_at; 3 rows without a time are left out"
    )
    table.asked.clear()
    assert source.count(WINDOW) == 60
    assert table.asked == ["open", "count", "close"]


def test_a_time_that_the_clocks_show_twice_is_the_second() -> None:
    """Wherever the column stands; its type becomes the one that every connector stages."""
    times = pa.array(["2013-11-03T01:30:00", None]).cast(pa.timestamp("us"))
    batch = pa.RecordBatch.from_pydict({"number": [1, 2], "at": times})
    found = in_utc(batch, "at", "America/New_York", "main.flights")
    assert found.schema == timed(batch.schema, "at")
    assert found.schema.field("at").type == INSTANT
    assert [value and value.isoformat() for value in found["at"].to_pylist()] == [
        "2013-11-03T06:30:00+00:00",
        None,
    ]
