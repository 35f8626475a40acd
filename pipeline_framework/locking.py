"""The lock that a run works under: its own again, a chosen window, or the next in line."""

from datetime import datetime

from pipeline_framework.control_table import Record, claims, progress, ranges, rescue
from pipeline_framework.errors import Misuse, NothingPending
from pipeline_framework.generation import OLDEST, Choice, generate, require_fields
from pipeline_framework.interfaces import Lock
from pipeline_framework.pipeline import Pipeline
from pipeline_framework.turns import chosen, next_in_line, window_at


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
    """Put back every window whose lease ran out, and let go of every range whose backfill is dead."""
    ranges.expire(pipeline.database, pipeline.key)
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
    start = module_choice(pipeline) if module_chooses(pipeline, choice) else choice.window_start
    return chosen(pipeline, now, start) if start else next_in_line(pipeline, now, choice)


def module_chooses(pipeline: Pipeline, choice: Choice) -> bool:
    """Whether the module names the next window: nobody else did."""
    return choice == OLDEST and pipeline.module is not None and pipeline.record_functions.chooses


def module_choice(pipeline: Pipeline) -> datetime:
    """The start of the window that the module picks; `NothingPending` for none, or for one picked again."""
    start = pipeline.record_functions.oldest()
    if start is None:
        raise NothingPending("download_oldest_pending_record knows of no pending window.")
    record = window_at(pipeline, start)
    if record and record.had_by(pipeline.holder):
        raise NothingPending(f"download_oldest_pending_record names what this run had: {record.standing}.")
    return start


def complete_lock(pipeline: Pipeline, record: Record) -> Lock:
    """The lock of a window whose `check_fields` are complete; one that lacks some is let go, as `Misuse`."""
    try:
        require_fields(pipeline, record.window, record.columns())
    except Misuse as error:
        pipeline.moved(progress.release(pipeline.database, record.lock(), str(error)))
        raise
    return pipeline.moved(record).lock()
