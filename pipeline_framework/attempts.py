"""A go at a window: a step, and what its end means for the window.

The phases tell the story when all is well; this is the page for when it is not.
"""

import logging
from contextlib import suppress

from pipeline_framework.control_table import Record, progress
from pipeline_framework.control_table.gates import note_unavailable
from pipeline_framework.errors import (
    IntegrityViolation,
    LockLost,
    Misuse,
    NothingToDo,
    PipelineError,
    StageElsewhere,
    StageLost,
    TransferFailed,
    Transient,
    Unavailable,
    Uncounted,
)
from pipeline_framework.interfaces import Lock
from pipeline_framework.phases import Step, source_to_stage, stage_to_target, take_up
from pipeline_framework.pipeline import Pipeline

logger = logging.getLogger(__name__)


def carry_out(pipeline: Pipeline, lock: Lock, step: Step, *, retry_in: float | None = None) -> Lock:
    """A step and its consequences for the window; the error goes on to the caller.

    A lost stage is staged again, once. `retry_in` is the number of seconds until the same run tries
    again by itself; None when it will not.
    """
    try:
        try:
            return in_our_words(step, pipeline, lock)
        except StageLost:
            lock = restaged(pipeline, lock)
            lock = in_our_words(source_to_stage, pipeline, lock)
            return in_our_words(stage_to_target, pipeline, lock)
    except PipelineError as error:
        failed(pipeline, lock, error, retry_in)
        raise
    except (KeyboardInterrupt, SystemExit):
        with suppress(PipelineError):  # the interruption goes on, whoever holds the window by now
            pipeline.moved(progress.release(pipeline.database, lock, "interrupted"))
        raise


def in_our_words(step: Step, pipeline: Pipeline, lock: Lock) -> Lock:
    """The step's answer; an error that is not of our tree becomes `TransferFailed`."""
    try:
        return step(pipeline, lock)
    except PipelineError:
        raise
    except Exception as error:
        raise TransferFailed(f"{step.__name__}: {type(error).__name__}: {error}") from error


def restaged(pipeline: Pipeline, lock: Lock) -> Lock:
    """The lock back before its first marker, under a new epoch and so in a new stage folder."""
    progress.restage(pipeline.database, lock)
    return take_up(pipeline, lock.record_id)


def failed(pipeline: Pipeline, lock: Lock, error: PipelineError, retry_in: float | None) -> None:
    """Record an error on its window; one that is another's by now is left alone.

    An error met on the way is logged: the first one is the news.
    """
    try:
        record = consequence(pipeline, lock, error, retry_in)
    except LockLost:
        return
    except PipelineError as second:
        logger.warning("window %s: %s; it could not be recorded: %s", lock.window, error, second)
        return
    if record:
        pipeline.moved(record)


def consequence(
    pipeline: Pipeline, lock: Lock, error: PipelineError, retry_in: float | None
) -> Record | None:
    """The move that belongs to an error; None where the step has made it or there is none to make."""
    match error:
        case LockLost() | NothingToDo() | IntegrityViolation():
            return None
        case StageElsewhere() | Misuse():  # no fault of the window: counts no attempt
            return progress.release(pipeline.database, lock, str(error))
        case Transient() if retry_in is not None:
            seconds = retry_in + pipeline.config.lease_seconds
            return progress.park(pipeline.database, lock, seconds=seconds)
        case Unavailable() | Uncounted(__cause__=Unavailable()) if pipeline.config.circuit_failures:
            return unanswered(pipeline, lock, error)
    backoff = pipeline.config.backoff_seconds
    return progress.fail(pipeline.database, lock, str(error), backoff_seconds=backoff)


def unanswered(pipeline: Pipeline, lock: Lock, error: PipelineError) -> Record:
    """The attempt is over because a system does not answer: told to the window first, then to the circuit."""
    threshold, backoff = pipeline.config.circuit_failures, pipeline.config.backoff_seconds
    record = progress.fail_unavailable(
        pipeline.database, lock, str(error), threshold=threshold, backoff_seconds=backoff
    )
    told = record.last_error or str(error)
    note_unavailable(pipeline.database, pipeline.key, told, threshold=threshold, backoff_seconds=backoff)
    return record
