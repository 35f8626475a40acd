"""What keeps a window from running although its time has come: `ready:`, or a run of the module's."""

from collections.abc import Callable

from pipeline_framework import registry
from pipeline_framework.control_table import Record
from pipeline_framework.pipeline import Pipeline

By = Callable[[Record], str]


def held_back_by(pipeline: Pipeline) -> By | None:
    """Says of a window by what it is held back, nothing when it may run; None where no window is.

    The module is asked for its running windows once, `ready:` for each window.
    """
    ready, running = pipeline.config.ready, {}
    if pipeline.module:
        running = pipeline.record_functions.running_elsewhere(pipeline.holder.dag_run_id)

    def by(record: Record) -> str:
        if run := running.get(record.window_start_time):
            return f"run {run}"
        return f"ready: {ready}" if ready and not registry.ready(pipeline.config, record.columns()) else ""

    return by if ready or running else None
