"""The lock that a run works under: its own again, a chosen window, or the next in line."""

from datetime import datetime

from pipeline_framework.control_table import Record, claims, progress, rescue
from pipeline_framework.errors import FutureData, LockConflict, Misuse, NothingPending
from pipeline_framework.generation import OLDEST, Choice, generate, ready_until, require_fields
from pipeline_framework.interfaces import Lock
from pipeline_framework.pipeline import Pipeline


def store_and_validate(pipeline: Pipeline, now: datetime, choice: Choice = OLDEST) -> Lock:
    """Generate, validate and lock: the lock a run works under.

    A run that holds a window already gets the same one again under a new epoch. Raises a `NothingToDo`
    when there is no window for this run, `Misuse` when `check_fields` are incomplete.
    """
    pipeline.transfer  # noqa: B018 - a wrong key of a connector is found before a window is locked
    rescued(pipeline)
    record = resumed(pipeline)
    if record is None:
        generate(pipeline, now, choice)
        return lock_next(pipeline, now, choice)
    return complete_lock(pipeline, record)


def rescued(pipeline: Pipeline) -> list[Record]:
    """Put back every window whose lease ran out."""
    backoff = pipeline.config.backoff_seconds
    records = rescue.rescue(pipeline.database, pipeline.key, backoff_seconds=backoff)
    return [pipeline.moved(record) for record in records]


def lock_next(pipeline: Pipeline, now: datetime, choice: Choice = OLDEST) -> Lock:
    """Lock a window that is in the control table already; raises as `store_and_validate` does."""
    return complete_lock(pipeline, claimed(pipeline, now, choice))


def resumed(pipeline: Pipeline) -> Record | None:
    """The window this run holds already, or that an earlier `airflow tasks test` left."""
    lease = pipeline.holder.park_seconds
    mine = claims.resume(pipeline.database, pipeline.key, pipeline.holder, lease_seconds=lease)
    return mine or claims.adopt_temporary(
        pipeline.database, pipeline.key, pipeline.holder, lease_seconds=lease
    )


def claimed(pipeline: Pipeline, now: datetime, choice: Choice) -> Record:
    """A window newly locked for this run; a module that chooses is asked when nobody else did."""
    start = choice.window_start
    if choice == OLDEST and pipeline.module and pipeline.record_functions.chooses:
        start = module_choice(pipeline)
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
    until = ready_until(pipeline, now)
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
    until = ready_until(pipeline, now)
    if row is None or row.window_end_time > until:
        raise FutureData(not_ready(pipeline, start, until))
    record = claims.claim_window(
        pipeline.database,
        pipeline.key,
        pipeline.holder,
        window_start=start,
        lease_seconds=pipeline.holder.park_seconds,
    )
    if record is None:
        raise LockConflict(claims.whose(pipeline.database, row.id))
    return record


def window_at(pipeline: Pipeline, start: datetime) -> Record | None:
    """The row of the window that starts at `start`."""
    rows = pipeline.database.run("window_at", **pipeline.key.parameters, window_start=start)
    return Record.of(rows[0]) if rows else None


def complete_lock(pipeline: Pipeline, record: Record) -> Lock:
    """The lock of a window whose `check_fields` are complete; one that lacks some is let go, as `Misuse`."""
    try:
        require_fields(pipeline, record.window, record.columns())
    except Misuse as error:
        pipeline.moved(progress.release(pipeline.database, record.lock(), str(error)))
        raise
    return pipeline.moved(record).lock()


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
