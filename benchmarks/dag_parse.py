"""Parse DAG files: ours beside plain DAGs of seven tasks, in turns in one process; and the import.

One pipeline, and a folder of 500; of the folder also what a task reads, which wants one DAG of it. Seconds
are those that a core worked for this process.
"""

import gc
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import pendulum
from airflow.sdk import DAG, BaseHook, Param, chain, get_current_context, task, teardown

EXAMPLE = Path(__file__).parents[1] / "examples" / "flights" / "pipeline.yml"
IMPORTED_BY_AIRFLOW = (BaseHook, Param, get_current_context, teardown)  # before the clock starts
PAIRS = 25
MANY = 500
MANY_PAIRS = 5


@task
def step(file: str) -> None:
    """Nothing."""


def plain(number: int) -> None:
    with DAG(f"plain_{number}", schedule="0 */2 * * *", start_date=pendulum.datetime(2013, 1, 1)):
        chain(*(step.override(task_id=f"step_{place}")("file") for place in range(7)))


def seconds(work: Callable[[], object]) -> float:
    started = time.process_time()
    work()
    return time.process_time() - started


def main() -> None:
    gc.disable()  # as the dag-processor does for what it has imported
    plain(-1)
    started = time.process_time()
    from pipeline_framework.airflow_provider.dag import build_dag

    imported = time.process_time() - started
    pairs = [
        (seconds(lambda n=n: build_dag(EXAMPLE, dag_id=f"ours_{n}")), seconds(lambda n=n: plain(n)))
        for n in range(PAIRS)
    ]
    more = median(ours - theirs for ours, theirs in pairs)
    print(f"DAG file: {more * 1000:.1f} ms over a plain DAG of seven tasks; import {imported * 1000:.0f} ms")
    with tempfile.TemporaryDirectory() as folder:
        many(Path(folder))


def many(folder: Path) -> None:
    from pipeline_framework.airflow_provider.dag_folder import build_dags

    text = EXAMPLE.read_text()
    for number in range(MANY):
        named = text.replace("pipeline_id: flights", f"pipeline_id: flights_{number}")
        (folder / f"{number}.yml").write_text(named)
    pairs = [
        (seconds(lambda: build_dags({}, folder)), seconds(lambda: [plain(n) for n in range(MANY)]))
        for _ in range(MANY_PAIRS)
    ]
    os.environ["_AIRFLOW_PARSING_CONTEXT_DAG_ID"] = "data_pipeline_flights_7"  # as in a task
    one = median(seconds(lambda: build_dags({}, folder)) for _ in range(MANY_PAIRS))
    ours, theirs = median(each for each, _ in pairs), median(each for _, each in pairs)
    ratio = median(ours / theirs for ours, theirs in pairs)
    print(
        f"{MANY} pipelines: {ours:.2f} s, plain DAGs {theirs:.2f} s: {ratio:.2f} times; in a task {one:.2f} s"
    )


if __name__ == "__main__":
    main()
