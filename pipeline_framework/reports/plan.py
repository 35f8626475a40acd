"""What the next runs would do, without doing it. Rows come as they are asked for, however many there are."""

from collections.abc import Iterator
from datetime import datetime
from heapq import merge
from typing import Any

from pipeline_framework.control_table.record import COLUMNS
from pipeline_framework.control_table.states import Status
from pipeline_framework.generation import OLDEST, Choice, described, due, ready_until
from pipeline_framework.pipeline import Pipeline
from pipeline_framework.reports.history import EARLIEST, Filter, windows

Row = dict[str, Any]


def plan(pipeline: Pipeline, now: datetime, choice: Choice = OLDEST) -> Iterator[Row]:
    """Windows that would run, oldest first, by column; `id` is None for one that would be added first."""
    return by_time(standing(pipeline, now, choice, Status.PENDING), to_add(pipeline, now, choice))


def with_finished(pipeline: Pipeline, now: datetime, choice: Choice = OLDEST) -> Iterator[Row]:
    """The same with those that are COMPLETED or FAILED, as they stand."""
    over = (standing(pipeline, now, choice, status) for status in (Status.COMPLETED, Status.FAILED))
    return by_time(plan(pipeline, now, choice), *over)


def standing(pipeline: Pipeline, now: datetime, choice: Choice, status: Status) -> Iterator[Row]:
    """Ready windows of that status, oldest first."""
    until = ready_until(pipeline, now)
    wanted = Filter(choice.first or EARLIEST, min(until, choice.last or until), status)
    return (record.columns() for record in windows(pipeline, wanted) if record.window_end_time <= until)


def to_add(pipeline: Pipeline, now: datetime, choice: Choice) -> Iterator[Row]:
    """Ready windows that the control table does not know yet, oldest first."""
    _, windows_due = due(pipeline, now, choice)
    for window in windows_due:
        yield {
            **dict.fromkeys(COLUMNS),
            **pipeline.key.parameters,
            "pipeline_status": str(Status.PENDING),
            "retry_attempt": 0,
            **described(pipeline, window).columns(),
        }


def by_time(*rows: Iterator[Row]) -> Iterator[Row]:
    """Rows of several ordered sources in one order."""
    return merge(*rows, key=lambda columns: columns["window_start_time"])
