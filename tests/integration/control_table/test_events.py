"""The database's own trace of every change, on both databases."""

import re
from datetime import timedelta

import pytest

from pipeline_framework.control_table import Database, PipelineKey, claims, events, progress, statements
from pipeline_framework.control_table.record import COLUMNS
from pipeline_framework.control_table.states import Phase, Result
from pipeline_framework.errors import LockLost
from tests.integration.control_table.stories import LEASE, add_hours, claim, run, staged
from tests.services.control import by_hand

UNTRACED = {"lease_expires_at", "record_last_updated_time", "move_name", "move_number", "actor", "reason"}


def test_every_move_leaves_one_event(control: Database, key: PipelineKey) -> None:
    """In the order in which they were made, with states, epoch, run and actor."""
    add_hours(control, key, 1)
    lock = claim(control, key).lock()
    staged(control, lock)
    progress.fail(control, lock, "no luck", backoff_seconds=0)
    history = events.history(control, lock.record_id)
    assert [(row["move_name"], row["from_status"], row["to_status"]) for row in history] == [
        ("claim_oldest", "PENDING", "IN_PROGRESS"),
        ("begin_source_to_stage", "IN_PROGRESS", "IN_PROGRESS"),
        ("finish_source_to_stage", "IN_PROGRESS", "IN_PROGRESS"),
        ("fail", "IN_PROGRESS", "PENDING"),
    ]
    assert {(row["lock_epoch"], row["dag_run_id"], row["actor"]) for row in history} == {
        (lock.epoch, "run", "host:run:0")
    }
    assert history[3]["changes"]["last_error"] == [None, "no luck"]
    assert abs(history[3]["happened_at"] - control.now()) < timedelta(seconds=30)


def test_changes_name_old_and_new_values(control: Database, key: PipelineKey) -> None:
    """Exactly the columns that changed, JSON as JSON."""
    add_hours(control, key, 1)
    lock = claim(control, key).lock()
    progress.complete(control, lock, Result.EMPTY, source_count=0, audit_detail={"a": [1, "é"]})
    changes = events.history(control, lock.record_id)[-1]["changes"]
    assert changes["audit_detail"] == [None, {"a": [1, "é"]}]
    assert changes["source_count"] == [None, 0]
    assert changes["pipeline_status"] == ["IN_PROGRESS", "COMPLETED"]
    assert set(changes) == {
        *("audit_detail", "source_count", "pipeline_status", "audit_result", "pipeline_end_time"),
        *("pipeline_locked_at", "lock_owner"),
    }


def test_renewals_leave_no_event(control: Database, key: PipelineKey) -> None:
    """They would drown the rest."""
    add_hours(control, key, 1)
    lock = claim(control, key).lock()
    for _ in range(3):
        progress.renew(control, lock, lease_seconds=LEASE)
    assert [row["move_name"] for row in events.history(control, lock.record_id)] == ["claim_oldest"]


def test_move_that_was_refused_leaves_no_event(control: Database, key: PipelineKey) -> None:
    """Nothing happened, nothing is told."""
    add_hours(control, key, 1)
    lock = claim(control, key).lock()
    claims.resume(control, key, run(), lease_seconds=LEASE)
    with pytest.raises(LockLost):
        progress.begin(control, lock, Phase.AUDIT, lease_seconds=LEASE)
    assert [row["move_name"] for row in events.history(control, lock.record_id)] == ["claim_oldest", "resume"]


def test_move_that_changes_nothing_else_leaves_its_event(control: Database, key: PipelineKey) -> None:
    """Parking twice in a row is two moves, though no column but the lease is new."""
    add_hours(control, key, 1)
    lock = claim(control, key).lock()
    progress.park(control, lock, seconds=9)
    progress.park(control, lock, seconds=9)
    moves = [(row["move_name"], row["changes"]) for row in events.history(control, lock.record_id)]
    assert moves[1:] == [("park", {}), ("park", {})]


HAND_MADE = {
    "source_name": "elsewhere",
    "key_z": "z",
    "retry_attempt": 2,
    "target_count": 7,
    "last_error": "nonsense",
    "max_attempts": 9,
    "lock_owner": "somebody",
    "lock_epoch": 7,
    "mapping_name": "other",
    "range_id": 3,
}


@pytest.mark.parametrize("column", HAND_MADE)
def test_update_by_hand_leaves_a_trace(control: Database, key: PipelineKey, column: str) -> None:
    """Whoever changes a row with SQL of their own is seen, and the last mover is not blamed for it."""
    add_hours(control, key, 1)
    record = claim(control, key)
    sql = f"UPDATE pipeline_records SET {column} = :value WHERE id = :id"
    by_hand(control, sql, value=HAND_MADE[column], id=record.id)
    last = events.history(control, record.id)[-1]
    assert (last["move_name"], last["actor"], last["reason"]) == ("by_hand", None, None)
    assert last["changes"] == {column: [getattr(record, column), HAND_MADE[column]]}
    assert (last["database_user"] is None) == (control.dialect == "sqlite")


def test_update_by_hand_may_say_who_and_why(control: Database, key: PipelineKey) -> None:
    """Somebody who fills in actor and reason is named."""
    add_hours(control, key, 1)
    record = claim(control, key)
    sql = "UPDATE pipeline_records SET actor = 'ann', reason = 'for a test', key_x = 'x' WHERE id = :id"
    by_hand(control, sql, id=record.id)
    last = events.history(control, record.id)[-1]
    assert (last["move_name"], last["actor"], last["reason"]) == ("by_hand", "ann", "for a test")
    by_hand(control, "UPDATE pipeline_records SET key_x = 'x' WHERE id = :id", id=record.id)
    assert events.history(control, record.id)[-1] == last


BEGINNINGS = {
    "sqlite": "CREATE TRIGGER pipeline_records_event",
    "postgresql": "FUNCTION pipeline_record_event() RETURNS",
}
LINES = {
    "sqlite": r"SELECT '(\w+)'(?: AS name)?, OLD\.(\w+)(?: AS was)?, NEW\.(\w+)",
    "postgresql": r"""CASE WHEN OLD\.(\w+) IS DISTINCT FROM NEW\.\1 THEN '"\1":' """
    r"""\|\| json_build_array\(OLD\.(\w+), NEW\.(\w+)\) END""",
}


@pytest.mark.parametrize("dialect", LINES)
def test_trigger_names_every_column(dialect: str) -> None:
    """The newest trigger has a line for each column, and none may be forgotten."""
    migrations = sorted((statements.folder() / "migrations" / dialect).glob("*.sql"))
    text = "".join(file.read_text() for file in migrations).rpartition(BEGINNINGS[dialect])[2]
    lines = re.findall(LINES[dialect], text)
    assert {name for name, old, new in lines if name == old == new} == {*COLUMNS} - UNTRACED
    assert len(lines) == len(COLUMNS) - len(UNTRACED)


def test_deleted_row_leaves_a_trace(control: Database, key: PipelineKey) -> None:
    """Which window it was and who held it."""
    add_hours(control, key, 1)
    record = claim(control, key)
    by_hand(control, "DELETE FROM pipeline_records WHERE id = :id", id=record.id)
    last = events.history(control, record.id)[-1]
    assert (last["move_name"], last["from_status"], last["to_status"]) == ("delete", "IN_PROGRESS", None)
    assert last["changes"]["pipeline_id"] == [key.pipeline_id, None]
    assert last["changes"]["window_start_time"][0].startswith("2013-03-10T00:00:00")
