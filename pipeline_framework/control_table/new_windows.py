"""Windows enter the control table: once each, never across another, under the grid then in force."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime
from itertools import islice
from typing import Any

from pipeline_framework.control_table.database import Database, Transaction
from pipeline_framework.control_table.record import PipelineKey
from pipeline_framework.errors import Misuse, Transient
from pipeline_framework.windows import GridHistory, Window, overlaps

PAGE = 1000  # windows added in one transaction


@dataclass(frozen=True, slots=True)
class NewWindow:
    """A window to add, with what its row says from the beginning."""

    window: Window
    target_day: date
    time_interval: str
    key_x: str | None = None
    key_y: str | None = None
    key_z: str | None = None
    source_name: str | None = None
    target_name: str | None = None
    max_attempts: int = 3

    def columns(self) -> dict[str, Any]:
        """The row's columns by name."""
        named = {name: getattr(self, name) for name in self.__slots__ if name != "window"}
        return {"window_start_time": self.window.start, "window_end_time": self.window.end, **named}


def grid_history(database: Database, key: PipelineKey) -> GridHistory | None:
    """The grids that the pipeline's windows were cut by; None before the first window."""
    rows = database.run("grid_history", **key.parameters)
    return GridHistory.parse(rows[0]["grid_history"]) if rows else None


def islands(database: Database, key: PipelineKey) -> list[Window]:
    """The contiguous stretches that the pipeline's windows cover, ascending."""
    rows = database.run("islands", **key.parameters)
    return [Window(row["island_start"], row["island_end"]) for row in rows]


def add(database: Database, key: PipelineKey, history: GridHistory, windows: Iterable[NewWindow]) -> int:
    """Add what is not there yet, a page in a transaction; how many windows were added.

    Raises `Misuse` when a window overlaps another one (its page is not added), `Transient` when another
    process changed the grid meanwhile.
    """
    return sum(len(ids) for ids in added(database, key, history, windows))


def added(
    database: Database, key: PipelineKey, history: GridHistory, windows: Iterable[NewWindow]
) -> Iterator[list[int]]:
    """The same, page by page as it happens: the ids of the rows that were added."""
    pages = iter(windows)
    for page in iter(lambda: list(islice(pages, PAGE)), []):
        yield _add_page(database, key, history, page)


def _add_page(database: Database, key: PipelineKey, history: GridHistory, page: list[NewWindow]) -> list[int]:
    _require_apart(key, page)
    rows = [row.columns() for row in page]
    with database.transaction() as transaction:
        _note_grid(transaction, key, history)
        _require_free(transaction, key, rows)
        return [row["id"] for row in transaction.run("add_windows", **key.parameters, windows=rows)]


def _require_apart(key: PipelineKey, page: list[NewWindow]) -> None:
    for both in overlaps({row.window for row in page}):
        raise Misuse(
            f"{key.pipeline_id}: two of the windows to add cover {both}; none of their page was added."
        )


def _note_grid(transaction: Transaction, key: PipelineKey, history: GridHistory) -> None:
    """Hold the pipeline's row, so that one process at a time adds, and keep the history that it now has."""
    transaction.run("announce_pipeline", **key.parameters, grid_history=history.text())
    row = transaction.run("lock_pipeline", **key.parameters)[0]
    known, last_end = GridHistory.parse(row["grid_history"]), _last_end(transaction, key)
    if last_end and _used(known, last_end) != _used(history, last_end):
        raise Transient(f"{key.pipeline_id}: another process changed the grid meanwhile; generate again.")
    transaction.run("note_grid", **key.parameters, grid_history=history.text())


def _last_end(transaction: Transaction, key: PipelineKey) -> datetime | None:
    rows = transaction.run("last_window", **key.parameters)
    return rows[0]["window_end_time"] if rows else None


def _used(history: GridHistory, last_end: datetime) -> list[tuple[datetime | None, str]]:
    """The part of a history that existing windows were cut by."""
    return [(since, grid.text()) for since, grid in history.entries if since is None or since < last_end]


def _require_free(transaction: Transaction, key: PipelineKey, rows: list[dict[str, Any]]) -> None:
    for row in transaction.run("in_the_way", **key.parameters, windows=rows):
        fresh = Window(row["fresh_start"], row["fresh_end"])
        there = Window(row["window_start_time"], row["window_end_time"])
        raise Misuse(
            f"{key.pipeline_id}: window {fresh} overlaps {there}, which is there already; nothing was added."
        )
