"""`airflow tasks test`, as a person types it while trying things out."""

import subprocess
from collections.abc import Callable

import pytest

from scripts.local_airflow import ROOT, LocalAirflow, environment
from tests.airflow_provider.scenario import Scenario, hour, make, rows_of

pytestmark = [pytest.mark.airflow, pytest.mark.slow]


@pytest.fixture(scope="module")
def scenario(tmp_path_factory: pytest.TempPathFactory) -> Scenario:
    """A pipeline that the shipped DAG file is pointed at."""
    return make(tmp_path_factory.mktemp("pipelines") / "tried")


@pytest.fixture(scope="module")
def tried(scenario: Scenario, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], str]:
    """Runs one task of data_pipeline_main on an Airflow home of its own, SQLite inside; what it printed."""
    home = tmp_path_factory.mktemp("home")
    airflow = LocalAirflow(home, environment(home, ROOT / "dags", PIPELINE_CONFIG=str(scenario.file)))
    airflow.command("db", "migrate")

    def run(task: str) -> str:
        command = ["airflow", "tasks", "test", "data_pipeline_main", task, "2025-01-01"]
        done = subprocess.run(
            command, env=dict(airflow.variables), capture_output=True, text=True, check=False
        )
        return done.stdout + done.stderr

    return run


def test_tasks_tried_one_by_one_move_a_window(scenario: Scenario, tried: Callable[[str], str]) -> None:
    """Every call has a run id of its own: each takes over what the last one left, and says so."""
    assert "is locked by this run" in tried("store_and_validate")
    first = scenario.records()[0]
    assert (first.pipeline_status, first.window_start_time) == ("IN_PROGRESS", hour(0))
    assert first.lease_expires_at
    assert 590 < (first.lease_expires_at - first.record_last_updated_time).total_seconds() < 610
    assert "taken over from an earlier `airflow tasks test`" in tried("store_and_validate")
    assert scenario.records()[0].id == first.id
    for task in ("pre_validation", "source_to_stage", "stage_to_target"):
        assert "taken over from an earlier `airflow tasks test`" in tried(task)
    assert "audit done" in tried("audit")
    done = scenario.records()[0]
    assert (done.audit_result, done.retry_attempt) == ("loaded", 0)
    assert scenario.target() == {0: rows_of(0)}


def test_a_failed_try_counts_no_attempt(scenario: Scenario, tried: Callable[[str], str]) -> None:
    """Somebody tries things out: bad data puts the window back as it was."""
    scenario.get_into("bad")
    tried("store_and_validate")
    assert "the rows are bad" in tried("source_to_stage")
    second = scenario.records()[1]
    assert (second.pipeline_status, second.retry_attempt) == ("PENDING", 0)


def test_a_later_task_alone_says_what_to_try_first(scenario: Scenario, tried: Callable[[str], str]) -> None:
    """With no window held there is nothing to audit, and nothing is claimed for it."""
    tried("cleanup_stale_locks")
    assert "run `airflow tasks test` on store_and_validate first" in tried("audit")
    assert all(record.pipeline_status != "IN_PROGRESS" for record in scenario.records())
