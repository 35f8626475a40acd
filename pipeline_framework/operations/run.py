"""Run windows in this process: one, or all that are ready."""

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial

from pipeline_framework import attempts
from pipeline_framework.control_table import Record
from pipeline_framework.control_table.states import Status
from pipeline_framework.errors import CountsMatch, Misuse, NothingToDo, PipelineError
from pipeline_framework.generation import OLDEST, Choice, generate, ready_until
from pipeline_framework.interfaces import Lock
from pipeline_framework.locking import lock_next, rescued, store_and_validate
from pipeline_framework.operations.locks import cleanup
from pipeline_framework.operations.task import STEPS
from pipeline_framework.pipeline import Pipeline
from pipeline_framework.reports.history import window
from pipeline_framework.windows import Window

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one window went: its row afterwards, and the error that stopped it, if any."""

    record: Record
    error: PipelineError | None = None

    @property
    def done(self) -> bool:
        """Whether the window is finished."""
        return self.record.pipeline_status == Status.COMPLETED

    @property
    def explanation(self) -> str:
        """The audit's words, or the error's."""
        return str(self.error) if self.error else str((self.record.audit_detail or {}).get("explanation", ""))

    def as_json(self) -> dict[str, object]:
        """The row's columns, whether it is done, and why or why not."""
        return {**self.record.columns(), "done": self.done, "explanation": self.explanation}


def run_once(
    pipeline: Pipeline, now: datetime, choice: Choice = OLDEST, *, retry_in: float | None = None
) -> Outcome:
    """Generate, lock one window, move and audit it, clear stale locks.

    A window that fails is an `Outcome` with its error. Raises a `NothingToDo` when there is none to run,
    and whatever keeps the control table from answering. `retry_in`: see `attempts.carry_out`.
    """
    return run_locked(pipeline, lambda: store_and_validate(pipeline, now, choice), retry_in)


def run_locked(pipeline: Pipeline, lock_one: Callable[[], Lock], retry_in: float | None = None) -> Outcome:
    """Run the window that `lock_one` locks, and clear stale locks however it went."""
    try:
        lock = lock_one()
        error = through(pipeline, lock, retry_in)
        return Outcome(window(pipeline, str(lock.record_id)), error)
    finally:
        tidied(pipeline)


def tidied(pipeline: Pipeline) -> None:
    """Clear stale locks; what keeps that from being done is logged, for the window's own news matter more."""
    try:
        cleanup(pipeline)
    except PipelineError as error:
        logger.warning("locks could not be cleared: %s", error)


def through(pipeline: Pipeline, lock: Lock, retry_in: float | None = None) -> PipelineError | None:
    """Take a window through every step; the error that stopped it, recorded already.

    A `Misuse` is no fault of this window but of all of them, and is raised.
    """
    try:
        for step in STEPS.values():
            lock = attempts.carry_out(pipeline, lock, step, retry_in=retry_in)
    except Misuse:
        raise
    except CountsMatch:
        return None
    except PipelineError as error:
        return error
    return None


def prepare(pipeline: Pipeline, now: datetime) -> int:
    """Add the windows that are due and put stale ones back; how many are ready to run."""
    pipeline.transfer  # noqa: B018 - a wrong key of a connector is found before a window is locked
    generate(pipeline, now)
    rescued(pipeline)
    ready = pipeline.database.run(
        "ready_windows", **pipeline.key.parameters, watermark=ready_until(pipeline, now)
    )
    return int(ready[0]["windows"])


def run_until_caught_up(pipeline: Pipeline, now: datetime, choice: Choice = OLDEST) -> Iterator[Outcome]:
    """Run window after window, a result for each, until none is ready; a failed one does not stop the rest.

    The windows are those that `prepare` added; each runs at most once, so one that failed waits for the
    next call. Raises the `NothingToDo` that says why when not even one could be run.
    """
    outcome = None
    while True:
        try:
            outcome = run_locked(pipeline, partial(lock_next, pipeline, now, choice))
        except NothingToDo:
            if outcome is None:
                raise
            return
        yield outcome
        choice = beyond(choice, outcome.record.window)


def beyond(choice: Choice, window: Window) -> Choice:
    """What is left of the choice behind a window that ran."""
    if choice.newest_first:
        return replace(choice, last=window.start)
    return replace(choice, first=window.end)
