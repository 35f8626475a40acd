"""A person's moves. `actor` and `reason` stay in the events."""

from datetime import datetime

from pipeline_framework.control_table.database import Database
from pipeline_framework.control_table.record import PipelineKey, Record
from pipeline_framework.errors import Misuse


def reopen(
    database: Database,
    key: PipelineKey,
    *,
    first: datetime,
    last: datetime,
    actor: str,
    reason: str,
    force: bool = False,
) -> list[Record]:
    """Put the finished windows that overlap [first, last) back to PENDING; the rows that moved, oldest first.

    They carry `reason` as `reload_reason` and are loaded whatever the counts say. Markers, counts and
    attempts start anew, the epoch does not. With `force` windows that are PENDING anyway get the same.
    """
    move = "force_reopen" if force else "reopen"
    return _decided(database, move, key, first=first, last=last, actor=actor, reason=reason)


def retry(
    database: Database, key: PipelineKey, *, first: datetime, last: datetime, actor: str, reason: str
) -> list[Record]:
    """Give quarantined windows that overlap [first, last) new attempts and end the wait of those in backoff.

    Markers stay, so they go on at the first unfinished phase. The rows that moved, oldest first.
    """
    return _decided(database, "retry", key, first=first, last=last, actor=actor, reason=reason)


def skip(
    database: Database, key: PipelineKey, *, first: datetime, last: datetime, actor: str, reason: str
) -> list[Record]:
    """Do without the windows that overlap [first, last) and wait or are quarantined: COMPLETED, `skipped`.

    The target keeps what it has of them. The rows that moved, oldest first.
    """
    return _decided(database, "skip", key, first=first, last=last, actor=actor, reason=reason)


def quarantine(
    database: Database, key: PipelineKey, *, first: datetime, last: datetime, actor: str, reason: str
) -> list[Record]:
    """Take the windows that overlap [first, last) and wait out of line: FAILED, with `reason` as last_error.

    Their attempts stay as they were until `retry`. The rows that moved, oldest first.
    """
    return _decided(database, "quarantine", key, first=first, last=last, actor=actor, reason=reason)


def clear_lock(database: Database, record_id: int, *, actor: str, reason: str, only_stale: bool) -> Record:
    """Take a lock away and put its window back to PENDING; no attempt is counted, markers stay.

    Raises `Misuse` when nobody holds the window, or when `only_stale` and its lease still runs.
    """
    move = "clear_stale_lock" if only_stale else "clear_lock"
    rows = database.run(move, id=record_id, actor=actor, reason=reason)
    if not rows:
        raise Misuse(_why_not(database, record_id))
    return Record.of(rows[0])


def _decided(database: Database, move: str, key: PipelineKey, **parameters: object) -> list[Record]:
    """Hold the pipeline's row, as whoever seals or sets windows aside does: they take their turns there."""
    with database.transaction() as transaction:
        transaction.run("lock_pipeline", **key.parameters)
        rows = transaction.run(move, **key.parameters, **parameters)
    return sorted((Record.of(row) for row in rows), key=lambda record: record.window)


def _why_not(database: Database, record_id: int) -> str:
    rows = database.run("record_by_id", id=record_id)
    if not rows:
        return f"there is no window {record_id}; `pipeline windows` lists them."
    record = Record.of(rows[0])
    held = (
        "; a living lock is cleared only with --force"
        if record.lease_expires_at
        else ", so there is no lock to clear"
    )
    return f"{record.standing}{held}."
