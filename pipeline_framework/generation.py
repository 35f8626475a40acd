"""Which windows are due; describe them, validate them, add them."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pipeline_framework import registry
from pipeline_framework.control_table import Record, new_windows
from pipeline_framework.control_table.new_windows import NewWindow
from pipeline_framework.errors import Misuse
from pipeline_framework.pipeline import Pipeline
from pipeline_framework.windows import GridHistory, Window, missing


@dataclass(frozen=True, slots=True)
class Choice:
    """Which window a run wants: one by its start, or the oldest of a range [first, last); UTC."""

    window_start: datetime | None = None
    first: datetime | None = None
    last: datetime | None = None
    newest_first: bool = False


OLDEST = Choice()


def watermark(pipeline: Pipeline, now: datetime) -> datetime:
    """Until when windows are ready: `now` less the stability lag, UTC."""
    return pipeline.config.time_back.before(now, pipeline.config.zone)


def ready_until(pipeline: Pipeline, now: datetime) -> datetime:
    """The watermark, or the pipeline's end where that is earlier: no window past it runs."""
    until = watermark(pipeline, now)
    return min(until, pipeline.config.end) if pipeline.config.end else until


def due(pipeline: Pipeline, now: datetime, choice: Choice = OLDEST) -> tuple[GridHistory, Iterator[Window]]:
    """The grids in force, and the windows that are ready, wanted and not there yet; adds nothing."""
    config, covered = pipeline.config, new_windows.islands(pipeline.database, pipeline.key)
    history = grid_history(pipeline, covered)
    every = missing(history, covered, config.start, watermark(pipeline, now), config.end)
    return history, wanted(every, choice)


def grid_history(pipeline: Pipeline, covered: list[Window]) -> GridHistory:
    """The grids in force so far, followed by the configured one where the last window ends."""
    known = new_windows.grid_history(pipeline.database, pipeline.key)
    grid = pipeline.config.window_grid
    if known is None or not covered:
        return GridHistory(((None, grid),))
    return known.followed_by(grid, max(window.end for window in covered))


def wanted(windows: Iterator[Window], choice: Choice) -> Iterator[Window]:
    """Those that touch the choice's range."""
    for window in windows:
        if choice.last and window.start >= choice.last:
            return
        if choice.first is None or window.end > choice.first:
            yield window


def generate(pipeline: Pipeline, now: datetime, choice: Choice = OLDEST) -> int:
    """Add every due window, validated; how many were added. Adding again adds nothing."""
    history, windows = due(pipeline, now, choice)
    rows = (validated(pipeline, described(pipeline, window)) for window in windows)
    pages = new_windows.added(pipeline.database, pipeline.key, history, rows)
    return sum(announced(pipeline, ids) for ids in pages)


def described(pipeline: Pipeline, window: Window) -> NewWindow:
    """The row that the control table gets for a window."""
    config = pipeline.config
    start, end = window.start.astimezone(config.zone), window.end.astimezone(config.zone)
    values = {
        **config.default_record,
        "mapping_name": config.mapping_name,
        "window_start": start,
        "window_end": end,
        "target_day": start.date(),
        "time_interval": window.interval,
    }
    return NewWindow(
        window=window,
        target_day=start.date(),
        time_interval=window.interval,
        source_name=config.source_name,
        target_name=config.target_name,
        max_attempts=config.max_attempts,
        **{f"key_{letter}": registry.key(config, f"function_{letter}", values) for letter in "xyz"},
    )


def announced(pipeline: Pipeline, ids: list[int]) -> int:
    """Tell a module that wants to hear of them of the rows that were added; how many."""
    if pipeline.module and pipeline.record_functions.follows:
        for number in ids:
            row = pipeline.database.run("window_by_id", **pipeline.key.parameters, id=number)[0]
            pipeline.record_functions.uploaded(Record.of(row).columns())
    return len(ids)


def validated(pipeline: Pipeline, row: NewWindow) -> NewWindow:
    """The row itself; `Misuse` when a field that `check_fields` names would be empty."""
    known = {**pipeline.config.default_record, **pipeline.key.parameters, **row.columns()}
    require_fields(pipeline, row.window, known)
    return row


def require_fields(pipeline: Pipeline, window: Window, columns: Mapping[str, Any]) -> None:
    """Raise `Misuse` naming the first of `check_fields` that is empty in `columns`."""
    for name in pipeline.config.check_fields:
        if columns.get(name) in (None, ""):
            raise Misuse(
                f"{pipeline.config.file}: check_fields asks for {name}, which is empty for window {window}; "
                f"set {name.replace('key_', 'function_')} or take {name} out of check_fields. A window that "
                "was added before keeps its columns: fill them in pipeline_records by hand."
            )
