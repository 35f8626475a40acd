"""The keys of a pipeline file: what each means, its unit, its default. The reference page is made of this."""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, SecretStr

from pipeline_framework.config import rules
from pipeline_framework.config.dag_settings import Airflow, Strict, fitting
from pipeline_framework.config.kinds import (
    DagId,
    Emails,
    Fields,
    KeyFunction,
    MaxBadRows,
    Name,
    OptionalName,
    Part,
    Seconds,
    Time,
    Transform,
    WeekDay,
    Whole,
)


class Control(Strict):
    """Where the control table is."""

    url: Annotated[SecretStr | None, AfterValidator(rules.control_address)] = Field(
        None,
        description="Address of the control database: `sqlite:///control.db` (relative to the state folder: "
        "PIPELINE_STATE_DIR, else the folder of this file) or `postgresql://user:password@host/database`. "
        "Without url and conn_id it is `sqlite:///control.db`.",
        examples=["sqlite:///control.db"],
    )
    conn_id: Annotated[OptionalName | None, AfterValidator(rules.instead_of("url"))] = Field(
        None,
        description="Instead of url: the name of a connection, looked for as PIPELINE_CONN_<ID> in the "
        "environment, then as AIRFLOW_CONN_<ID>, then among Airflow's connections.",
        examples=["pipeline_control"],
    )
    auto_migrate: bool = Field(
        default=False,
        description="Bring a PostgreSQL control database up to date without `pipeline migrate`. "
        "SQLite always migrates itself.",
    )


class Keys(Strict):
    """One pipeline: what it moves, in which windows, and how it behaves when something fails."""

    pipeline_id: Name = Field(
        description="Name of the pipeline in the control table, in paths and in DAG ids: "
        "letters, digits, `_`, `-`, `.`.",
        examples=["flights"],
    )
    mapping_name: OptionalName = Field(
        "",
        description="Tells apart several mappings of one pipeline_id; usually left out.",
        examples=["daily"],
    )
    timezone: Annotated[str, AfterValidator(rules.zone)] = Field(
        "UTC",
        description="IANA timezone of days, weeks and times without an offset.",
        examples=["America/New_York"],
    )
    granularity: Annotated[str, AfterValidator(rules.granularity)] = Field(
        description="Length of a window: a number and s, m, h (elapsed time), d or w (calendar days, weeks).",
        examples=["2h"],
    )
    grid: Literal["calendar", "fixed"] = Field(
        "calendar",
        description="`calendar` cuts at wall-clock times of the timezone and at each local midnight; "
        "`fixed` cuts every window exactly as long, in UTC.",
    )
    week_start: WeekDay = Field(
        0,
        description="First day of weekly windows: monday to sunday, or 0 (monday) to 6.",
        examples=["monday"],
    )
    x_time_back: Annotated[str, AfterValidator(rules.time_back)] = Field(
        "0s",
        description="Stability lag: data younger than this may still change, so its window is not ready. "
        "s, m, h are elapsed time; d, w calendar days of the timezone.",
        examples=["1d"],
    )
    start: Time = Field(
        description="Start of the first window. Local time of `timezone` when it has no offset: a time that "
        "the clocks skipped means the first instant after it, one shown twice the first of the two.",
        examples=["2013-01-01"],
    )
    end: Annotated[Time | None, AfterValidator(rules.after_start)] = Field(
        None,
        description="No window ends later; read like `start`. Left out: no end.",
        examples=["2099-12-31"],
    )
    stale_threshold_hours: Seconds = Field(
        2,
        gt=0,
        le=8760,
        description="Hours that a lock waits for the next task of its run before others may take the window.",
    )
    lease_seconds: Seconds = Field(
        90,
        ge=5,
        le=86_400,
        description="Seconds that a lock lasts while a phase works; renewed three times in that span.",
    )
    max_attempts: Whole = Field(
        3, ge=1, le=1000, description="Failed runs of a window before it is put in quarantine (FAILED)."
    )
    windows_per_run: Whole = Field(
        1,
        ge=0,
        le=1_000_000,
        description="Windows that a run takes, one after the other; 0: until it has caught up. "
        "Unless it is 1, run_seconds ends the run earlier.",
    )
    run_seconds: Seconds = Field(
        3600,
        gt=0,
        le=604_800,
        description="Seconds after which a run of more than one window begins no further one.",
    )
    max_retry_task: Whole = Field(
        3, ge=0, le=1000, description="Times that Airflow tries a failed task again within one DAG run."
    )
    max_bad_rows: MaxBadRows = Field(
        0,
        description="Rows of a window that may be put aside because they do not fit: a number, or a part "
        "(`0.1%`) of those that the source counted. They lie with their reasons beside what is staged; more "
        "of them fail the window.",
        examples=["1%"],
    )
    backoff_seconds: Seconds = Field(
        60,
        ge=0,
        le=86_400,
        description="Seconds before a failed window is tried again; doubled with each attempt, with jitter.",
    )
    retry_seconds: Seconds = Field(
        60,
        ge=0,
        le=86_400,
        description="Seconds for which a call to a system that does not answer is repeated; 0 tries once.",
    )
    trust_existing: bool = Field(
        default=True,
        description="Complete a window without moving it when source and target counts already match.",
    )
    order: Literal["any", "strict"] = Field(
        "any",
        description="`any`: the oldest ready window runs next, past those that are held, wait or failed. "
        "`strict`: no window runs before every earlier one is COMPLETED.",
    )
    ready: Annotated[str | None, AfterValidator(rules.function)] = Field(
        None,
        description="`module:function`, asked with (final_config, record) before a window is locked: false "
        "holds it back for this run. With `order: any` up to 100 windows are asked for in a run.",
        examples=["my_pipeline:upstream_is_complete"],
    )
    circuit_failures: Whole = Field(
        3,
        ge=0,
        le=1000,
        description="Attempts in a row, of whatever windows, that met a system that does not answer before "
        "none is started for backoff_seconds (doubled with each further one, an hour at most); 0: never.",
    )
    check_fields: Fields = Field(
        (),
        description="Columns of pipeline_records that must not be empty before a window is locked: those "
        "that a window has from the beginning, such as target_day or KEY_X.",
        examples=[["target_day", "key_x"]],
    )
    function_x: KeyFunction = Field(
        None,
        description="Makes column key_x: a template such as `{pipeline_id}/{window_start:%Y/%m/%d/%H}` "
        "(local times; `%z` tells a repeated hour apart), or `module:function`.",
        examples=["{pipeline_id}/{window_start:%Y/%m/%d/%H}"],
    )
    function_y: KeyFunction = Field(None, description="Makes column key_y; as function_x.")
    function_z: KeyFunction = Field(None, description="Makes column key_z; as function_x.")
    control: Control = Field(Control(), description="Where the control table is: by url or by conn_id.")
    implementation: Annotated[str | None, AfterValidator(rules.module)] = Field(
        None,
        description="Module that defines get_source_count, transfer_source_to_stage, clean_stage_location, "
        "get_target_count, transfer_stage_to_target and clean_target_location; on sys.path or beside "
        "this file; instead of source, stage and target.",
        examples=["my_pipeline"],
    )
    settings: Annotated[dict[str, Any], AfterValidator(rules.with_implementation)] = Field(
        {},
        description="With `implementation`: values of your own that its functions find in final_config.",
        examples=[{"bucket": "flights"}],
    )
    source: Annotated[Part | None, AfterValidator(rules.one_of_three)] = Field(
        None, description="Where rows are read: `type` and the keys of that system.", validate_default=True
    )
    stage: Annotated[Part | None, AfterValidator(rules.one_of_three)] = Field(
        None,
        description="Where rows rest on the way: `type` and the keys of that system.",
        validate_default=True,
    )
    target: Annotated[Part | None, AfterValidator(rules.one_of_three)] = Field(
        None, description="Where rows end up: `type` and the keys of that system.", validate_default=True
    )
    transforms: tuple[Transform, ...] = Field(
        (),
        description="What changes rows between source and stage, in this order: `rename`, `cast`, `drop`, "
        "`keep`, `constants`, `filter`, or `type: module:Class` with the keys of that class.",
        examples=[[{"rename": {"dep_time": "departed_at"}}, {"cast": {"amount": "decimal(10,2)"}}]],
    )
    source_name: str = Field(
        default_factory=lambda data: rules.name_of("source", data),
        description="Column source_name. Default: the type of the source, or the implementation.",
    )
    target_name: str = Field(
        default_factory=lambda data: rules.name_of("target", data),
        description="Column target_name. Default: the type of the target, or the implementation.",
    )
    dag_id: DagId | None = Field(
        None,
        description="Name of the DAG. Default: `data_pipeline_<pipeline_id>`.",
        examples=["flights_every_2h"],
    )
    cron_schedule: Annotated[str | None, AfterValidator(rules.cron)] = Field(
        None,
        description="When Airflow starts a run. Default: from the granularity.",
        examples=["15 */2 * * *"],
    )
    email_list: Emails = Field((), description="Who gets mail.", examples=[["data-team@example.com"]])
    email_on_failure: bool = Field(default=False, description="Mail when a task has failed.")
    email_on_retry: bool = Field(default=False, description="Mail when a task is tried again.")
    dag_shape: Literal["phases", "single"] = Field(
        "phases",
        description="`phases`: seven tasks, each with its own log and tries. `single`: one task does all of "
        "it, for windows of minutes and for stages that only one host can see; a tenth of Airflow's cost.",
    )
    airflow: Annotated[Airflow, AfterValidator(fitting)] = Field(
        Airflow(), description="Settings of the DAG and of its tasks."
    )
