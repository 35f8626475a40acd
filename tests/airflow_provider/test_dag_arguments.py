"""What the keys below `airflow:` come to in a DAG."""

import logging
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk import DAG

from pipeline_framework.airflow_provider import compat
from pipeline_framework.airflow_provider.dag import build_dag
from pipeline_framework.airflow_provider.notifiers import late
from pipeline_framework.errors import Misuse
from tests.airflow_provider.scenario import make

SETTINGS = """
timezone: Europe/Berlin
airflow:
  schedule: 45m
  start_date: 2025-03-01
  catchup: yes
  tags: [flights, hourly]
  owner: data-team
  description: Flights
  max_active_runs: 3
  dagrun_timeout: 6h
  default_args: {priority_weight: 5, retries: 9}
  tasks:
    source_to_stage: {pool: few, queue: big, execution_timeout: 90s, executor_config: {image: "x:1"}}
    cleanup_stale_locks: {pool: any}
"""


def with_settings(folder: Path, settings: str) -> Path:
    """A pipeline file with these lines more."""
    file = make(folder / "settled").file
    file.write_text(f"{file.read_text()}\n{settings}\n")
    return file


@pytest.fixture
def dag(tmp_path: Path) -> DAG:
    """Of a file with all settings that every release knows."""
    return build_dag(with_settings(tmp_path, SETTINGS))


def test_the_dag_is_as_the_file_says(dag: DAG) -> None:
    """Its schedule, its first day in the pipeline's timezone, and what people find it by."""
    assert (str(dag.schedule), dag.catchup, dag.max_active_runs) == ("0:45:00", True, 3)
    assert (str(dag.start_date), str(dag.timezone)) == ("2025-02-28 23:00:00+00:00", "Europe/Berlin")
    assert (dag.tags, dag.description, dag.dagrun_timeout) == (
        {"flights", "hourly"},
        "Flights",
        timedelta(hours=6),
    )


def test_every_task_is_as_the_file_says(dag: DAG) -> None:
    """default_args come last, so they override what other keys say of every task."""
    found = {(task.owner, task.priority_weight, task.retries) for task in dag.tasks}
    assert found == {("data-team", 5, 9)}


def test_one_task_is_as_the_file_says(dag: DAG) -> None:
    """Only the task that is named, the teardown like any other."""
    moving, other, cleanup = map(dag.get_task, ("source_to_stage", "audit", "cleanup_stale_locks"))
    assert (moving.pool, moving.queue) == ("few", "big")
    assert (moving.execution_timeout, moving.executor_config) == (timedelta(seconds=90), {"image": "x:1"})
    assert (other.pool, other.execution_timeout) == ("default_pool", None)
    assert (cleanup.pool, cleanup.is_teardown) == ("any", True)


@pytest.mark.parametrize(
    ("settings", "schedule"),
    [
        ("airflow: {schedule: never}", "None"),
        ("airflow: {schedule: '@daily'}", "@daily"),
        ("airflow: {schedule: '5 4 * * *'}", "5 4 * * *"),
        ("airflow: {}", "0 */1 * * *"),
    ],
)
def test_the_schedule_is_the_files(settings: str, schedule: str, tmp_path: Path) -> None:
    """A cron of five fields begins with a digit and may end in a letter; it is no length of time."""
    assert str(build_dag(with_settings(tmp_path, settings)).schedule) == schedule


@pytest.mark.skipif(compat.RELEASE < (3, 3), reason="synchronous deadlines came with Airflow 3.3")
def test_a_deadline_is_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The DAG has it, and what Airflow then calls says which run is late."""
    file = with_settings(tmp_path, "airflow: {deadline: 2h}")
    (alert,) = list[Any](build_dag(file).deadline)  # type: ignore[arg-type]  # kept as a list
    assert alert.interval == timedelta(hours=2)
    assert alert.callback.path == f"{late.__module__}.late"
    with caplog.at_level(logging.ERROR):
        late({"dag_run": {"dag_run_id": "run_7"}}, **(alert.callback.kwargs or {}))
    assert "settled: run_7 has not ended within its deadline of 2h." in caplog.text


def test_a_deadline_that_the_release_lacks_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rather than never told."""
    monkeypatch.setattr(compat, "RELEASE", (3, 2))
    file = with_settings(tmp_path, "airflow: {deadline: 2h}")
    with pytest.raises(Misuse, match=r"pipeline\.yml:\d+: airflow.deadline: Needs Airflow 3\.3"):
        build_dag(file)
