"""What every source promises, as tests to inherit."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pyarrow as pa
import pytest

from pipeline_framework.errors import BadData
from pipeline_framework.interfaces import Reading, Source
from pipeline_framework.testing.given import to_be_given
from pipeline_framework.testing.truth import AFTER, BEFORE, SCHEMA, TIME_FIELD, WINDOW, edges, rows_of, truth
from pipeline_framework.windows import Window

Fill = Callable[[pa.Table], Source]


class SourceContract:
    """Inherit it and give the fixture `filled`.

    `filled(table)` puts the rows of an Arrow table where the system keeps them (or replaces what an
    earlier call put there) and answers a source of them whose time field is `happened_at`.
    `columns` names the columns of `truth.SCHEMA` that the system holds unchanged; `nullable` is
    False where it cannot hold a row without a time, else the source has a field `null_time`, which is
    `refuse` or `ignore`; `tick` is the finest step of its times.
    """

    columns: Sequence[str] = SCHEMA.names
    nullable = True
    tick = timedelta(microseconds=1)

    @pytest.fixture
    def filled(self) -> Fill:
        """To be given by the connector's own test."""
        to_be_given(self, "filled")

    def test_check_says_one_sentence(self, filled: Fill) -> None:
        """`check` answers what it found in one line."""
        said = filled(self.rows(WINDOW)).check()
        assert said
        assert "\n" not in said

    def test_every_row_arrives_unchanged(self, filled: Fill) -> None:
        """Difficult values come out as they went in."""
        rows = self.rows(WINDOW)
        assert rows_of(table_of(filled(rows).read(WINDOW)), self.columns) == rows_of(rows, self.columns)

    def test_count_is_what_is_read(self, filled: Fill) -> None:
        """`count`, the reading's count and the rows of its batches are one number."""
        source = filled(pa.concat_tables([self.rows(window) for window in (BEFORE, WINDOW, AFTER)]))
        reading = source.read(WINDOW)
        assert source.count(WINDOW) == reading.count == table_of(reading).num_rows == 60

    def test_bounds_are_half_open(self, filled: Fill) -> None:
        """The start belongs to the window, the end does not, and one tick decides."""
        ticks = {"happened_at": pa.array(self.ticks(WINDOW)), "number": pa.array([0, 1, 1, 1, 0, 0])}
        source = filled(pa.table(ticks).cast(edges().schema))
        assert table_of(source.read(WINDOW))["number"].to_pylist() == [1, 1, 1]
        assert source.count(WINDOW) == 3

    def test_windows_side_by_side_share_no_row_and_lose_none(self, filled: Fill) -> None:
        """Every row is read in exactly one of three contiguous windows."""
        rows = pa.concat_tables([self.rows(window) for window in (BEFORE, WINDOW, AFTER)])
        source = filled(rows)
        found = [table_of(source.read(window)) for window in (BEFORE, WINDOW, AFTER)]
        assert rows_of(pa.concat_tables(found), self.columns) == rows_of(rows, self.columns)

    def test_a_window_without_rows_still_has_its_columns(self, filled: Fill) -> None:
        """Zero rows give a schema with the same columns and a count of 0."""
        source = filled(self.rows(BEFORE))
        reading = source.read(WINDOW)
        assert (reading.count, table_of(reading).num_rows, source.count(WINDOW)) == (0, 0, 0)
        assert reading.schema.equals(source.read(BEFORE).schema)

    def test_batches_are_of_one_schema(self, filled: Fill) -> None:
        """Every batch has the schema that the reading announced, with the time in UTC microseconds."""
        reading = filled(self.rows(WINDOW)).read(WINDOW)
        assert all(batch.schema.equals(reading.schema) for batch in reading.batches)
        assert reading.schema.field(TIME_FIELD).type == pa.timestamp("us", "UTC")

    def test_reading_twice_gives_the_same(self, filled: Fill) -> None:
        """A reading does not use the source up."""
        source = filled(self.rows(WINDOW))
        assert rows_of(table_of(source.read(WINDOW))) == rows_of(table_of(source.read(WINDOW)))

    def test_rows_without_a_time_are_refused(self, filled: Fill) -> None:
        """A row that belongs to no window fails count, read and check; the message says how many, and why."""
        source = self.with_timeless_rows(filled)
        for ask in (source.count, source.read, lambda _: source.check()):
            with pytest.raises(BadData, match=r"3 rows.*null_time: ignore"):
                ask(WINDOW)

    def test_rows_without_a_time_may_be_ignored(self, filled: Fill) -> None:
        """Then they are counted and read in no window, and check says how many they are."""
        source: Any = replace(self.with_timeless_rows(filled), null_time="ignore")  # type: ignore[type-var]
        assert source.count(WINDOW) == table_of(source.read(WINDOW)).num_rows == 60
        assert "3 rows" in source.check()

    def with_timeless_rows(self, filled: Fill) -> Source:
        """A source of 60 rows in the window and 3 without a time."""
        if not self.nullable:
            pytest.skip("this system holds no row without a time")
        return filled(timeless(self.rows(WINDOW), 3))

    def rows(self, window: Window) -> pa.Table:
        """The difficult rows, of the columns that the system holds."""
        return truth(window).select([TIME_FIELD, *(name for name in self.columns if name != TIME_FIELD)])

    def ticks(self, window: Window) -> list[object]:
        """One tick before, on and after both bounds."""
        steps = (-self.tick, timedelta(0), self.tick)
        return [bound + step for bound in (window.start, window.end) for step in steps]


def table_of(reading: Reading) -> pa.Table:
    """All batches of a reading."""
    return pa.Table.from_batches(list(reading.batches), reading.schema)


def timeless(table: pa.Table, rows: int) -> pa.Table:
    """The table with `rows` more rows that have no time."""
    extra = table.slice(0, rows).set_column(
        0, table.schema.field(0), pa.nulls(rows, table.schema.field(0).type)
    )
    return pa.concat_tables([table, extra])
