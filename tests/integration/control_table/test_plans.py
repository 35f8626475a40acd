"""A claim looks at the windows that wait, not at the history: its cost does not grow with what is done."""

import re
from typing import Any

import pytest
from sqlalchemy import text

from pipeline_framework.control_table import Database, PipelineKey, statements
from pipeline_framework.control_table.database.values import sqlite_value
from tests.integration.control_table.stories import FIRST, LATER, add_hours
from tests.services.control import by_hand

DONE = 20_000
SERIES = {
    "postgresql": (
        "SELECT n, TIMESTAMPTZ '2000-01-01 00:00Z' + n * INTERVAL '1 minute' AS at"
        " FROM generate_series(1, :n) n"
    ),
    "sqlite": (
        "WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < :n) "
        "SELECT n, strftime('%Y-%m-%dT%H:%M:%f', '2000-01-01', n || ' minutes') || '000Z' AS at FROM numbers"
    ),
}
ENDS = {"postgresql": "at + INTERVAL '1 minute'", "sqlite": "substr(at, 1, 17) || '59.000000Z'"}


@pytest.fixture
def long_history(control: Database, key: PipelineKey) -> PipelineKey:
    """20,000 finished windows, and three that wait behind them."""
    by_hand(
        control,
        "INSERT INTO pipeline_records (pipeline_id, target_day, window_start_time, window_end_time,"
        " time_interval, pipeline_status, audit_result, pipeline_end_time) "
        f"SELECT :id, '2000-01-01', at, {ENDS[control.dialect]}, '1m', 'COMPLETED', 'loaded', at "
        f"FROM ({SERIES[control.dialect]}) AS series",
        id=key.pipeline_id,
        n=DONE,
    )
    add_hours(control, key, 3)
    by_hand(control, "ANALYZE pipeline_records")
    return key


def plan(control: Database, name: str, *without: str, **parameters: Any) -> str:
    """How the database would carry out a statement, PostgreSQL `without` some ways; nothing is changed."""
    explain = "EXPLAIN " if control.dialect == "postgresql" else "EXPLAIN QUERY PLAN "
    with control._engine.connect() as connection:
        for way in without if control.dialect == "postgresql" else ():
            connection.execute(text(f"SET LOCAL {way} = off"))
        result = connection.execute(text(explain + statements.load(control.dialect)[name].text), parameters)
        return "\n".join(str(row) for row in result)


@pytest.mark.parametrize("move", ["claim_oldest", "claim_newest"])
def test_claim_walks_past_no_finished_window(control: Database, long_history: PipelineKey, move: str) -> None:
    """Nor past one that waits: those that never failed and those that wait no more have their indexes."""
    bind = sqlite_value if control.dialect == "sqlite" else lambda value: value
    far = sqlite_value(LATER)
    by_hand(
        control,
        "UPDATE pipeline_records SET pipeline_status = 'PENDING', audit_result = NULL,"
        " pipeline_end_time = NULL, not_before = :far"
        " WHERE pipeline_id = :id AND window_start_time < '2000-01-03T00:00:00.000000Z'",
        far=far.replace("2014", "2094"),
        id=long_history.pipeline_id,
    )
    by_hand(control, "ANALYZE pipeline_records")
    run = {"dag_id": "d", "dag_run_id": "r", "run_slot": 0, "owner": "o", "lease_seconds": 9}
    ready = {"since": bind(FIRST.replace(year=1999)), "watermark": bind(LATER)}
    told = plan(control, move, **long_history.parameters, **run, **ready)
    assert "pipeline_records_fresh" in told
    assert "pipeline_records_waiting" in told
    assert not re.search(r"pipeline_records_(pending|one_window)|Scan on pipeline_records\b", told), told


def test_proof_for_a_circuit_is_found_among_those_that_wait(
    control: Database, long_history: PipelineKey
) -> None:
    """In their order, or by the end of their wait: never by a walk through history."""
    bind = sqlite_value if control.dialect == "sqlite" else lambda value: value
    run = {"dag_id": "d", "dag_run_id": "r", "run_slot": 0, "owner": "o", "lease_seconds": 9}
    ready = {"since": bind(FIRST), "watermark": bind(LATER)}
    told = plan(control, "claim_held_back", **long_history.parameters, **run, **ready)
    assert re.search("pipeline_records_(pending|waiting)", told)
    assert "Seq Scan on pipeline_records" not in told


@pytest.mark.parametrize("name", ["oldest_waiting", "newest_waiting"])
def test_windows_in_line_are_found_in_their_order(
    control: Database, long_history: PipelineKey, name: str
) -> None:
    """As for ordinary claims: the index can give them so, though a planner may rather sort a few."""
    run = {"dag_id": "d", "dag_run_id": "r", "run_slot": 0, "owner": "o", "lease_seconds": 9}
    bind = sqlite_value if control.dialect == "sqlite" else lambda value: value
    ready = {"since": bind(FIRST), "watermark": bind(LATER), "page_size": 100}
    told = plan(control, name, "enable_sort", "enable_bitmapscan", **long_history.parameters, **run, **ready)
    assert "pipeline_records_pending" in told
    assert "Seq Scan on pipeline_records" not in told
    assert not [line for line in told.splitlines() if "Sort" in line or "TEMP B-TREE" in line]


@pytest.mark.parametrize("name", ["claim_in_order", "first_in_order"])
def test_strict_order_looks_at_the_unfinished_alone(
    control: Database, long_history: PipelineKey, name: str
) -> None:
    """The oldest of each kind comes from that kind's own index, which holds no finished window."""
    run = {"dag_id": "d", "dag_run_id": "r", "run_slot": 0, "owner": "o", "lease_seconds": 9}
    bind = sqlite_value if control.dialect == "sqlite" else lambda value: value
    ready = {"since": bind(FIRST), "watermark": bind(LATER)}
    told = plan(control, name, **long_history.parameters, **run, **ready)
    for kind in ("pending", "ranged", "one_lock", "quarantined"):
        assert f"pipeline_records_{kind}" in told
    assert "pipeline_records_one_window" not in told
    assert "Seq Scan on pipeline_records" not in told


@pytest.mark.parametrize("move", ["claim_oldest_of_range", "claim_newest_of_range"])
def test_a_backfill_finds_its_windows_by_its_range(
    control: Database, long_history: PipelineKey, move: str
) -> None:
    """Those that ranges set aside have an index of their own, in the order in which they are taken."""
    run = {"dag_id": "d", "dag_run_id": "r", "run_slot": 0, "owner": "o", "lease_seconds": 9}
    told = plan(control, move, **long_history.parameters, **run, range_id=7, range_epoch=7)
    assert "pipeline_records_ranged" in told
    assert not [line for line in told.splitlines() if "Sort" in line or "TEMP B-TREE" in line]


@pytest.mark.parametrize("move", ["rescue", "release_run", "resume"])
def test_locks_are_found_without_a_walk_through_history(
    control: Database, long_history: PipelineKey, move: str
) -> None:
    """The few rows in progress have an index of their own, for statements that name the state."""
    run = {
        "dag_id": "d",
        "dag_run_id": "r",
        "run_slot": 0,
        "owner": "o",
        "lease_seconds": 9,
        "backoff_seconds": 9,
    }
    told = plan(control, move, **long_history.parameters, **run)
    assert "pipeline_records_one_lock" in told
    assert "Seq Scan on pipeline_records" not in told


def test_rows_put_aside_are_counted_in_the_newest_windows_alone(
    control: Database, long_history: PipelineKey
) -> None:
    """Read from the end of the index, as far as the page goes."""
    told = plan(control, "rows_put_aside", **long_history.parameters, page_size=1000)
    assert "pipeline_records_one_window" in told
    assert "Seq Scan on pipeline_records" not in told
    assert not [line for line in told.splitlines() if "Sort" in line or "TEMP B-TREE" in line]
    assert control.run("rows_put_aside", **long_history.parameters, page_size=1000)[0]["rows"] == 0


def test_new_windows_look_up_their_neighbour_alone(control: Database, long_history: PipelineKey) -> None:
    """Whether a window is in the way is one look into the index for each new window."""
    told = plan(control, "in_the_way", **long_history.parameters, windows="[]")
    assert "pipeline_records_one_window" in told
    assert "Seq Scan on pipeline_records" not in told


def test_unfinished_windows_are_listed_without_a_walk_through_history(
    control: Database, long_history: PipelineKey
) -> None:
    """Behind thousands of sealed days too, for which SQLite would rather read the whole table."""
    by_hand(
        control,
        "INSERT INTO pipeline_coverage (pipeline_id, target_day, sealed_from, sealed_to, windows,"
        " target_rows, loaded, empty, already_present, skipped) "
        f"SELECT :id, '2000-01-01', at, {ENDS[control.dialect]}, 1, 0, 1, 0, 0, 0"
        f" FROM ({SERIES[control.dialect]}) AS series",
        id=long_history.pipeline_id,
        n=DONE // 2,
    )
    by_hand(control, "ANALYZE pipeline_coverage")
    bind = sqlite_value if control.dialect == "sqlite" else lambda value: value
    wanted = {"status": "FAILED", "result": "", "with_bad_rows": 0, "page_size": 100, "after_id": 0}
    span = {"first": bind(FIRST), "last": bind(LATER), "after_start": bind(FIRST)}
    told = plan(control, "unfinished_touching", **long_history.parameters, **wanted, **span)
    assert "pipeline_records_one_window" in told or "pipeline_windows_in" in told
    assert not re.search(r"BLOOM|(Seq Scan on|SCAN) pipeline_records", told), told
