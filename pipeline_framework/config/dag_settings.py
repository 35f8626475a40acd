"""The keys below `airflow:`: what a pipeline file says of its DAG beyond `cron_schedule` and mails."""

import re
from datetime import date
from typing import Annotated, Any, Self
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationInfo

from pipeline_framework.config import rules, times
from pipeline_framework.windows import Granularity


def duration(text: str) -> str:
    """A length of time above nothing, in s, m, h, d (24 hours) or w."""
    try:
        return str(Granularity.parse(text))
    except ValueError:
        raise ValueError(f"'{text}' is no length of time. Write 90s, 30m, 2h, 1d.") from None


def schedule_text(text: str | None) -> str | None:
    """A cron schedule, a length of time, or `never`."""
    if text is None or text == "never" or re.fullmatch(r"\s*\d+\s*[a-z]\s*", text):
        return text if text in (None, "never") else duration(text)
    return rules.cron(text)


def time_text(value: object) -> object:
    """A date or time, kept as it was written: its timezone is known elsewhere."""
    if value is None:
        return None
    times.instant(value, ZoneInfo("UTC"))
    return value.isoformat() if isinstance(value, date) else value


def fitting(value: Any, info: ValidationInfo) -> Any:
    """One schedule under two names, and settings of no task that the DAG's shape lacks."""
    if value.schedule and info.data.get("cron_schedule"):
        raise ValueError("Its `schedule` stands beside `cron_schedule`. Remove one of them.")
    single = info.data.get("dag_shape") == "single"
    said = value.tasks.model_dump(exclude_defaults=True)
    lacking = sorted(name for name in said if (name == "run_windows") != single)
    if lacking:
        there = "has one task, run_windows" if single else "has no task run_windows"
        raise ValueError(f"Its `tasks` name {', '.join(lacking)}, and this dag_shape {there}. Remove them.")
    return value


Duration = Annotated[str, AfterValidator(duration)]
Texts = Annotated[tuple[Annotated[str, Field(min_length=1)], ...], BeforeValidator(rules.listed)]
Many = Annotated[int, BeforeValidator(rules.no_boolean), Field(ge=1)]


class Strict(BaseModel):
    """Frozen, and an unknown key is an error; no input value is repeated in an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    def __deepcopy__(self, memo: object = None) -> Self:
        """Itself: pydantic copies a default at each use, and this one cannot change."""
        return self


class TaskSettings(Strict):
    """Where and how long one task runs; what is left out is Airflow's default."""

    pool: str | None = Field(None, description="Pool whose slots the task takes.", examples=["warehouse"])
    queue: str | None = Field(None, description="Queue of the workers that may run it.", examples=["big"])
    execution_timeout: Duration | None = Field(
        None,
        description="Time after which a try of the task is ended; it counts as a try that failed.",
        examples=["4h"],
    )
    executor_config: dict[str, Any] = Field(
        {}, description="Passed to the executor as it is: an image or resources on Kubernetes."
    )


DEFAULT: Any = Field(TaskSettings(), description="Settings of this task.")


class Tasks(Strict):
    """Settings of single tasks, by their names."""

    load_final_config: TaskSettings = DEFAULT
    store_and_validate: TaskSettings = DEFAULT
    pre_validation: TaskSettings = DEFAULT
    source_to_stage: TaskSettings = DEFAULT
    stage_to_target: TaskSettings = DEFAULT
    audit: TaskSettings = DEFAULT
    cleanup_stale_locks: TaskSettings = DEFAULT
    run_windows: TaskSettings = DEFAULT  # the one task of `dag_shape: single`


class Airflow(Strict):
    """Arguments of the DAG and of its tasks."""

    schedule: Annotated[str | None, AfterValidator(schedule_text)] = Field(
        None,
        description="When a run starts: five fields of cron in the pipeline's timezone, a length of time "
        "such as `45m`, or `never` for runs by hand alone. It may stand in the place of cron_schedule.",
        examples=["15 */2 * * *"],
    )
    start_date: Annotated[str | None, BeforeValidator(time_text)] = Field(
        None,
        description="No run is scheduled before; read like `start`, which it is by default. Windows begin at "
        "`start` whatever stands here.",
        examples=["2025-01-01"],
    )
    catchup: bool = Field(
        default=False,
        description="Have a run for each tick that was missed. Not needed: windows that were missed stay in "
        "line whatever the ticks.",
    )
    tags: Texts = Field(
        ("pipeline_framework",), description="By which DAGs are found.", examples=[["flights"]]
    )
    owner: str = Field("airflow", description="Shown as the owner of the tasks.", examples=["data-team"])
    description: str | None = Field(None, description="One line about the DAG.", examples=["Flights, 2h"])
    max_active_runs: Many | None = Field(
        None, description="DAG runs at once; each takes another window. Default: Airflow's."
    )
    dagrun_timeout: Duration | None = Field(
        None,
        description="Time after which a DAG run is ended as failed, its cleanup included: its window is put "
        "back by the next run.",
        examples=["6h"],
    )
    deadline: Duration | None = Field(
        None,
        description="Time after which a DAG run that was queued and has not ended is told in the log and to "
        "email_list, and goes on. Airflow 3.3.",
        examples=["2h"],
    )
    default_args: dict[str, Any] = Field(
        {}, description="Further arguments of every task.", examples=[{"priority_weight": 5}]
    )
    tasks: Tasks = Field(Tasks(), description="Settings of single tasks, by their names.")
