"""What a DAG run is to the control table: who holds a window, which is wanted, when the next try comes."""

from collections.abc import Sequence
from datetime import datetime

from airflow.sdk import Context

from pipeline_framework import turns
from pipeline_framework.config import FinalConfig
from pipeline_framework.control_table import Holder, Record, claims
from pipeline_framework.control_table.states import Status
from pipeline_framework.errors import LockLost, Misuse, PipelineError, Terminal
from pipeline_framework.generation import Choice
from pipeline_framework.operations.outcome import Outcome
from pipeline_framework.operations.repair import Decision, reopen, retry
from pipeline_framework.pipeline import Pipeline, owner

TEMPORARY = "__airflow_temporary_run_"  # how the run ids begin that `airflow tasks test` invents
TEMPORARY_PARK = 600.0  # seconds that a window waits for the next `airflow tasks test`


def holder(config: FinalConfig, context: Context) -> Holder:
    """This task's DAG run as the control table names it; its locks outlive the pause before the next task."""
    ti, run_id = context["ti"], context["run_id"]
    park = TEMPORARY_PARK if run_id.startswith(TEMPORARY) else config.stale_threshold_hours * 3600
    return Holder(ti.dag_id, run_id, max(ti.map_index or 0, 0), owner(), park)


def retry_in(context: Context) -> float | None:
    """Seconds until Airflow tries this task again should it fail now; None when it will not."""
    ti = context["ti"]
    if ti.try_number > ti.max_tries:
        return None
    delay: float = context["task"].retry_delay.total_seconds()
    return delay


def choice(pipeline: Pipeline, context: Context) -> Choice:
    """The window this run had before it was cleared, or what its parameters choose, or the oldest."""
    before = held_before(pipeline, context)
    if before and (before.pipeline_status != Status.COMPLETED or cleared(context)):
        return put_back(pipeline, before, f"cleared in run {pipeline.holder.dag_run_id}")
    return asked(pipeline, context)


def line_choice(pipeline: Pipeline, context: Context) -> Choice:
    """The same for a task that takes many windows: only a person who cleared it wants the last one alone.

    Its next try goes on with all of them; what it still holds comes first by itself.
    """
    return choice(pipeline, context) if cleared(context) else asked(pipeline, context)


def asked(pipeline: Pipeline, context: Context) -> Choice:
    """What the parameters of the run choose, or the oldest."""
    start, first, last = (instant(pipeline, context, name) for name in ("window_start", "from", "to"))
    if start and (first or last):
        raise Misuse("The parameter window_start stands beside from or to: it is one window, they are many.")
    reload = f"reload chosen in run {pipeline.holder.dag_run_id}" if context["params"].get("reload") else ""
    if first or last:
        return between(pipeline, first, last, reload)
    record = turns.window_at(pipeline, start) if start and reload else None
    return put_back(pipeline, record, reload) if record else Choice(window_start=start)


def instant(pipeline: Pipeline, context: Context, name: str) -> datetime | None:
    """What a parameter of the run says, UTC."""
    text = context["params"].get(name)
    return pipeline.config.instant(text, f"parameter {name}") if text else None


def between(pipeline: Pipeline, first: datetime | None, last: datetime | None, reload: str) -> Choice:
    """The oldest window that touches a range; finished ones are put back, once, for `reload`."""
    if first and last and first >= last:
        raise Misuse("The parameter from is not before the parameter to: no window lies between them.")
    now = pipeline.database.now()
    span = {"first": first or pipeline.config.start, "last": last or now}
    edges = pipeline.database.run("edges_touching", **pipeline.key.parameters, **span, watermark=now)[0]
    wide = {name: edges[name] or instant for name, instant in span.items()}
    seen = {"reload_reason": reload, **wide}
    if reload and not pipeline.database.run("reloaded_before", **pipeline.key.parameters, **seen):
        reopen(pipeline, Decision(**wide, actor=pipeline.holder.owner, reason=reload))
    return Choice(first=min(wide["first"], span["first"]), last=max(wide["last"], span["last"]))


def cleared(context: Context) -> bool:
    """Whether somebody cleared the task since it first ran: Airflow adds its retries to the tries it had."""
    return bool(context["ti"].max_tries > (context["task"].retries or 0))


def again(context: Context) -> bool:
    """Whether the task ran before: cleared, or tried again. No index knows runs, so others do not ask."""
    return bool(context["ti"].try_number > 1)


def held_before(pipeline: Pipeline, context: Context) -> Record | None:
    """The window that this very run held last: a run that was cleared, or is tried again, has one."""
    return claims.last_held(pipeline.database, pipeline.key, pipeline.holder) if again(context) else None


def worst_of(outcomes: Sequence[Outcome]) -> PipelineError | None:
    """The error that a task of many windows ends with, if any.

    That of a window which is kept for the task's next try; else one that somebody has to mend, else any. A
    lock that was lost is none, but where nothing else was done.
    """
    errors = [each.error for each in outcomes if each.error]
    kept = [each.error for each in outcomes if each.error and each.held]
    failed = [error for error in errors if not isinstance(error, LockLost)]
    lost = [] if any(each.done for each in outcomes) else errors
    failed.sort(key=lambda error: not isinstance(error, Terminal))
    return next(iter([*kept, *failed, *lost]), None)


def left_behind(pipeline: Pipeline, context: Context) -> PipelineError | None:
    """The error of a window that an earlier try of this run had and that is not finished, if any."""
    record = claims.left_behind(pipeline.database, pipeline.key, pipeline.holder) if again(context) else None
    return Terminal(f"{record.standing} since an earlier try: {record.last_error}") if record else None


def finished(pipeline: Pipeline, context: Context) -> Record | None:
    """The window that this run has completed; a task of it that was cleared meets it."""
    record = held_before(pipeline, context)
    return record if record and record.pipeline_status == Status.COMPLETED else None


def put_back(pipeline: Pipeline, record: Record, reason: str) -> Choice:
    """Make a finished window ready again, and choose it; its rows stay until the new ones replace them."""
    decision = Decision(record.window_start_time, record.window_end_time, pipeline.holder.owner, reason)
    if record.pipeline_status == Status.COMPLETED:
        reopen(pipeline, decision)
    elif record.pipeline_status == Status.FAILED:
        retry(pipeline, decision)
    return Choice(window_start=record.window_start_time)
