"""From a pipeline file to its DAG: seven tasks in a row, or one that does all of it."""

import os
import sys
from collections.abc import Callable
from copy import copy
from pathlib import Path
from typing import Any

from airflow.sdk import DAG, chain, task_group

from pipeline_framework.airflow_provider import bundles, tasks
from pipeline_framework.airflow_provider.dag_arguments import dag_arguments, task_arguments
from pipeline_framework.airflow_provider.operators import PipelineTask, WindowTask
from pipeline_framework.config import FinalConfig

MOST_SLOTS = 100  # of one run; Airflow maps at most `[core] max_map_length` (1024)


def build_dag(file: str | Path, **arguments: Any) -> DAG:
    """The DAG of one pipeline file; further `arguments` are those of airflow.sdk.DAG and override the file's.

    A relative `file` begins at the folder of the DAG file that calls this, so it follows a bundle's version.
    A mistake in the file raises `Misuse`, which Airflow shows as an import error with file and line.
    """
    caller = Path(sys._getframe(1).f_globals.get("__file__", "."))  # noqa: SLF001 inspect.stack reads sources
    return dag_of(bundles.read(os.path.normpath(caller.parent / file)), **arguments)


def dag_of(config: FinalConfig, **arguments: Any) -> DAG:
    """The DAG of a configuration.

    Its parameters come behind its tasks and one by one: each task would get a copy of its own, and each copy
    would have its schema checked, half of the time.
    """
    wanted = {**dag_arguments(config), **arguments}
    parameters = wanted.pop("params")
    with DAG(**wanted) as dag:
        SHAPES[config.dag_shape](config)
    dag.params.update({name: copy(each) for name, each in parameters.items()})
    return dag


def seven_tasks(config: FinalConfig) -> None:
    """The tasks of docs/airflow.md, one after the other; the phases once for each slot of the run."""
    first = PipelineTask(**calls(config, tasks.load_final_config))
    last = PipelineTask(**calls(config, tasks.cleanup_stale_locks))
    # Without setups: it runs however the run ended, and its success cannot hide a failed audit.
    last.as_teardown()
    chain(first, *(one_window(config) if slots_of(config) == 1 else some_windows(config)), last)


def one_window(config: FinalConfig) -> list[Any]:
    """Lock a window, and its phases."""
    locking = PipelineTask(**calls(config, tasks.store_and_validate))
    return [locking, *phases(config, locking.output)]


def some_windows(config: FinalConfig) -> list[Any]:
    """Lock some windows, and the phases of each: a window need not wait for the phases of the others."""

    @task_group(group_id="windows", prefix_group_id=False)
    def windows(held: Any) -> None:
        chain(*phases(config, held))

    some, name = tasks.store_and_validate_some, tasks.store_and_validate.__name__
    locking = PipelineTask(**calls(config, some, slots_of(config), task_id=name))
    return [locking, windows.expand(held=locking.output)]


def phases(config: FinalConfig, held: Any) -> list[Any]:
    """The four tasks that move one window, in their order."""
    steps = (tasks.pre_validation, tasks.source_to_stage, tasks.stage_to_target, tasks.audit)
    return [WindowTask(**calls(config, step), held=held) for step in steps]


def slots_of(config: FinalConfig) -> int:
    """How many windows a run of seven tasks has at once: `windows_per_run`, where that can be mapped."""
    wanted = config.windows_per_run
    if not 1 <= wanted <= MOST_SLOTS:
        problem = f"Is 1 to {MOST_SLOTS} for `dag_shape: phases`, each with tasks of its own. Set"
        raise config.misuse(("windows_per_run",), f"{problem} `dag_shape: single`, which takes any number.")
    if wanted > 1 and config.order == "strict":
        problem = "Is 1 with `order: strict` and `dag_shape: phases`, which would run windows side by side."
        raise config.misuse(("windows_per_run",), f"{problem} Set `dag_shape: single`.")
    return wanted


def one_task(config: FinalConfig) -> None:
    """All of it in one task."""
    PipelineTask(**calls(config, tasks.run_windows))


SHAPES = {"phases": seven_tasks, "single": one_task}


def calls(config: FinalConfig, work: Callable[..., Any], *more: Any, task_id: str = "") -> dict[str, Any]:
    """Arguments of the operator that calls `work`, with what `airflow.tasks` says of the task."""
    name = task_id or work.__name__
    given = (str(config.file), *more)
    return {"task_id": name, "work": work, "given": given, **task_arguments(config, name)}
