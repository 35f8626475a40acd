"""How a run comes to hold a window: it claims one, or takes up the one it holds already."""

import time
from datetime import UTC, datetime
from typing import Any, NotRequired, TypedDict, Unpack

from pipeline_framework.control_table.database import Database, InDoubt
from pipeline_framework.control_table.ranges import Range
from pipeline_framework.control_table.record import Holder, PipelineKey, Record
from pipeline_framework.control_table.states import Status
from pipeline_framework.errors import LockConflict

_BEGINNING = datetime(1, 1, 1, tzinfo=UTC)
_LATE = (0, 0.1, 0.3, 0.6)  # seconds before each look for a claim whose answer was lost


class Span(TypedDict):
    """What a claim may take: windows that start at or after `since` and end at or before `watermark`."""

    watermark: datetime
    since: NotRequired[datetime | None]
    lease_seconds: float


def claim_oldest(database: Database, key: PipelineKey, holder: Holder, **span: Unpack[Span]) -> Record | None:
    """Lock the oldest PENDING window between `since` and `watermark` that does not wait for its next try.

    None when there is none. Raises `LockConflict` when this slot of this run holds a window already.
    """
    return _claim("claim_oldest", database, key, holder, **_whole(span))


def claim_newest(database: Database, key: PipelineKey, holder: Holder, **span: Unpack[Span]) -> Record | None:
    """The same for the newest such window."""
    return _claim("claim_newest", database, key, holder, **_whole(span))


def claim_held_back(
    database: Database, key: PipelineKey, holder: Holder, **span: Unpack[Span]
) -> Record | None:
    """Lock the oldest window whose wait after a failure is over, though the circuit still wants proof.

    The other claims leave such a window to those that did not fail; where there are none, it is the proof.
    """
    return _claim("claim_held_back", database, key, holder, **_whole(span))


def claim_in_order(
    database: Database, key: PipelineKey, holder: Holder, **span: Unpack[Span]
) -> Record | None:
    """Lock the oldest window that is not COMPLETED; None when it is held, waits, failed or is not ready."""
    return _claim("claim_in_order", database, key, holder, **_whole(span))


def claim_window(
    database: Database, key: PipelineKey, holder: Holder, *, window_start: datetime, lease_seconds: float
) -> Record | None:
    """Lock the window that starts at `window_start`, also while it waits for its next try.

    None when no PENDING window starts there. Raises `LockConflict` when this slot holds one already.
    """
    which = {"window_start": window_start, "lease_seconds": lease_seconds}
    return _claim("claim_window", database, key, holder, **which)


def claim_oldest_of_range(
    database: Database, key: PipelineKey, holder: Holder, mine: Range, *, lease_seconds: float
) -> Record | None:
    """Lock the oldest window that `mine` sets aside, also while it waits for its next try.

    None when there is none left, or when the range was let go. Raises `LockConflict` when this slot holds a
    window already.
    """
    which = {**mine.parameters, "lease_seconds": lease_seconds}
    return _claim("claim_oldest_of_range", database, key, holder, **which)


def claim_newest_of_range(
    database: Database, key: PipelineKey, holder: Holder, mine: Range, *, lease_seconds: float
) -> Record | None:
    """The same for the newest such window."""
    which = {**mine.parameters, "lease_seconds": lease_seconds}
    return _claim("claim_newest_of_range", database, key, holder, **which)


def resume(database: Database, key: PipelineKey, holder: Holder, *, lease_seconds: float) -> Record | None:
    """The window that this slot of this run holds, under a new epoch, which fences an earlier try off.

    None when it holds none.
    """
    parameters = {**key.parameters, **holder.parameters, "lease_seconds": lease_seconds}
    try:
        rows = database.run("resume", **parameters)
    except InDoubt:  # twice is as good as once: the second epoch is newer still
        rows = database.run("resume", **parameters)
    return Record.of(rows[0]) if rows else None


def adopt_temporary(
    database: Database, key: PipelineKey, holder: Holder, *, lease_seconds: float
) -> Record | None:
    """The newest window that an earlier `airflow tasks test` of this DAG left behind, under a new epoch.

    Only a run of the same kind adopts, and nothing that is at work; None when there is nothing.
    """
    if not holder.is_temporary:
        return None
    parameters = {**key.parameters, **holder.parameters, "lease_seconds": lease_seconds}
    rows = database.run("adopt_temporary", **parameters)
    return Record.of(rows[0]) if rows else None


def oldest_waiting(
    database: Database, key: PipelineKey, *, watermark: datetime, since: datetime | None, limit: int
) -> list[Record]:
    """The first `limit` windows that `claim_oldest` could lock one after the other; locks none."""
    span = {"watermark": watermark, "since": since or _BEGINNING, "page_size": limit}
    return [Record.of(row) for row in database.run("oldest_waiting", **key.parameters, **span)]


def newest_waiting(
    database: Database, key: PipelineKey, *, watermark: datetime, since: datetime | None, limit: int
) -> list[Record]:
    """The same for `claim_newest`."""
    span = {"watermark": watermark, "since": since or _BEGINNING, "page_size": limit}
    return [Record.of(row) for row in database.run("newest_waiting", **key.parameters, **span)]


def first_in_order(database: Database, key: PipelineKey) -> Record | None:
    """The oldest window that is not COMPLETED; None when all are."""
    rows = database.run("first_in_order", **key.parameters)
    return Record.of(rows[0]) if rows else None


def last_held(database: Database, key: PipelineKey, holder: Holder) -> Record | None:
    """The window that this slot of this run held last, whatever became of it."""
    rows = database.run("last_held", **key.parameters, **holder.parameters)
    return Record.of(rows[0]) if rows else None


def left_behind(database: Database, key: PipelineKey, holder: Holder) -> Record | None:
    """The oldest window that this slot of this run had last, and that failed; None when there is none."""
    rows = database.run("left_behind", **key.parameters, **holder.parameters)
    return Record.of(rows[0]) if rows else None


def whose(database: Database, record_id: int) -> str:
    """Who holds the window now, or what became of it and how it could run again; full sentences."""
    rows = database.run("record_by_id", id=record_id)
    if not rows:
        return f"window {record_id} is not in the control table any more."
    record = Record.of(rows[0])
    if record.pipeline_status in (Status.COMPLETED, Status.FAILED):
        return f"{record.standing}; `pipeline reopen --window {record_id}` makes it run again."
    return f"{record.standing}."


def _whole(span: Span) -> dict[str, object]:
    return {**span, "since": span.get("since") or _BEGINNING}


def _claim(move: str, database: Database, key: PipelineKey, holder: Holder, **which: object) -> Record | None:
    parameters: dict[str, object] = {**key.parameters, **holder.parameters, **which}
    try:
        rows = database.run(move, **parameters)
    except InDoubt:
        rows = _made_or_again(move, database, parameters)
    except LockConflict:
        slot = f"run {holder.dag_run_id} slot {holder.run_slot}"
        raise LockConflict(f"{slot} holds a window of {key.pipeline_id} already; resume that one.") from None
    return Record.of(rows[0]) if rows else None


def _made_or_again(move: str, database: Database, parameters: dict[str, object]) -> list[dict[str, Any]]:
    """If the claim was made, this slot holds the window; the server may make it a moment later."""
    for pause in _LATE:
        time.sleep(pause)
        if rows := _resumed_or_claimed(move, database, parameters):
            return rows
    return []


def _resumed_or_claimed(move: str, database: Database, parameters: dict[str, object]) -> list[dict[str, Any]]:
    try:
        return database.run("resume", **parameters) or database.run(move, **parameters)
    except LockConflict:  # it was made in between
        return database.run("resume", **parameters)
