"""What a pipeline file says of its DAG and its tasks, as arguments of Airflow's."""

from datetime import timedelta
from typing import Any

import pendulum
from airflow.sdk import Param

from pipeline_framework.airflow_provider import compat
from pipeline_framework.airflow_provider.notifiers import late, mail_arguments
from pipeline_framework.airflow_provider.retry_policy import retry_arguments
from pipeline_framework.config import FinalConfig
from pipeline_framework.config.secrets import revealed
from pipeline_framework.windows import Granularity

DOC = """
Windows of **{granularity}** ({timezone}): pipeline `{pipeline_id}`, from `{source_name}` to `{target_name}`.

Each run takes the oldest window that is ready, whatever its own date: the control table owns the windows.
*Trigger* with `window_start` runs one chosen window, with `from` and `to` the oldest ones between them; with
`reload` also those that are finished.
`airflow backfill` cannot choose windows: use `pipeline backfill --from … --to …`.
Configuration: `{file}`.
"""
PARAMETERS = {
    **{
        edge: Param(
            None,
            type=["null", "string"],
            title=f"{edge.capitalize()}",
            description=f"Run only windows {what}: 2013-03-10, 2013-03-10T02:00; local time of the pipeline "
            "when no offset is given.",
        )
        for edge, what in (("from", "from then on"), ("to", "before then"))
    },
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
        description="Run what is chosen again although it is finished: the window, or all of `from` to `to`.",
    ),
}


def dag_arguments(config: FinalConfig) -> dict[str, Any]:
    """Arguments of airflow.sdk.DAG; what the file leaves out is left to Airflow's own defaults."""
    wanted = config.airflow
    given = {
        "description": wanted.description,
        "max_active_runs": wanted.max_active_runs,
        "dagrun_timeout": length(wanted.dagrun_timeout),
    }
    return {
        "dag_id": dag_id_of(config),
        "schedule": schedule(config),
        "start_date": pendulum.instance(start_date(config)).in_timezone(config.timezone),
        "catchup": wanted.catchup,
        "default_args": default_args(config),
        "params": PARAMETERS,
        "doc_md": DOC.format(**dict(config)),
        "tags": list(wanted.tags),
        **{name: value for name, value in given.items() if value is not None},
        **deadline(config),
        **compat.no_backfills(),
    }


def dag_id_of(config: FinalConfig) -> str:
    """What the file says, else made of the pipeline's id."""
    return config.dag_id or f"data_pipeline_{config.pipeline_id}"


def task_arguments(config: FinalConfig, task: str) -> dict[str, Any]:
    """Arguments of one task's operator: those of `airflow.tasks`."""
    settings = getattr(config.airflow.tasks, task)
    given = {
        "pool": settings.pool,
        "queue": settings.queue,
        "execution_timeout": length(settings.execution_timeout),
        "executor_config": revealed(settings.executor_config),
    }
    return {name: value for name, value in given.items() if value}


def default_args(config: FinalConfig) -> dict[str, Any]:
    """Arguments of every task; those that the file names itself come last."""
    own = revealed(config.airflow.default_args)
    return {"owner": config.airflow.owner, **retry_arguments(config), **mail_arguments(config), **own}


def start_date(config: FinalConfig) -> Any:
    """Before which nothing is scheduled, UTC."""
    text = config.airflow.start_date
    return config.instant(text, "airflow.start_date") if text else config.start


def deadline(config: FinalConfig) -> dict[str, Any]:
    """The DAG's deadline, where the file has one."""
    interval = length(config.airflow.deadline)
    if interval is None:
        return {}
    if compat.RELEASE < (3, 3):
        raise config.misuse(("airflow", "deadline"), "Needs Airflow 3.3. Remove it, or install that.")
    return compat.deadline(interval, late, {"file": str(config.file)})


def schedule(config: FinalConfig) -> str | timedelta | None:
    """What the file says, else a tick at the end of each window."""
    said = config.airflow.schedule or config.cron_schedule
    if said is None:
        return every(Granularity.parse(config.granularity), config.week_start)
    if said == "never":
        return None
    return length(said) if said[-1].isalpha() and said[0].isdigit() and " " not in said else said


def length(text: str | None) -> timedelta | None:
    """`90s`, `2h`, `1d` (24 hours) as Airflow takes it."""
    return Granularity.parse(text).length if text else None


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
