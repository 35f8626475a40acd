"""A window's row in Python."""

import json
from datetime import UTC, date, datetime
from typing import Any

import pendulum

from pipeline_framework.control_table import Holder, PipelineKey, Record
from pipeline_framework.control_table.record import COLUMNS
from pipeline_framework.control_table.states import Phase, Status
from pipeline_framework.windows import Window

START, END = datetime(2013, 3, 10, 5, tzinfo=UTC), datetime(2013, 3, 10, 7, tzinfo=UTC)


def row(**columns: Any) -> dict[str, Any]:
    """A row as the database gives it."""
    held = {
        "pipeline_status": "IN_PROGRESS",
        "lock_owner": "host:1",
        "dag_run_id": "run",
        "lease_expires_at": END,
    }
    phases = {
        "source_to_stage_ingestion_status": "COMPLETED",
        "stage_to_target_ingestion_status": "PENDING",
        "audit_status": "PENDING",
        "phase_completed": "SOURCE_TO_STAGE",
    }
    window = {"window_start_time": START, "window_end_time": END, "target_day": date(2013, 3, 10)}
    counts = {"id": 7, "pipeline_id": "flights", "mapping_name": "", "lock_epoch": 9}
    return dict.fromkeys(COLUMNS) | held | phases | window | counts | columns


def test_times_are_pendulums_in_utc() -> None:
    """A module's functions get pendulum times."""
    record = Record.of(row())
    assert isinstance(record.window_start_time, pendulum.DateTime)
    assert record.window_start_time == START
    assert record.window_start_time.timezone_name == "UTC"


def test_states_and_phases_are_typed() -> None:
    """So that a typing mistake is found before it runs."""
    record = Record.of(row())
    assert record.pipeline_status is Status.IN_PROGRESS
    assert record.phase_completed is Phase.SOURCE_TO_STAGE


def test_columns_of_a_newer_schema_are_left_out() -> None:
    """A release runs on the schema after its own."""
    assert Record.of(row(of_tomorrow=1)) == Record.of(row())


def test_lock_shows_the_whole_row() -> None:
    """What phases and implementations see: the window, its epoch and every column by name."""
    lock = Record.of(row()).lock()
    assert (lock.record_id, lock.pipeline_id, lock.epoch, lock.owner) == (7, "flights", 9, "host:1")
    assert lock.window == Window(START, END)
    assert tuple(lock.columns) == COLUMNS


def test_json_has_times_in_utc_with_z() -> None:
    """What `--format json` prints, column by column; microseconds only where there are some."""
    exact = START.replace(microsecond=120)
    written = json.loads(json.dumps(Record.of(row(pipeline_start_time=exact)).as_json()))
    assert tuple(written) == COLUMNS
    assert written["window_start_time"] == "2013-03-10T05:00:00Z"
    assert written["pipeline_start_time"] == "2013-03-10T05:00:00.000120Z"
    assert (written["target_day"], written["pipeline_status"]) == ("2013-03-10", "IN_PROGRESS")


def test_standing_names_holder_or_state() -> None:
    """The words that messages about locks share."""
    window = "window 2013-03-10T05:00:00Z/2013-03-10T07:00:00Z of flights"
    assert Record.of(row()).standing == f"{window} is held by host:1 in run run until 2013-03-10T07:00:00Z"
    done = row(pipeline_status="COMPLETED", lock_owner=None, lease_expires_at=None)
    assert Record.of(done).standing == f"{window} is COMPLETED and held by nobody"


def test_ratio_is_a_float() -> None:
    """Also where a database answers with a whole number."""
    ratio = Record.of(row(percentage_difference=0)).percentage_difference
    assert isinstance(ratio, float)


def test_keys_and_holders_become_parameters() -> None:
    """Under the names that the statements use."""
    assert PipelineKey("p").parameters == {"pipeline_id": "p", "mapping_name": ""}
    holder = Holder("dag", "__airflow_temporary_run_1", 2, "me", 600)
    assert holder.parameters == {
        "dag_id": "dag",
        "dag_run_id": "__airflow_temporary_run_1",
        "run_slot": 2,
        "owner": "me",
    }
    assert holder.is_temporary
    assert not Holder("dag", "manual__1", 2, "me", 600).is_temporary
