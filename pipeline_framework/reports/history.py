"""The windows of a pipeline, and the life of one."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from pipeline_framework.control_table import Record, events
from pipeline_framework.control_table.states import Status
from pipeline_framework.errors import Misuse
from pipeline_framework.pipeline import Pipeline

EARLIEST = datetime(1, 1, 1, tzinfo=UTC)
LATEST = datetime(9999, 12, 31, tzinfo=UTC)
LARGEST = 2**63 - 1  # id that a database can hold
PAGE = 1000  # rows fetched at a time


@dataclass(frozen=True, slots=True)
class Filter:
    """Windows that overlap [first, last), of one pipeline_status and audit_result where given.

    `with_bad_rows`: only those of which rows were put aside.
    """

    first: datetime = EARLIEST
    last: datetime = LATEST
    status: str = ""
    result: str = ""
    with_bad_rows: bool = False


EVERYTHING = Filter()


def windows(pipeline: Pipeline, wanted: Filter = EVERYTHING, limit: int | None = None) -> Iterator[Record]:
    """Records that match, oldest first, fetched in pages; all of them when `limit` is None."""
    after, left = (EARLIEST, 0), limit
    while left is None or left > 0:
        size = PAGE if left is None else min(PAGE, left)
        page = window_page(pipeline, wanted, size, after)
        yield from page
        if len(page) < size:
            return
        after, left = (page[-1].window_start_time, page[-1].id), left if left is None else left - size


def window_page(pipeline: Pipeline, wanted: Filter, size: int, after: tuple[datetime, int]) -> list[Record]:
    """`size` records behind the start and id of `after`, so that others' moves shift no page."""
    unfinished = wanted.status not in ("", Status.COMPLETED)
    rows = pipeline.database.run(
        "unfinished_touching" if unfinished else "windows_touching",
        **pipeline.key.parameters,
        first=wanted.first,
        last=wanted.last,
        status=wanted.status,
        result=wanted.result,
        with_bad_rows=int(wanted.with_bad_rows),
        page_size=size,
        after_start=after[0],
        after_id=after[1],
    )
    return [Record.of(row) for row in rows]


def window(pipeline: Pipeline, name: str) -> Record:
    """The window of that id or start time; `Misuse` when there is none."""
    rows = by_id(pipeline, min(int(name), LARGEST)) if name.isdecimal() else at(pipeline, name)
    if not rows:
        raise Misuse(f"{pipeline.config.pipeline_id} has no window {name}; `pipeline windows` lists them.")
    return Record.of(rows[0])


def by_id(pipeline: Pipeline, number: int) -> list[dict[str, Any]]:
    """The row with that id, as a list of at most one."""
    return pipeline.database.run("window_by_id", **pipeline.key.parameters, id=number)


def at(pipeline: Pipeline, start: str) -> list[dict[str, Any]]:
    """The row that starts at that instant, as a list of at most one."""
    instant = pipeline.config.instant(start)
    return pipeline.database.run("window_at", **pipeline.key.parameters, window_start=instant)


def life(pipeline: Pipeline, record: Record) -> list[dict[str, Any]]:
    """Every move of a window, oldest first."""
    return events.history(pipeline.database, record.id)
