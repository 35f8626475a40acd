"""Ranges: a stretch of time that one backfill has to itself, and the windows set aside for it.

A window carries the id of the range that sets it aside, from `register` until whoever held it lets go, or
until the range is over. Ordinary claims pass it by; those of the backfill take no other. A range lives by a
lease like a lock's: once that ran out, any run gives its windows back, and its new epoch fences the backfill
off.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Self

from pipeline_framework.control_table.database import Database, InDoubt, Transaction
from pipeline_framework.control_table.record import PipelineKey, Record
from pipeline_framework.errors import LockConflict, LockLost
from pipeline_framework.windows import Window


@dataclass(frozen=True, slots=True)
class Range:
    """A row of `pipeline_ranges`; `owner` is the run that backfills it, times are UTC."""

    id: int
    span: Window
    owner: str
    epoch: int
    since: datetime
    lease_expires_at: datetime | None
    actor: str
    reason: str

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> Self:
        """The range of a row as `Database.run` gives it."""
        span = Window(row["range_start"], row["range_end"])
        names = ("lease_expires_at", "actor", "reason")
        rest = {name: row[name] for name in names}
        return cls(row["id"], span, row["range_owner"], row["range_epoch"], row["created_at"], **rest)

    @property
    def parameters(self) -> dict[str, int]:
        """For statements."""
        return {"range_id": self.id, "range_epoch": self.epoch}

    @property
    def standing(self) -> str:
        """In a sentence's words: which range, who has it since when and for how long."""
        until = f", its lease until {_text(self.lease_expires_at)}" if self.lease_expires_at else ""
        return (
            f"range {self.span} (id {self.id}) is backfilled by {self.owner} for {self.actor} "
            f"since {_text(self.since)} ({self.reason}){until}"
        )


@dataclass(frozen=True, slots=True)
class Order:
    """What a backfill asks for: whole windows of `span`, for the run `owner`; who wants it and why."""

    span: Window
    owner: str
    actor: str
    reason: str
    lease_seconds: float


def register(database: Database, key: PipelineKey, order: Order) -> Range:
    """Set the PENDING windows of the order's span aside for one backfill.

    Raises `LockConflict` naming the range that overlaps it. Ranges whose lease ran out are let go first.
    """
    return _registered(database, key, order, "")[0]


def register_again(database: Database, key: PipelineKey, order: Order) -> tuple[Range, list[Record]]:
    """The same after its finished windows were reopened for the order's reason; those as they are now."""
    return _registered(database, key, order, "reopen")


def require_free(database: Database, key: PipelineKey, span: Window) -> None:
    """Raise `LockConflict` when a range that stands overlaps `span`; changes nothing."""
    _require_free(key, database.run("range_in_the_way", **key.parameters, first=span.start, last=span.end))


def standing(database: Database, key: PipelineKey) -> list[Range]:
    """The pipeline's ranges that are not over, by time; also those whose lease ran out."""
    return [Range.of(row) for row in database.run("open_ranges", **key.parameters)]


def renew(database: Database, mine: Range, *, lease_seconds: float) -> None:
    """Move the end of the lease to `lease_seconds` from now; `LockLost` when the range was let go."""
    if not database.run("renew_range", **mine.parameters, lease_seconds=lease_seconds):
        raise LockLost(
            f"range {mine.span} of {mine.owner} was let go, because its lease ran out; "
            "its windows are for any run now, and the same backfill goes on where it was."
        )


def end(database: Database, mine: Range) -> int:
    """The backfill is over: what its range still sets aside is for ordinary runs; how many windows.

    None of them when the range was let go before.
    """
    try:
        return _ended(database, mine)
    except InDoubt:  # if it was made, the second time finds nothing
        return _ended(database, mine)


def expire(database: Database, key: PipelineKey) -> list[Range]:
    """Let go of the pipeline's ranges whose lease ran out, and of their windows; those ranges."""
    if not database.run("dead_ranges", **key.parameters)[0]["ranges"]:
        return []
    with database.transaction() as transaction:
        transaction.run("lock_pipeline", **key.parameters)
        return _expired(transaction, key)


def _registered(
    database: Database, key: PipelineKey, order: Order, before: str
) -> tuple[Range, list[Record]]:
    try:
        with database.transaction() as transaction:
            return _made(transaction, key, order, before)
    except InDoubt:
        with database.transaction() as transaction:  # waits for the server, should it still be at it
            transaction.run("lock_pipeline", **key.parameters)
            rows = transaction.run("range_of_owner", **key.parameters, range_owner=order.owner)
        if not rows:
            raise
        return Range.of(rows[0]), []


def _made(
    transaction: Transaction, key: PipelineKey, order: Order, before: str
) -> tuple[Range, list[Record]]:
    """Hold the pipeline's row, so that one process at a time registers."""
    span = {"first": order.span.start, "last": order.span.end}
    by = {"actor": order.actor, "reason": order.reason}
    transaction.run("lock_pipeline", **key.parameters)
    _expired(transaction, key)
    _adopt_orphans(transaction, key)
    _require_free(key, transaction.run("range_in_the_way", **key.parameters, **span))
    lease = {"range_owner": order.owner, "lease_seconds": order.lease_seconds}
    mine = Range.of(transaction.run("register_range", **key.parameters, **span, **by, **lease)[0])
    reopened = transaction.run(before, **key.parameters, **span, **by) if before else []
    transaction.run("reserve", **key.parameters, **span, **by, range_id=mine.id)
    return mine, sorted(map(Record.of, reopened), key=lambda record: record.window)


def _require_free(key: PipelineKey, rows: Iterable[Mapping[str, Any]]) -> None:
    for row in rows:
        there = Range.of(row)
        raise LockConflict(
            f"{key.pipeline_id}: {there.standing}; wait for it, end that process, or choose a range that "
            "does not touch it. Should it be dead, it is let go when its lease runs out."
        )


def _ended(database: Database, mine: Range) -> int:
    with database.transaction() as transaction:
        if not transaction.run("end_range", **mine.parameters):
            return 0
        return _left(transaction, mine.id, mine.owner, "the backfill is over")


def _expired(transaction: Transaction, key: PipelineKey) -> list[Range]:
    dead = [Range.of(row) for row in transaction.run("expire_ranges", **key.parameters)]
    for each in dead:
        _left(transaction, each.id, "rescue", f"the lease of its backfill ran out; that was {each.owner}")
    return dead


def _adopt_orphans(transaction: Transaction, key: PipelineKey) -> None:
    for row in transaction.run("orphaned_ranges", **key.parameters):
        _left(transaction, row["range_id"], "rescue", "the range is not there any more")


def _left(transaction: Transaction, range_id: int, actor: str, reason: str) -> int:
    return len(transaction.run("leave_range", range_id=range_id, actor=actor, reason=reason))


def _text(instant: datetime) -> str:
    return f"{instant:%Y-%m-%dT%H:%M:%SZ}"
