"""The trace that the database itself keeps of every change of a window."""

import json
from typing import Any

from pipeline_framework.control_table.database import Database


def history(database: Database, record_id: int) -> list[dict[str, Any]]:
    """The events of a window, oldest first.

    `move_name` is a move of sql/transitions.sql, or `by_hand` and `delete` for what somebody did with SQL of
    their own; `changes` maps each changed column to its old and new value. Renewals leave no event.
    """
    return [
        {**row, "changes": _decoded(row["changes"])} for row in database.run("events_of", record_id=record_id)
    ]


def _decoded(changes: dict[str, list[Any]]) -> dict[str, list[Any]]:
    """SQLite keeps `audit_detail` as text inside the JSON of an event."""
    details = [
        json.loads(value) if isinstance(value, str) else value for value in changes.get("audit_detail", ())
    ]
    return {**changes, "audit_detail": details} if details else changes
