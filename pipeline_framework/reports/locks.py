"""Who holds what, and until when."""

from dataclasses import dataclass

from pipeline_framework.control_table import Record
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
        return {**{name: getattr(self.record, name) for name in names}, "stale": self.stale}


def locks(pipeline: Pipeline) -> list[HeldLock]:
    """Every lock of the pipeline, oldest window first."""
    now = pipeline.database.now()
    rows = pipeline.database.run("locked_windows", **pipeline.key.parameters)
    records = [Record.of(row) for row in rows]
    return [
        HeldLock(record, bool(record.lease_expires_at and record.lease_expires_at < now))
        for record in records
    ]
