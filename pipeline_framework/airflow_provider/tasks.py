"""The seven tasks of docs/airflow.md: each opens the pipeline, does one thing, tells Airflow how it went.

Tasks hand on the id of the window's row, never rows and never a secret: each reads the configuration
for itself. `file` is the pipeline file.
"""

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from airflow.sdk import get_current_context
from structlog.contextvars import bound_contextvars

from pipeline_framework.airflow_provider import bundles, compat
from pipeline_framework.airflow_provider.connections import keep_secret, use_airflow_connections
from pipeline_framework.config import FinalConfig, shown
from pipeline_framework.errors import LockLost, NothingPending, NothingToDo, Terminal

if TYPE_CHECKING:
    from pipeline_framework.interfaces import Lock
    from pipeline_framework.pipeline import Pipeline

log = logging.getLogger(__name__)
Held = Any  # what store_and_validate hands on: record_id, window, epoch; None in `airflow tasks test`


def load_final_config(file: str) -> dict[str, Any]:
    """Check the configuration; what it came to, with its secrets hidden, is shown as this task's XCom."""
    with told_to_airflow():
        return shown(configuration(file))


def store_and_validate(file: str) -> Held:
    """Add the windows that are due, validate them and lock one for this DAG run; skip when none is ready."""
    with at_work(file) as pipeline:
        return locked(pipeline)


def store_and_validate_some(file: str, slots: int) -> list[Held]:
    """The same for as many windows as are ready, at most one for each of so many slots of this DAG run."""
    held: list[Held] = []
    with at_work(file) as pipeline:
        for number in range(slots):
            try:
                held.append(locked(pipeline.slot(number)))
            except NothingToDo as reason:
                if not held:
                    raise
                log.info("no further window: %s", reason)
                break
    return held


def locked(pipeline: "Pipeline") -> Held:
    """Lock the window that this run wants; what later tasks need to know of it."""
    from pipeline_framework import locking
    from pipeline_framework.airflow_provider.runs import choice

    wanted = choice(pipeline, get_current_context())
    lock = locking.store_and_validate(pipeline, pipeline.database.now(), wanted)
    say_if_adopted(lock.columns)
    log.info("window %s (id %s) is locked by this run", lock.window, lock.record_id)
    return {"record_id": lock.record_id, "window": str(lock.window), "epoch": lock.epoch}


def pre_validation(file: str, held: Held) -> None:
    """Complete the window and skip the rest when source and target already agree."""
    carry_out("pre_validation", file, held)


def source_to_stage(file: str, held: Held) -> None:
    """Move the window's rows into the stage."""
    carry_out("source_to_stage", file, held)


def stage_to_target(file: str, held: Held) -> None:
    """Replace the window in the target by what was staged."""
    carry_out("stage_to_target", file, held)


def audit(file: str, held: Held) -> None:
    """Count on both sides and complete the window, or fail and say where rows were lost.

    Cleared after its window was finished, it counts again and changes nothing.
    """
    from pipeline_framework.airflow_provider.runs import finished
    from pipeline_framework.operations.repair import confirmed

    with at_work(file) as pipeline:
        before = finished(pipeline, get_current_context())
        if before:
            log.info("window %s was finished before: %s", before.window, confirmed(pipeline, before))
        else:
            step_done("audit", pipeline, held)


def cleanup_stale_locks(file: str) -> None:
    """Let go of what this run still holds, and put back every window whose lease ran out."""
    from pipeline_framework.operations.locks import cleanup

    with at_work(file) as pipeline:
        for record in cleanup(pipeline):
            log.warning("window %s is %s again: %s", record.window, record.pipeline_status, record.reason)


def run_windows(file: str) -> None:
    """The one task of `dag_shape: single`: what the seven do, for as many windows as `windows_per_run` says.

    A window that fails does not stop the others; the task fails in the end, also where an earlier try of it
    left one behind.
    """
    from pipeline_framework.airflow_provider.runs import left_behind, line_choice, retry_in, worst_of
    from pipeline_framework.operations.run import budget_of, run_some

    with at_work(file) as pipeline:
        context, outcomes = get_current_context(), []
        now, wanted = pipeline.database.now(), line_choice(pipeline, context)
        for each in run_some(pipeline, now, budget_of(pipeline), wanted, retry_in=retry_in(context)):
            log.info("window %s is %s: %s", each.record.window, each.record.pipeline_status, each.explanation)
            outcomes.append(each)
        if error := worst_of(outcomes) or left_behind(pipeline, context):
            raise error


def carry_out(step: str, file: str, held: Held) -> None:
    """One step on the window that this run holds."""
    with at_work(file) as pipeline:
        step_done(step, pipeline, held)


def step_done(step: str, pipeline: "Pipeline", held: Held) -> None:
    """The step with its consequences in the control table."""
    from pipeline_framework import attempts, phases
    from pipeline_framework.airflow_provider.runs import retry_in
    from pipeline_framework.operations.task import STEPS

    lock = phases.take_up(pipeline, held["record_id"]) if held else left_by_a_test(pipeline)
    with bound_contextvars(window=str(lock.window), epoch=lock.epoch, phase=step):
        attempts.carry_out(pipeline, lock, STEPS[step], retry_in=retry_in(get_current_context()))
        log.info("window %s: %s done", lock.window, step)


def left_by_a_test(pipeline: "Pipeline") -> "Lock":
    """The lock that an earlier `airflow tasks test` left; such a call gets nothing from earlier tasks."""
    from pipeline_framework import locking

    record = locking.resumed(pipeline)
    if record is None:
        raise NothingPending("no window is held: run `airflow tasks test` on store_and_validate first.")
    say_if_adopted(record.columns())
    return pipeline.moved(record).lock()


def say_if_adopted(columns: Mapping[str, Any]) -> None:
    """Tell when the window comes from an earlier `airflow tasks test`."""
    if columns["move_name"] == "adopt_temporary":
        log.info("taken over from an earlier `airflow tasks test`: window %s", columns["window_start_time"])


@contextmanager
def at_work(file: str) -> Iterator["Pipeline"]:
    """The pipeline, held for the DAG run whose task this is; each line of the log carries its id.

    While it works the log gets a line every 30 seconds, and one at once for each call that is tried again.
    Airflow has set structlog up, its masker of secrets included: facts are bound to it, nothing is set up.
    """
    from pipeline_framework.airflow_provider.runs import holder
    from pipeline_framework.pipeline import opened
    from pipeline_framework.telemetry.lines import lines

    with told_to_airflow():
        config = configuration(file)
        held_for = holder(config, get_current_context())
        bound = bound_contextvars(pipeline_id=config.pipeline_id)
        with bound, opened(config, held_for) as pipeline, lines(log.info, log.warning):
            yield pipeline


def configuration(file: str) -> FinalConfig:
    """The pipeline file as it is now, its connections looked up in Airflow too, its secrets masked."""
    use_airflow_connections()
    config = bundles.read(file)
    keep_secret(config)
    return config


@contextmanager
def told_to_airflow() -> Iterator[None]:
    """Errors as Airflow acts on them: nothing to do or a lost lock skips, a terminal one is not repeated."""
    try:
        yield
    except (NothingToDo, LockLost) as reason:
        raise compat.AirflowSkipException(str(reason)) from None
    except Terminal as error:
        raise compat.terminal(error) from error.__cause__
