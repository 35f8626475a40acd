"""What build_dag makes of a pipeline file."""

import subprocess
import sys
from datetime import timedelta
from itertools import pairwise
from pathlib import Path

import pytest
from airflow.sdk import DAG

from pipeline_framework.airflow_provider import compat
from pipeline_framework.airflow_provider.dag import build_dag
from pipeline_framework.airflow_provider.dag_arguments import every
from pipeline_framework.errors import Misuse
from pipeline_framework.windows import Granularity
from scripts.local_airflow import ROOT
from tests.airflow_provider.real_airflow import TASKS

EXAMPLE = ROOT / "examples" / "flights" / "pipeline.yml"


@pytest.fixture(scope="module")
def dag() -> DAG:
    """Of the example."""
    return build_dag(EXAMPLE)


def written(folder: Path, **changes: str) -> Path:
    """The example's file with other values for some keys."""
    lines = EXAMPLE.read_text().splitlines()
    kept = [line for line in lines if line.partition(":")[0] not in changes]
    file = folder / "pipeline.yml"
    file.write_text("\n".join([*kept, *(f"{key}: {value}" for key, value in changes.items())]))
    return file


def test_seven_tasks_stand_in_their_order(dag: DAG) -> None:
    """Seven tasks, each behind the one before it, by the names of docs/airflow.md."""
    assert set(dag.task_dict) == set(TASKS)
    for before, after in pairwise(TASKS):
        assert before in dag.get_task(after).upstream_task_ids


def test_cleanup_is_a_teardown_that_cannot_decide_the_run(dag: DAG) -> None:
    """No setups, or a failed first task keeps it from running; its own end is not the run's."""
    cleanup = dag.get_task("cleanup_stale_locks")
    assert cleanup.is_teardown
    assert not cleanup.on_failure_fail_dagrun
    assert not any(task.is_setup for task in dag.tasks)


def test_the_configuration_is_one_xcom(dag: DAG) -> None:
    """Airflow would keep every key of a dict as an XCom of its own, with a request for each."""
    assert not getattr(dag.get_task("load_final_config"), "multiple_outputs")  # noqa: B009 mypy knows mapped ones


def test_each_dag_has_parameters_of_its_own(tmp_path: Path) -> None:
    """Checked like any other of Airflow's; what a run chooses in one DAG is not seen in the next."""
    ours, other = build_dag(EXAMPLE), build_dag(EXAMPLE, dag_id="other")
    ours.params["window_start"] = "2013-03-10T02:00"
    assert (ours.params["window_start"], other.params["window_start"]) == ("2013-03-10T02:00", None)
    with pytest.raises(compat._exceptions.ParamValidationError):
        ours.params["reload"] = "perhaps"


def test_one_task_does_it_all(tmp_path: Path) -> None:
    """`dag_shape: single`, with the settings of the file that hold for every task, and its own."""
    file = written(
        tmp_path, dag_shape="single", max_retry_task="7", airflow="{tasks: {run_windows: {pool: few}}}"
    )
    (only,) = build_dag(file).tasks
    assert (only.task_id, only.retries, only.pool) == ("run_windows", 7, "few")


def test_phases_are_mapped_over_the_slots_of_a_run(tmp_path: Path) -> None:
    """`windows_per_run: 3`: the seven tasks, of which the phases have an instance for each window."""
    dag = build_dag(written(tmp_path, windows_per_run="3"))
    assert set(dag.task_dict) == set(TASKS)
    mapped = {name for name, task in dag.task_dict.items() if task.get_closest_mapped_task_group()}
    assert mapped == set(TASKS[2:6])
    assert dag.get_task("cleanup_stale_locks").upstream_task_ids == {"audit"}


@pytest.mark.parametrize(
    ("keys", "told"),
    [
        ({"windows_per_run": "0"}, r"windows_per_run: Is 1 to 100 for `dag_shape: phases`"),
        ({"windows_per_run": "101"}, r"windows_per_run: Is 1 to 100 for `dag_shape: phases`"),
        ({"windows_per_run": "2", "order": "strict"}, r"windows_per_run: Is 1 with `order: strict`"),
    ],
)
def test_windows_that_cannot_be_mapped_are_refused(keys: dict[str, str], told: str, tmp_path: Path) -> None:
    """The message names the shape that takes them."""
    with pytest.raises(Misuse, match=f"{told}.*dag_shape: single"):
        build_dag(written(tmp_path, **keys))
    assert len(build_dag(written(tmp_path, **keys, dag_shape="single")).tasks) == 1


def test_the_file_says_when_and_how_often(tmp_path: Path) -> None:
    """dag_id, cron_schedule, max_retry_task and backoff_seconds reach the DAG."""
    file = written(
        tmp_path, dag_id="mine", cron_schedule='"15 */2 * * *"', max_retry_task="7", backoff_seconds="5"
    )
    dag = build_dag(file)
    assert (dag.dag_id, str(dag.schedule), dag.catchup) == ("mine", "15 */2 * * *", False)
    assert str(dag.timezone) == "America/New_York"
    assert {(task.retries, task.retry_delay) for task in dag.tasks} == {(7, timedelta(seconds=5))}


def test_arguments_override_the_file(tmp_path: Path) -> None:
    """What the file does not know of (or says otherwise) is given to build_dag as to airflow.sdk.DAG."""
    dag = build_dag(written(tmp_path), dag_id="other", schedule=None, max_active_runs=1)
    assert (dag.dag_id, str(dag.schedule), dag.max_active_runs) == ("other", "None", 1)


@pytest.mark.parametrize(
    ("granularity", "week_start", "schedule"),
    [
        ("15m", 0, "*/15 * * * *"),
        ("2h", 0, "0 */2 * * *"),
        ("1d", 0, "0 0 * * *"),
        ("1w", 0, "0 0 * * 1"),
        ("1w", 6, "0 0 * * 0"),
        ("45s", 0, timedelta(seconds=45)),
        ("7h", 0, timedelta(hours=7)),
        ("7m", 0, timedelta(minutes=7)),
    ],
)
def test_a_tick_ends_each_window(granularity: str, week_start: int, schedule: str | timedelta) -> None:
    """Cron in the pipeline's timezone where cron can say the granularity, else every so often."""
    assert every(Granularity.parse(granularity), week_start) == schedule


def test_a_wrong_file_names_line_and_key(tmp_path: Path) -> None:
    """The mistake is told as the command line tells it; Airflow shows it as an import error."""
    file = written(tmp_path, timezone="America/New_Yorck")
    with pytest.raises(Misuse, match=r"pipeline\.yml:13: timezone: .*America/New_York"):
        build_dag(file)


def test_a_relative_file_lies_beside_the_dag_file() -> None:
    """Wherever Airflow was started: the folder of the calling file counts."""
    assert build_dag("../../examples/flights/pipeline.yml").doc_md == build_dag(EXAMPLE).doc_md


def test_connectors_and_control_table_wait_for_a_task() -> None:
    """Parsing the DAG file loads neither a database nor pyarrow nor any implementation."""
    code = f"""
import sys
import airflow.sdk
before = set(sys.modules)
from pipeline_framework.airflow_provider import compat
from pipeline_framework.airflow_provider.dag import build_dag
build_dag({str(EXAMPLE)!r})
rooms = ("sqlalchemy", "pyarrow", "duckdb", "implementations", "pipeline_framework.control_table")
print([name for name in set(sys.modules) - before if name.startswith(rooms)])
"""
    done = subprocess.run([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"
