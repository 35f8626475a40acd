"""One window from its lock to its end, and what became of it."""

import logging
from collections.abc import Callable, Generator
from dataclasses import dataclass

from pipeline_framework import attempts
from pipeline_framework.control_table import Record, rescue, sealing
from pipeline_framework.control_table.states import Status
from pipeline_framework.errors import CountsMatch, Misuse, NothingToDo, PipelineError
from pipeline_framework.interfaces import Lock
from pipeline_framework.locking import rescued
from pipeline_framework.operations.line import Line
from pipeline_framework.operations.task import STEPS
from pipeline_framework.pipeline import Pipeline
from pipeline_framework.reports.history import window

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one window went: its row afterwards, the error that stopped it, if any.

    `held`: whether the run keeps the window, for its own next try.
    """

    record: Record
    error: PipelineError | None = None
    held: bool = False

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


def one_by_one(slot: Pipeline, line: Line, retry_in: float | None = None) -> Generator[Outcome]:
    """Run the line's windows in this slot, a result for each; a failed one does not stop the rest.

    Raises the `NothingToDo` that says why when the line had not even one. `retry_in`: see
    `attempts.carry_out`; a window that is kept for it ends the slot's work.
    """
    outcome = None
    while not (outcome and outcome.held):
        try:
            outcome = run_locked(slot, lambda: line.lock(slot), retry_in)
        except NothingToDo:
            if not line.handed_out:
                raise
            return
        yield outcome


def run_locked(slot: Pipeline, lock_one: Callable[[], Lock], retry_in: float | None = None) -> Outcome:
    """Run the window that `lock_one` locks, and clear locks however it went, but for one kept for a retry."""
    try:
        lock = lock_one()
        error = through(slot, lock, retry_in)
        record = window(slot, str(lock.record_id))
        kept = retry_in is not None and record.pipeline_status is Status.IN_PROGRESS
        return Outcome(record, error, held=kept and record.had_by(slot.holder))
    finally:
        if retry_in is None:
            tidied(slot)


def through(slot: Pipeline, lock: Lock, retry_in: float | None = None) -> PipelineError | None:
    """Take a window through every step; the error that stopped it, recorded already.

    A `Misuse` is no fault of this window but of all of them, and is raised.
    """
    try:
        for step in STEPS.values():
            lock = attempts.carry_out(slot, lock, step, retry_in=retry_in)
    except Misuse:
        raise
    except CountsMatch:
        return None
    except PipelineError as error:
        return error
    return None


def sealed(pipeline: Pipeline) -> None:
    """Seal finished days at the end of a run; what keeps them from it is logged, the next run does it."""
    try:
        sealing.seal(pipeline.database, pipeline.key)
    except PipelineError as error:
        logger.warning("finished days could not be sealed: %s", error)


def tidied(slot: Pipeline) -> None:
    """Let go of what this slot still holds, and of stale locks.

    What keeps that from being done is logged, for the window's own news matter more.
    """
    backoff = slot.config.backoff_seconds
    try:
        for record in rescue.release_slot(slot.database, slot.key, slot.holder, backoff_seconds=backoff):
            slot.moved(record)
        rescued(slot)
    except PipelineError as error:
        logger.warning("locks could not be cleared: %s", error)
