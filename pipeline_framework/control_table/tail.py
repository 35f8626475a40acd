"""The tail of the timeline: windows at its end that nobody has touched, which another grid may cut anew."""

from datetime import UTC, datetime

from pipeline_framework.control_table.database import Database, Transaction
from pipeline_framework.control_table.record import PipelineKey
from pipeline_framework.windows import Window

_BEGINNING = datetime(1, 1, 2, tzinfo=UTC)


def last_kept(place: Database | Transaction, key: PipelineKey) -> Window | None:
    """The last window that somebody has touched: claimed, reopened, set aside, finished; None without one."""
    rows = place.run("last_kept", **key.parameters)
    return Window(rows[0]["window_start_time"], rows[0]["window_end_time"]) if rows else None


def drop(database: Database, key: PipelineKey, *, actor: str, reason: str) -> int:
    """Delete every window behind the last one that somebody touched; how many. History stays as it is.

    Each leaves two events: `regrid` with who and why, and `delete`. Windows are neither added, nor set aside,
    nor claimed meanwhile.
    """
    with database.transaction() as transaction:
        transaction.run("lock_pipeline", **key.parameters)
        transaction.run("lock_tail", **key.parameters, kept_start=_start(transaction, key))
        by = {"actor": actor, "reason": reason}
        marked = transaction.run("regrid", **key.parameters, **by, kept_start=_start(transaction, key))
        transaction.run("drop_regridded", **key.parameters)
        return len(marked)


def _start(transaction: Transaction, key: PipelineKey) -> datetime:
    kept = last_kept(transaction, key)
    return kept.start if kept else _BEGINNING
