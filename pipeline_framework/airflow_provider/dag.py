"""From a pipeline file to its DAG: seven tasks in the specification's order, or one that does all."""

import os
import sys
from copy import copy
from pathlib import Path
from typing import Any

from airflow.sdk import DAG, chain

from pipeline_framework.airflow_provider import bundles, tasks
from pipeline_framework.airflow_provider.dag_arguments import dag_arguments, task_arguments
from pipeline_framework.config import FinalConfig


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
    """The tasks of the specification, one after the other."""
    file = str(config.file)
    held = with_settings(config, tasks.store_and_validate)(file)
    moving = (tasks.pre_validation, tasks.source_to_stage, tasks.stage_to_target, tasks.audit)
    chain(
        with_settings(config, tasks.load_final_config)(file),
        held,
        *(with_settings(config, task)(file, held) for task in moving),
        with_settings(config, tasks.cleanup_stale_locks)(file),
    )


def one_task(config: FinalConfig) -> None:
    """All of it in one task."""
    with_settings(config, tasks.run_windows)(str(config.file))


SHAPES = {"phases": seven_tasks, "single": one_task}


def with_settings(config: FinalConfig, task: Any) -> Any:
    """The task as `airflow.tasks` wants it; a copy, for a decorated teardown can be called only once."""
    name = task.kwargs.get("task_id") or task.function.__name__
    return task.override(**task_arguments(config, name))
