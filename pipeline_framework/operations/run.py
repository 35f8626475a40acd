"""Run windows in this process: one, or all that are ready."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial

from pipeline_framework import attempts, phases
from pipeline_framework.control_table import Record
from pipeline_framework.errors import NothingPending, NothingToDo, PipelineError
from pipeline_framework.generation import OLDEST, Choice, generate, watermark
from pipeline_framework.interfaces import Lock
from pipeline_framework.locking import lock_next, store_and_validate
from pipeline_framework.operations.locks import cleanup, rescued
from pipeline_framework.pipeline import Pipeline
from pipeline_framework.reports.history import window
from pipeline_framework.windows import Window


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one window went: its row afterwards, and the error that stopped it, if any."""

    record: Record
    error: PipelineError | None = None

    @property
    def done(self) -> bool:
        """Whether the window is finished."""
        return self.error is None

    @property
    def explanation(self) -> str:
        """The audit's words, or the error's."""
        return str(self.error) if self.error else str((self.record.audit_detail or {}).get("explanation", ""))

    def as_json(self) -> dict[str, object]:
        """The row's columns, whether it is done, and why or why not."""
        return {**self.record.columns(), "done": self.done, "explanation": self.explanation}


def run_once(pipeline: Pipeline, now: datetime, choice: Choice = OLDEST) -> Outcome:
    """Generate, lock one window, move and audit it, clear stale locks.

    A window that fails is an `Outcome` with its error. Raises a `NothingToDo` when there is none to run,
    and whatever keeps the control table from answering.
    """
    return run_locked(pipeline, lambda: store_and_validate(pipeline, now, choice))


def run_locked(pipeline: Pipeline, lock_one: Callable[[], Lock]) -> Outcome:
    """Run the window that `lock_one` locks, and clear stale locks however it went."""
    try:
        lock = lock_one()
        error = through(pipeline, lock)
        return Outcome(window(pipeline, str(lock.record_id)), error)
    finally:
        cleanup(pipeline)


def through(pipeline: Pipeline, lock: Lock) -> PipelineError | None:
    """Take a window through every step; the error that stopped it, recorded already."""
    try:
        for step in (phases.pre_validation, phases.source_to_stage, phases.stage_to_target, phases.audit):
            lock = attempts.carry_out(pipeline, lock, step)
    except NothingToDo:
        return None
    except PipelineError as error:
        return error
    return None


def prepare(pipeline: Pipeline, now: datetime) -> int:
    """Add the windows that are due and put stale ones back; how many are ready to run."""
    generate(pipeline, now)
    rescued(pipeline)
    ready = pipeline.database.run(
        "ready_windows", **pipeline.key.parameters, watermark=watermark(pipeline, now)
    )
    return int(ready[0]["windows"])


def run_until_caught_up(pipeline: Pipeline, now: datetime, choice: Choice = OLDEST) -> Iterator[Outcome]:
    """Run window after window, a result for each, until none is ready; a failed one does not stop the rest.

    The windows are those that `prepare` added; each runs at most once, so one that failed waits for the
    next call.
    """
    while True:
        try:
            outcome = run_locked(pipeline, partial(lock_next, pipeline, now, choice))
        except NothingPending:
            return
        yield outcome
        choice = beyond(choice, outcome.record.window)


def beyond(choice: Choice, window: Window) -> Choice:
    """What is left of the choice behind a window that ran."""
    if choice.newest_first:
        return replace(choice, last=window.start)
    return replace(choice, first=window.end)
