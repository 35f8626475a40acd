"""The seven tasks of docs/airflow.md, each alone, as the DAG runs them but outside Airflow."""

from collections.abc import Callable
from datetime import datetime

from pipeline_framework import attempts, phases
from pipeline_framework.generation import OLDEST, Choice
from pipeline_framework.locking import store_and_validate
from pipeline_framework.operations.locks import cleanup
from pipeline_framework.pipeline import Pipeline

STEPS: dict[str, phases.Step] = {
    "pre_validation": phases.pre_validation,
    "source_to_stage": phases.source_to_stage,
    "stage_to_target": phases.stage_to_target,
    "audit": phases.audit,
}
TASKS = ("load_final_config", "store_and_validate", *STEPS, "cleanup_stale_locks")


def run_task(pipeline: Pipeline, name: str, now: datetime, choice: Choice = OLDEST) -> str:
    """Run one task for the pipeline's holder; what it did, in a sentence.

    Raises what the task raises: a `NothingToDo` where the DAG would skip, an error where it would fail.
    """
    actions: dict[str, Callable[[], str]] = {
        "load_final_config": lambda: f"{pipeline.config.file} is valid",
        "store_and_validate": lambda: lock_one(pipeline, now, choice),
        "cleanup_stale_locks": lambda: f"{len(cleanup(pipeline))} locks cleared",
    }
    return actions.get(name, lambda: step(pipeline, name))()


def lock_one(pipeline: Pipeline, now: datetime, choice: Choice) -> str:
    """Generate, validate and lock."""
    lock = store_and_validate(pipeline, now, choice)
    return f"window {lock.window} (id {lock.record_id}) is locked by run {pipeline.holder.dag_run_id}"


def step(pipeline: Pipeline, name: str) -> str:
    """One phase on the window that this run holds."""
    lock = attempts.carry_out(pipeline, phases.take_up(pipeline), STEPS[name])
    return f"window {lock.window} (id {lock.record_id}): {name} done"
