"""A window's row, every column by name, and the two keys by which rows are asked for."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import UTC, date, datetime
from typing import Any, Self

import pendulum
from pendulum import DateTime

from pipeline_framework.control_table.states import Phase, Result, Status
from pipeline_framework.interfaces import Lock
from pipeline_framework.windows import Window


@dataclass(frozen=True, slots=True)
class PipelineKey:
    """What the rows of one pipeline have in common."""

    pipeline_id: str
    mapping_name: str = ""

    @property
    def parameters(self) -> dict[str, str]:
        """For statements."""
        return {"pipeline_id": self.pipeline_id, "mapping_name": self.mapping_name}


@dataclass(frozen=True, slots=True)
class Holder:
    """Who asks for locks: a slot of a run, and the process that works for it.

    `owner` is new in every process; locks are parked for `park_seconds` between two tasks.
    """

    dag_id: str
    dag_run_id: str
    run_slot: int
    owner: str
    park_seconds: float

    @property
    def is_temporary(self) -> bool:
        """Whether the run is a call of `airflow tasks test`, which gets a run id of its own each time."""
        return self.dag_run_id.startswith("__airflow_temporary_run_")

    @property
    def parameters(self) -> dict[str, str | int]:
        """For statements."""
        return {
            "dag_id": self.dag_id,
            "dag_run_id": self.dag_run_id,
            "run_slot": self.run_slot,
            "owner": self.owner,
        }


@dataclass(frozen=True, slots=True)
class Record:
    """A row of `pipeline_records`; times are UTC, counts rows, `percentage_difference` percent."""

    id: int
    pipeline_id: str
    mapping_name: str
    source_name: str | None
    target_name: str | None
    target_day: date
    window_start_time: DateTime
    window_end_time: DateTime
    time_interval: str
    dag_id: str | None
    dag_run_id: str | None
    run_slot: int | None
    pipeline_status: Status
    pipeline_locked_at: DateTime | None
    lock_owner: str | None
    lock_epoch: int
    lease_expires_at: DateTime | None
    not_before: DateTime | None
    source_to_stage_ingestion_start_time: DateTime | None
    source_to_stage_ingestion_end_time: DateTime | None
    source_to_stage_ingestion_status: Status
    stage_epoch: int | None
    manifest_address: str | None
    manifest_digest: str | None
    stage_to_target_ingestion_start_time: DateTime | None
    stage_to_target_ingestion_end_time: DateTime | None
    stage_to_target_ingestion_status: Status
    audit_start_time: DateTime | None
    audit_end_time: DateTime | None
    audit_status: Status
    audit_result: Result | None
    source_count: int | None
    target_count: int | None
    count_difference: int | None
    percentage_difference: float | None
    audit_detail: dict[str, Any] | None
    pipeline_start_time: DateTime | None
    pipeline_end_time: DateTime | None
    phase_completed: Phase | None
    retry_attempt: int
    max_attempts: int
    last_error: str | None
    reload_reason: str | None
    record_first_created_time: DateTime
    record_last_updated_time: DateTime
    key_x: str | None
    key_y: str | None
    key_z: str | None
    actor: str | None
    reason: str | None
    move_name: str
    move_number: int
    range_id: int | None

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> Self:
        """The record of a row as `Database.run` gives it; columns of a newer schema are left out."""
        return cls(**{name: _typed(name, row[name]) for name in COLUMNS})

    @property
    def window(self) -> Window:
        """Start and end."""
        return Window(self.window_start_time, self.window_end_time)

    @property
    def standing(self) -> str:
        """In a sentence's words: which window, and who holds it or what became of it."""
        window = f"window {self.window} of {self.pipeline_id}"
        if self.range_id is not None and self.lease_expires_at is None:
            return f"{window} is set aside for the backfill of range {self.range_id}"
        if self.lease_expires_at is None:
            return f"{window} is {self.pipeline_status} and held by nobody"
        until = f"{self.lease_expires_at:%Y-%m-%dT%H:%M:%SZ}"
        return f"{window} is held by {self.lock_owner} in run {self.dag_run_id} until {until}"

    @property
    def untouched(self) -> bool:
        """Whether no run ever had the window, and no person decided on it."""
        return self.pipeline_status is Status.PENDING and not self.lock_epoch

    def had_by(self, holder: Holder) -> bool:
        """Whether this run has the window, or had it last, in any of its slots and tries."""
        return (self.dag_id or "", self.dag_run_id) == (holder.dag_id, holder.dag_run_id)

    def columns(self) -> dict[str, Any]:
        """Every column by name."""
        return {name: getattr(self, name) for name in COLUMNS}

    def lock(self) -> Lock:
        """What phases and implementations are shown of the held window."""
        return Lock(
            record_id=self.id,
            pipeline_id=self.pipeline_id,
            mapping_name=self.mapping_name,
            window=self.window,
            epoch=self.lock_epoch,
            owner=self.lock_owner or "",
            columns=self.columns(),
        )

    def as_json(self) -> dict[str, Any]:
        """Every column by name, times as ISO-8601 in UTC with Z."""
        return {name: _plain(value) for name, value in self.columns().items()}


COLUMNS = tuple(field.name for field in fields(Record))
_ENUMS: Mapping[str, type[Status] | type[Phase] | type[Result]] = {
    "pipeline_status": Status,
    "source_to_stage_ingestion_status": Status,
    "stage_to_target_ingestion_status": Status,
    "audit_status": Status,
    "phase_completed": Phase,
    "audit_result": Result,
}


def _typed(name: str, value: Any) -> Any:
    if value is None:
        return None
    if isinstance(value, datetime):
        utc = value.astimezone(UTC)
        return DateTime(*utc.timetuple()[:6], utc.microsecond, tzinfo=pendulum.UTC)
    if name == "percentage_difference":
        return float(value)
    return _ENUMS[name](value) if name in _ENUMS else value


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.replace(tzinfo=None).isoformat() + "Z"
    return value.isoformat() if isinstance(value, date) else value
