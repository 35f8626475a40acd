"""When Airflow repeats a task: `max_retry_task` times after a transient error, never after a terminal one."""

from datetime import timedelta
from typing import Any

from pipeline_framework.airflow_provider import compat
from pipeline_framework.config import FinalConfig
from pipeline_framework.errors import Terminal

REASON = "The same try would fail in the same way: somebody has to act."


def retry_arguments(config: FinalConfig) -> dict[str, Any]:
    """Operator arguments of every task of the pipeline."""
    return {
        "retries": config.max_retry_task,
        "retry_delay": timedelta(seconds=config.backoff_seconds),
        **compat.never_tried_again(Terminal, REASON),
    }
