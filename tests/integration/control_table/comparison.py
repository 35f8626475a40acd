"""A row of the control table and a row of the model, in the same words."""

from datetime import datetime
from typing import Any

from pipeline_framework.control_table import Record
from tests.integration.control_table.model import Row


def seen(record: Record, now: datetime) -> dict[str, Any]:
    """The columns that matter, in the model's words."""
    who = (record.dag_id, record.dag_run_id, record.run_slot) if record.dag_id else None
    return {
        "status": record.pipeline_status,
        "epoch": record.lock_epoch,
        "who": who,
        "owner": record.lock_owner,
        "locked": record.pipeline_locked_at is not None,
        "alive": record.lease_expires_at is not None and record.lease_expires_at > now,
        "leased": record.lease_expires_at is not None,
        "waits": record.not_before is not None and record.not_before > now,
        "phases": [
            record.source_to_stage_ingestion_status,
            record.stage_to_target_ingestion_status,
            record.audit_status,
        ],
        "marker": record.phase_completed,
        "stage_epoch": record.stage_epoch,
        "counts": (record.source_count, record.target_count),
        "result": record.audit_result,
        "attempts": (record.retry_attempt, record.max_attempts),
        "error": record.last_error is not None,
        "reload": record.reload_reason,
        "actor": record.actor,
        "range": record.range_id,
        "over": record.pipeline_end_time is not None,
    }


def expected(row: Row) -> dict[str, Any]:
    """The same of the model."""
    return {
        "status": row.status,
        "epoch": row.epoch,
        "who": (row.who.dag, row.who.run, row.who.slot) if row.who else None,
        "owner": row.who.owner if row.held and row.who else None,
        "locked": row.held,
        "alive": row.held and row.alive,
        "leased": row.held,
        "waits": row.waits,
        "phases": list(row.phases.values()),
        "marker": row.marker,
        "stage_epoch": row.stage_epoch,
        "counts": (row.source_count, row.target_count),
        "result": row.result,
        "attempts": (row.attempts, row.max_attempts),
        "error": row.error,
        "reload": row.reload,
        "actor": row.actor,
        "range": row.range_id,
        "over": row.status in ("COMPLETED", "FAILED"),
    }
