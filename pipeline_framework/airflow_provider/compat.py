"""Where Airflow 3.1, 3.2 and 3.3 differ; older ones are refused in one sentence."""

import re
from collections.abc import Callable
from datetime import timedelta
from importlib import import_module
from typing import Any

from airflow import __version__

from pipeline_framework.errors import Terminal


def release(version: str) -> tuple[int, int]:
    """Major and minor number; `ImportError` for a version that is too old."""
    major, minor = (int(part) for part in re.findall(r"\d+", version)[:2])
    if (major, minor) < (3, 1):
        raise ImportError(
            f"pipeline_framework runs on Airflow 3.1 to 3.3 and this is {version}: "
            "install apache-airflow>=3.1,<3.4, or run the pipeline without Airflow: pipeline run."
        )
    return major, minor


RELEASE = release(__version__)

_exceptions = import_module("airflow.sdk.exceptions" if RELEASE >= (3, 2) else "airflow.exceptions")
AirflowFailException: type[Exception] = _exceptions.AirflowFailException
AirflowNotFoundException: type[Exception] = _exceptions.AirflowNotFoundException
AirflowSkipException: type[Exception] = _exceptions.AirflowSkipException


def never_tried_again(error: type[Exception], reason: str) -> dict[str, Any]:
    """Operator arguments under which `error` fails a task at once; 3.3 can say it, see `terminal`."""
    if RELEASE < (3, 3):
        return {}
    from airflow.sdk import ExceptionRetryPolicy, RetryAction, RetryRule

    rule = RetryRule(exception=error, action=RetryAction.FAIL, reason=reason)
    return {"retry_policy": ExceptionRetryPolicy(rules=[rule])}


def terminal(error: Terminal) -> Exception:
    """The error as this release has to see it, so that it is not tried again."""
    return error if RELEASE >= (3, 3) else AirflowFailException(str(error))


def no_backfills() -> dict[str, Any]:
    """DAG arguments that refuse `airflow backfill`, which cannot choose windows; 3.1 lacks them."""
    if RELEASE < (3, 2):
        return {}
    other = ["scheduled", "manual", "asset_triggered", "asset_materialization"]
    return {"allowed_run_types": [*other, "operator_triggered"] if RELEASE >= (3, 3) else other}


def deadline(interval: timedelta, callback: Callable[..., None], facts: dict[str, Any]) -> dict[str, Any]:
    """DAG arguments that call `callback` with `facts` when a run lasts longer than `interval`; since 3.3."""
    from airflow.sdk.definitions.callback import SyncCallback
    from airflow.sdk.definitions.deadline import DeadlineAlert, DeadlineReference

    alert = DeadlineAlert(DeadlineReference.DAGRUN_QUEUED_AT, interval, SyncCallback(callback, facts))
    return {"deadline": alert}
