"""Who holds what, and until when."""

from dataclasses import dataclass

from pipeline_framework.control_table import Record
from pipeline_framework.control_table.ranges import Range, standing
from pipeline_framework.pipeline import Pipeline


@dataclass(frozen=True, slots=True)
class HeldLock:
    """A window in progress; `stale` when its lease ran out by the database's clock."""

    record: Record
    stale: bool

    def as_json(self) -> dict[str, object]:
        """The columns that tell of a lock."""
        names = [
            "id",
            "window_start_time",
            "window_end_time",
            "dag_id",
            "dag_run_id",
            "run_slot",
            "lock_owner",
            "lock_epoch",
            "pipeline_locked_at",
            "lease_expires_at",
            "phase_completed",
        ]
        known = {name: getattr(self.record, name) for name in names}
        return {"kind": "window", **known, "stale": self.stale}


@dataclass(frozen=True, slots=True)
class HeldRange:
    """What a backfill has set aside; `stale` when its lease ran out by the database's clock."""

    held: Range
    stale: bool

    def as_json(self) -> dict[str, object]:
        """By the names of a lock's columns, and who wanted it why."""
        return {
            "kind": "range",
            "id": self.held.id,
            "window_start_time": self.held.span.start,
            "window_end_time": self.held.span.end,
            "lock_owner": self.held.owner,
            "lock_epoch": self.held.epoch,
            "pipeline_locked_at": self.held.since,
            "lease_expires_at": self.held.lease_expires_at,
            "actor": self.held.actor,
            "reason": self.held.reason,
            "stale": self.stale,
        }


def ranges(pipeline: Pipeline) -> list[HeldRange]:
    """Every range that a backfill has set aside, by time."""
    now = pipeline.database.now()
    return [
        HeldRange(held, bool(held.lease_expires_at and held.lease_expires_at < now))
        for held in standing(pipeline.database, pipeline.key)
    ]


def locks(pipeline: Pipeline) -> list[HeldLock]:
    """Every lock of the pipeline, oldest window first."""
    now = pipeline.database.now()
    rows = pipeline.database.run("locked_windows", **pipeline.key.parameters)
    records = [Record.of(row) for row in rows]
    return [
        HeldLock(record, bool(record.lease_expires_at and record.lease_expires_at < now))
        for record in records
    ]
