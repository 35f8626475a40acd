"""What rows that meet by key have to come to, as the write contract reckons it."""

from pathlib import Path

import pyarrow as pa

from pipeline_framework.testing.meeting import SCHEMA, WINDOWS, Event, expected, load, staged
from pipeline_framework.testing.truth import AFTER, BEFORE, TIME_FIELD, WINDOW


class Kept:
    """A stand-in for a target, which keeps what it was given."""

    def load(self, lock: object, put: object) -> tuple[object, object]:
        return lock, put


def test_an_event_lies_in_its_window_and_tells_which_it_was() -> None:
    """So many minutes after the window's start; the value names window and minute."""
    row = Event(2, 7, 59, gone=True).row
    assert (row["id"], row["value"], row["gone"]) == (7, "2.59", True)
    assert (row[TIME_FIELD] - AFTER.start).total_seconds() == 59 * 60
    assert WINDOWS == (BEFORE, WINDOW, AFTER)


def test_the_newest_event_of_each_row_stays() -> None:
    """By its time, whatever the order in which it is told; rows in the order of their keys."""
    happened = [Event(1, 2, 5), Event(0, 2, 50), Event(1, 1, 3), Event(1, 1, 4)]
    newest = [(1, "1.4", False), (2, "1.5", False)]
    for told in (happened, happened[::-1]):
        assert expected(told, soft=False) == expected(told, soft=True) == newest


def test_a_row_that_was_deleted_last_is_away_or_marked() -> None:
    """Hard, it is gone; soft, the mark stands in its place. One that came back after lives."""
    happened = [Event(0, 1, 0), Event(1, 1, 0, gone=True), Event(0, 2, 0, gone=True), Event(1, 2, 0)]
    assert expected(happened, soft=False) == [(2, "1.0", False)]
    assert expected(happened, soft=True) == [(1, "1.0", True), (2, "1.0", False)]


def test_a_window_is_loaded_with_its_own_events(tmp_path: Path) -> None:
    """Under the epoch that is asked for, and no event of another window."""
    happened = [Event(0, 1, 0), Event(1, 1, 0), Event(1, 2, 0)]
    lock, put = load(Kept(), tmp_path, 1, happened, 9)  # type: ignore[arg-type, misc]
    assert (lock.window, lock.epoch) == (WINDOW, 9)  # type: ignore[has-type]
    assert put.batches().read_all()["value"].to_pylist() == ["1.0", "1.0"]  # type: ignore[has-type]


def test_rows_are_staged_with_what_is_new_in_them(tmp_path: Path) -> None:
    """A column of one row is NULL in the others; the manifest may be made to promise otherwise."""
    row = Event(1, 1, 0).row
    put = staged(tmp_path, [row, {**row, "fresh": "x"}], 5)
    table = put.batches().read_all()
    assert table.schema == pa.schema([*SCHEMA, ("fresh", pa.string())])
    assert (table["fresh"].to_pylist(), put.manifest.rows) == ([None, "x"], 5)
    assert staged(tmp_path, []).batches().read_all().schema == SCHEMA
