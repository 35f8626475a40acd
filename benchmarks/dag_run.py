"""A run of the seven tasks with connectors that do nothing, beside a DAG of seven empty tasks, in turns.

One Airflow (scheduler, LocalExecutor) serves both; a run is timed from start to end, as Airflow has it.
"""

import tempfile
from datetime import datetime
from pathlib import Path
from statistics import median

import httpx

from scripts.local_airflow import LocalAirflow, environment, free_port
from tests.airflow_provider.real_airflow import TASKS, RealAirflow, Run

PAIRS = 5
PIPELINE = """
pipeline_id: ours
granularity: 1h
start: "2013-01-01"
end: "2013-01-03"
implementation: nothing
airflow: {schedule: never}
"""
NOTHING = """
from pathlib import Path


def loaded(record):
    return Path(__file__).with_name("loaded") / str(record["id"])


def get_source_count(final_config, record):
    return 1


def get_target_count(final_config, record):
    return int(loaded(record).exists())


def transfer_source_to_stage(final_config, record):
    return None


def clean_stage_location(final_config, record):
    return None


def transfer_stage_to_target(final_config, record):
    loaded(record).touch()


def clean_target_location(final_config, record):
    return None
"""
OURS = """
from pipeline_framework.airflow_provider.dag import build_dag

dag = build_dag("pipeline.yml", dag_id="ours")
"""
EMPTY = f"""
from airflow.sdk import DAG, chain, task


@task
def nothing():
    return None


with DAG("empty", schedule=None) as dag:
    chain(*(nothing.override(task_id=name)() for name in {TASKS!r}))
"""


def written(folder: Path) -> Path:
    dags = folder / "dags"
    (dags / "loaded").mkdir(parents=True)
    texts = {"pipeline.yml": PIPELINE, "nothing.py": NOTHING, "ours.py": OURS, "empty.py": EMPTY}
    for name, text in texts.items():
        (dags / name).write_text(text)
    return dags


def seconds(run: Run) -> float:
    assert run.ended() == "success"
    assert set(run.tasks().values()) == {"success"}
    answer = run.client.get(run.path).json()
    began, ended = (datetime.fromisoformat(answer[name]) for name in ("start_date", "end_date"))
    return (ended - began).total_seconds()


def measured(airflow: RealAirflow) -> list[tuple[float, float]]:
    for dag_id in ("ours", "empty"):  # the first runs meet cold files
        seconds(airflow.trigger(dag_id))
    return [(seconds(airflow.trigger("ours")), seconds(airflow.trigger("empty"))) for _ in range(PAIRS)]


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        dags = written(Path(folder))
        variables = environment(
            Path(folder), dags, free_port(), AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS="True"
        )
        with LocalAirflow(Path(folder), variables) as local:
            local.start()
            token = httpx.get(f"{local.address}/auth/token").json()["access_token"]
            headers = {"Authorization": f"Bearer {token}"}
            with httpx.Client(base_url=local.address, headers=headers, timeout=60) as client:
                pairs = measured(RealAirflow(client))
    ours, empty = median(ours for ours, _ in pairs), median(empty for _, empty in pairs)
    ratio = median(ours / empty for ours, empty in pairs)
    print(f"DAG run: {ours:.1f} s, empty tasks {empty:.1f} s: {ratio:.2f} times their time")


if __name__ == "__main__":
    main()
