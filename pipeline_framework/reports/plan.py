"""What the next runs would do, without doing it."""

from collections.abc import Iterator
from datetime import datetime
from itertools import chain
from typing import Any

from pipeline_framework.control_table.states import Status
from pipeline_framework.generation import OLDEST, Choice, described, due, watermark
from pipeline_framework.pipeline import Pipeline
from pipeline_framework.reports.history import EARLIEST, Filter, windows


def plan(pipeline: Pipeline, now: datetime, choice: Choice = OLDEST) -> list[dict[str, Any]]:
    """Windows that would run, oldest first, by column; `id` is None for one that would be added first."""
    both = chain(waiting(pipeline, now, choice), to_add(pipeline, now, choice))
    return sorted(both, key=lambda columns: columns["window_start_time"])


def waiting(pipeline: Pipeline, now: datetime, choice: Choice) -> Iterator[dict[str, Any]]:
    """Ready windows that are PENDING already."""
    until = min(watermark(pipeline, now), choice.last) if choice.last else watermark(pipeline, now)
    wanted = Filter(choice.first or EARLIEST, until, Status.PENDING)
    return (dict(record.lock().columns) for record in windows(pipeline, wanted))


def to_add(pipeline: Pipeline, now: datetime, choice: Choice) -> Iterator[dict[str, Any]]:
    """Ready windows that the control table does not know yet."""
    _, windows_due = due(pipeline, now, choice)
    for window in windows_due:
        yield {
            "id": None,
            **pipeline.key.parameters,
            "pipeline_status": str(Status.PENDING),
            **described(pipeline, window).columns(),
        }
