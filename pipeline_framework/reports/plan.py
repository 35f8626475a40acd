"""What the next runs would do, without doing it."""

from collections.abc import Iterator
from datetime import datetime
from itertools import chain
from typing import Any

from pipeline_framework.control_table.record import COLUMNS
from pipeline_framework.control_table.states import Status
from pipeline_framework.generation import OLDEST, Choice, described, due, ready_until
from pipeline_framework.pipeline import Pipeline
from pipeline_framework.reports.history import EARLIEST, Filter, windows


def plan(pipeline: Pipeline, now: datetime, choice: Choice = OLDEST) -> list[dict[str, Any]]:
    """Windows that would run, oldest first, by column; `id` is None for one that would be added first."""
    both = chain(waiting(pipeline, now, choice), to_add(pipeline, now, choice))
    return sorted(both, key=lambda columns: columns["window_start_time"])


def waiting(pipeline: Pipeline, now: datetime, choice: Choice) -> Iterator[dict[str, Any]]:
    """Ready windows that are PENDING already."""
    until = ready_until(pipeline, now)
    wanted = Filter(choice.first or EARLIEST, min(until, choice.last or until), Status.PENDING)
    return (record.columns() for record in windows(pipeline, wanted) if record.window_end_time <= until)


def to_add(pipeline: Pipeline, now: datetime, choice: Choice) -> Iterator[dict[str, Any]]:
    """Ready windows that the control table does not know yet."""
    _, windows_due = due(pipeline, now, choice)
    for window in windows_due:
        yield {
            **dict.fromkeys(COLUMNS),
            **pipeline.key.parameters,
            "pipeline_status": str(Status.PENDING),
            "retry_attempt": 0,
            **described(pipeline, window).columns(),
        }
