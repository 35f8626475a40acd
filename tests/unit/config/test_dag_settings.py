"""The keys below `airflow:`."""

import json
from pathlib import Path

import pytest

from pipeline_framework.config import FinalConfig, load_final_config, shown
from pipeline_framework.config.dag_settings import Tasks
from pipeline_framework.errors import Misuse
from pipeline_framework.operations.task import TASKS

PLAIN = """\
pipeline_id: flights
granularity: 2h
start: "2013-01-01"
source: {type: files, path: data.parquet, time_field: time_hour}
stage: {type: local, path: stage}
target: {type: duckdb, path: warehouse.duckdb, table: flights, time_field: time_hour}
"""


def loaded(folder: Path, airflow: str, more: str = "") -> FinalConfig:
    """A pipeline file with these settings, in YAML's short form."""
    file = folder / "pipeline.yml"
    file.write_text(f"{PLAIN}airflow: {airflow}\n{more}\n")
    return load_final_config(file)


def test_every_task_has_its_settings() -> None:
    """The seven of one shape, and the one that does all of it."""
    assert tuple(Tasks.model_fields) == (*TASKS, "run_windows")


def test_values_are_read(tmp_path: Path) -> None:
    """Lengths of time as granularities are written, one tag without brackets, a task by its name."""
    airflow = loaded(
        tmp_path,
        "{schedule: 45m, start_date: 2025-01-01, tags: a, max_active_runs: 3, dagrun_timeout: 6h, "
        "deadline: 1d, default_args: {priority_weight: 5}, "
        "tasks: {audit: {pool: few, queue: big, execution_timeout: 90s}}}",
    ).airflow
    assert (airflow.schedule, airflow.start_date, airflow.tags) == ("45m", "2025-01-01", ("a",))
    assert (airflow.max_active_runs, airflow.dagrun_timeout, airflow.deadline) == (3, "6h", "1d")
    assert airflow.default_args == {"priority_weight": 5}
    audit = airflow.tasks.audit
    assert (audit.pool, audit.queue, audit.execution_timeout) == ("few", "big", "90s")
    assert airflow.tasks.source_to_stage.pool is None


@pytest.mark.parametrize("schedule", ["15 */2 * * *", "@hourly", "45m", "never"])
def test_a_schedule_is_cron_a_length_or_never(schedule: str, tmp_path: Path) -> None:
    """Each is kept as it was written."""
    assert loaded(tmp_path, f"{{schedule: '{schedule}'}}").airflow.schedule == schedule


@pytest.mark.parametrize(
    ("airflow", "told"),
    [
        ("{pol: few}", "airflow.pol: Unknown key. Known: schedule, start_date"),
        ("{max_active_run: 1}", "airflow.max_active_run: Unknown key. Did you mean 'max_active_runs'"),
        ("{tasks: {audits: {}}}", "airflow.tasks.audits: Unknown key. Did you mean 'audit'"),
        ("{tasks: {audit: {pol: few}}}", "airflow.tasks.audit.pol: Unknown key. Did you mean 'pool'"),
        ("{dagrun_timeout: 2 hours}", "airflow.dagrun_timeout: '2 hours' is no length of time. Write 90s"),
        ("{deadline: 0s}", "airflow.deadline: '0s' is no length of time"),
        ("{schedule: often}", "airflow.schedule: 'often' is no cron schedule"),
        ("{start_date: soon}", "airflow.start_date: 'soon' is no date or time"),
        ("{max_active_runs: 0}", "airflow.max_active_runs: Must be 1 or more"),
        ("{max_active_runs: yes}", "airflow.max_active_runs: Must be a number"),
    ],
)
def test_a_mistake_names_line_and_key(airflow: str, told: str, tmp_path: Path) -> None:
    """As everywhere in the file, with the nearest key at that place."""
    with pytest.raises(Misuse) as error:
        loaded(tmp_path, airflow)
    assert str(error.value).split("pipeline.yml:7: ", 1)[1].startswith(told)


def test_there_is_one_schedule(tmp_path: Path) -> None:
    """`airflow.schedule` beside `cron_schedule` is one too many."""
    with pytest.raises(Misuse, match=r"airflow: Its `schedule` stands beside `cron_schedule`. Remove one"):
        loaded(tmp_path, "{schedule: 45m}", "cron_schedule: '@hourly'")


@pytest.mark.parametrize(
    ("task", "shape", "told"),
    [
        ("audit", "single", "Its `tasks` name audit, and this dag_shape has one task, run_windows. Remove"),
        ("run_windows", "phases", "Its `tasks` name run_windows, and this dag_shape has no task run_windows"),
    ],
)
def test_settings_of_a_task_that_is_not_there_are_refused(
    task: str, shape: str, told: str, tmp_path: Path
) -> None:
    """They would be ignored in silence otherwise."""
    with pytest.raises(Misuse) as error:
        loaded(tmp_path, f"{{tasks: {{{task}: {{pool: few}}}}}}", f"dag_shape: {shape}")
    assert f"pipeline.yml:7: airflow: {told}" in str(error.value)


def test_settings_are_shown_without_secrets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where they are Airflow's own arguments; the rest can be written as JSON."""
    monkeypatch.setenv("POD_TOKEN", "tok-1234567")
    config = loaded(
        tmp_path, "{tasks: {audit: {executor_config: {env: '${POD_TOKEN}'}}}, start_date: 2025-01-01}"
    )
    text = json.dumps(shown(config)["airflow"])
    assert "tok-1234567" not in text
    assert "2025-01-01" in text
