"""Parse the DAG file: ours beside a plain DAG of seven tasks, in turns in one process; and the import."""

import gc
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import pendulum
from airflow.sdk import DAG, BaseHook, Param, chain, get_current_context, task, teardown

EXAMPLE = Path(__file__).parents[1] / "examples" / "flights" / "pipeline.yml"
IMPORTED_BY_AIRFLOW = (BaseHook, Param, get_current_context, teardown)  # before the clock starts
PAIRS = 25


@task
def step(file: str) -> None:
    """Nothing."""


def plain(number: int) -> None:
    with DAG(f"plain_{number}", schedule="0 */2 * * *", start_date=pendulum.datetime(2013, 1, 1)):
        chain(*(step.override(task_id=f"step_{place}")("file") for place in range(7)))


def seconds(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def main() -> None:
    gc.disable()  # as the dag-processor does for what it has imported
    plain(-1)
    started = time.perf_counter()
    from pipeline_framework.airflow_provider.dag import build_dag

    imported = time.perf_counter() - started
    pairs = [
        (seconds(lambda n=n: build_dag(EXAMPLE, dag_id=f"ours_{n}")), seconds(lambda n=n: plain(n)))
        for n in range(PAIRS)
    ]
    more = median(ours - theirs for ours, theirs in pairs)
    print(f"DAG file: {more * 1000:.1f} ms over a plain DAG of seven tasks; import {imported * 1000:.0f} ms")


if __name__ == "__main__":
    main()
