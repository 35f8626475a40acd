"""Which windows are due; validate them; add them; lock one."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pipeline_framework import registry
from pipeline_framework.control_table import Record, claims, new_windows, progress, rescue
from pipeline_framework.control_table.new_windows import NewWindow
from pipeline_framework.control_table.states import Status
from pipeline_framework.errors import FutureData, LockConflict, Misuse, NothingPending
from pipeline_framework.interfaces import Lock
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


def grid_history(pipeline: Pipeline, covered: list[Window]) -> GridHistory:
    """The grids in force so far, followed by the configured one where the last window ends."""
    known = new_windows.grid_history(pipeline.database, pipeline.key)
    grid = pipeline.config.window_grid
    if known is None or not covered:
        return GridHistory(((None, grid),))
    return known.followed_by(grid, max(window.end for window in covered))


def due(pipeline: Pipeline, now: datetime, choice: Choice = OLDEST) -> Iterator[Window]:
    """Windows that are ready, wanted and not in the control table yet, oldest first; adds nothing."""
    config, covered = pipeline.config, new_windows.islands(pipeline.database, pipeline.key)
    history = grid_history(pipeline, covered)
    for window in missing(history, covered, config.start, watermark(pipeline, now), config.end):
        if choice.last and window.start >= choice.last:
            return
        if choice.first is None or window.end > choice.first:
            yield window


def generate(pipeline: Pipeline, now: datetime, choice: Choice = OLDEST) -> int:
    """Add every due window, validated; how many were added. Adding again adds nothing."""
    covered = new_windows.islands(pipeline.database, pipeline.key)
    rows = (announced(pipeline, described(pipeline, window)) for window in due(pipeline, now, choice))
    return new_windows.add(pipeline.database, pipeline.key, grid_history(pipeline, covered), rows)


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


def announced(pipeline: Pipeline, row: NewWindow) -> NewWindow:
    """The row itself, validated, and told to a module that wants to hear of new rows."""
    columns = {**pipeline.config.default_record, **row.columns()}
    require_fields(pipeline, row.window, columns)
    if pipeline.module:
        pipeline.record_functions.uploaded(columns)
    return row


def require_fields(pipeline: Pipeline, window: Window, columns: Mapping[str, Any]) -> None:
    """Raise `Misuse` naming the first of `check_fields` that is empty in `columns`."""
    for name in pipeline.config.check_fields:
        if columns.get(name) in (None, ""):
            raise Misuse(
                f"{pipeline.config.file}: check_fields asks for {name}, which is empty for window {window}; "
                f"set {name.replace('key_', 'function_')} or take {name} out of check_fields."
            )


def store_and_validate(pipeline: Pipeline, now: datetime, choice: Choice = OLDEST) -> Lock:
    """Generate, validate and lock: the lock a run works under.

    A run that holds a window already gets the same one again under a new epoch. Raises a `NothingToDo`
    when there is no window for this run, `Misuse` when `check_fields` are incomplete.
    """
    pipeline.transfer  # noqa: B018 - a wrong key of a connector is found before a window is locked
    rescue.rescue(pipeline.database, pipeline.key, backoff_seconds=pipeline.config.backoff_seconds)
    record = resumed(pipeline) or claimed(pipeline, now, choice)
    require_complete(pipeline, record)
    return pipeline.moved(record).lock()


def resumed(pipeline: Pipeline) -> Record | None:
    """The window this run holds already, or that an earlier `airflow tasks test` left."""
    lease = pipeline.holder.park_seconds
    mine = claims.resume(pipeline.database, pipeline.key, pipeline.holder, lease_seconds=lease)
    return mine or claims.adopt_temporary(
        pipeline.database, pipeline.key, pipeline.holder, lease_seconds=lease
    )


def claimed(pipeline: Pipeline, now: datetime, choice: Choice) -> Record:
    """A window newly locked for this run; generates first."""
    generate(pipeline, now, choice)
    start = choice.window_start
    if pipeline.module and pipeline.record_functions.chooses:
        start = start or module_choice(pipeline)
    if start:
        return chosen(pipeline, now, start)
    return next_in_line(pipeline, now, choice)


def module_choice(pipeline: Pipeline) -> datetime:
    """The start of the window that the module picks and no other run is working on."""
    start = pipeline.record_functions.oldest()
    if start is None:
        raise NothingPending("download_oldest_pending_record knows of no pending window.")
    other = pipeline.record_functions.holder(start, pipeline.holder.dag_run_id)
    if other:
        raise LockConflict(
            f"the window that starts at {start:%Y-%m-%dT%H:%M:%SZ} is in progress in run {other}."
        )
    return start


def next_in_line(pipeline: Pipeline, now: datetime, choice: Choice) -> Record:
    """The oldest (or newest) ready window of the choice."""
    claim = claims.claim_newest if choice.newest_first else claims.claim_oldest
    until = watermark(pipeline, now)
    record = claim(
        pipeline.database,
        pipeline.key,
        pipeline.holder,
        watermark=min(until, choice.last) if choice.last else until,
        since=choice.first,
        lease_seconds=pipeline.holder.park_seconds,
    )
    if record is None:
        raise NothingPending(why_none(pipeline, until))
    return record


def chosen(pipeline: Pipeline, now: datetime, start: datetime) -> Record:
    """The window that starts at `start`, whatever its place in line."""
    row = window_at(pipeline, start)
    if row is None or row.window_end_time > watermark(pipeline, now):
        raise FutureData(not_ready(pipeline, start, watermark(pipeline, now)))
    record = claims.claim_window(
        pipeline.database,
        pipeline.key,
        pipeline.holder,
        window_start=start,
        lease_seconds=pipeline.holder.park_seconds,
    )
    if record is None:
        raise LockConflict(why_not(row))
    return record


def window_at(pipeline: Pipeline, start: datetime) -> Record | None:
    """The row of the window that starts at `start`."""
    rows = pipeline.database.run("window_at", **pipeline.key.parameters, window_start=start)
    return Record.of(rows[0]) if rows else None


def require_complete(pipeline: Pipeline, record: Record) -> None:
    """Let go of a locked window whose `check_fields` are incomplete, and raise `Misuse`."""
    try:
        require_fields(pipeline, record.window, record.lock().columns)
    except Misuse as error:
        pipeline.moved(progress.release(pipeline.database, record.lock(), str(error)))
        raise


def why_none(pipeline: Pipeline, until: datetime) -> str:
    """Why no window could be locked: who holds some, which wait, when the next is ready."""
    row = pipeline.database.run("why_none", **pipeline.key.parameters)[0]
    parts = [
        f"{row['held']} held by another run (`pipeline locks list`)" if row["held"] else "",
        f"{row['waiting']} waiting to be tried again (`pipeline retry`)" if row["waiting"] else "",
        f"{row['quarantined']} quarantined (`pipeline windows --status FAILED`)"
        if row["quarantined"]
        else "",
    ]
    rest = ", ".join(part for part in parts if part)
    return f"no window is ready before {until:%Y-%m-%dT%H:%M:%SZ}" + (f"; {rest}." if rest else ".")


def not_ready(pipeline: Pipeline, start: datetime, until: datetime) -> str:
    """Why there is no window to take at `start`."""
    return (
        f"{pipeline.config.pipeline_id} has no ready window that starts at {start:%Y-%m-%dT%H:%M:%SZ}: "
        f"ready until {until:%Y-%m-%dT%H:%M:%SZ}; `pipeline windows` and `pipeline plan` list the starts."
    )


def why_not(record: Record) -> str:
    """Why the window of `record` cannot be locked now, and what to do."""
    if record.pipeline_status == Status.IN_PROGRESS:
        return f"{record.standing}."
    return f"{record.standing}; `pipeline reopen --window {record.id}` makes it run again."
