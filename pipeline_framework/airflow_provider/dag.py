"""From a pipeline file to its DAG: seven tasks in the specification's order."""

import os
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import pendulum
from airflow.sdk import DAG, Param, chain

from pipeline_framework.airflow_provider import compat, tasks
from pipeline_framework.airflow_provider.notifiers import mail_arguments
from pipeline_framework.airflow_provider.retry_policy import retry_arguments
from pipeline_framework.config import FinalConfig, load_final_config
from pipeline_framework.windows import Granularity

DOC = """
Windows of **{granularity}** ({timezone}): pipeline `{pipeline_id}`, from `{source_name}` to `{target_name}`.

Each run takes the oldest window that is ready, whatever its own date: the control table owns the windows.
*Trigger* with `window_start` runs one chosen window; with `reload` also one that is finished.
`airflow backfill` cannot choose windows: use `pipeline backfill --from … --to …`.
Configuration: `{file}`.
"""
PARAMETERS = {
    "window_start": Param(
        None,
        type=["null", "string"],
        title="Start of the window",
        description="Run this window instead of the oldest ready one: 2013-03-10T02:00, local time of the "
        "pipeline when no offset is given.",
    ),
    "reload": Param(
        False,  # noqa: FBT003 a default
        type="boolean",
        title="Reload",
        description="Run the chosen window again although it is finished.",
    ),
}


def build_dag(file: str | Path, **arguments: Any) -> DAG:
    """The DAG of one pipeline file; further `arguments` are those of airflow.sdk.DAG and override the file's.

    A relative `file` begins at the folder of the DAG file that calls this, so it follows a bundle's version.
    A mistake in the file raises `Misuse`, which Airflow shows as an import error with file and line.
    """
    caller = Path(sys._getframe(1).f_globals.get("__file__", "."))  # noqa: SLF001 inspect.stack reads sources
    config = load_final_config(os.path.normpath(caller.parent / file))
    with DAG(**{**from_file(config), **compat.no_backfills(), **arguments}) as dag:
        seven_tasks(config)
    return dag


def from_file(config: FinalConfig) -> dict[str, Any]:
    """What the pipeline file says of its DAG."""
    return {
        "dag_id": config.dag_id or f"data_pipeline_{config.pipeline_id}",
        "schedule": config.cron_schedule or every(Granularity.parse(config.granularity), config.week_start),
        "start_date": pendulum.instance(config.start).in_timezone(config.timezone),
        "catchup": False,
        "default_args": {**retry_arguments(config), **mail_arguments(config)},
        "params": PARAMETERS,
        "doc_md": DOC.format(**dict(config)),
        "tags": ["pipeline_framework"],
    }


def seven_tasks(config: FinalConfig) -> None:
    """The tasks of the specification, one after the other."""
    file = str(config.file)
    held = tasks.store_and_validate(file)
    chain(
        tasks.load_final_config(file),
        held,
        tasks.pre_validation(file, held),
        tasks.source_to_stage(file, held),
        tasks.stage_to_target(file, held),
        tasks.audit(file, held),
        tasks.cleanup_stale_locks.override()(file),  # one decorated teardown can be called only once
    )


def every(granularity: Granularity, week_start: int) -> str | timedelta:
    """A tick at the end of each window: cron in the pipeline's timezone where cron can say it."""
    match granularity.amount, granularity.unit:
        case amount, "m" if 60 % amount == 0:
            return f"*/{amount} * * * *"
        case amount, "h" if 24 % amount == 0:
            return f"0 */{amount} * * *"
        case 1, "d":
            return "0 0 * * *"
        case 1, "w":
            return f"0 0 * * {(week_start + 1) % 7}"
    return granularity.length
