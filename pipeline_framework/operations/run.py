"""Run windows in this process: one, or all that are ready."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from pipeline_framework import attempts, phases
from pipeline_framework.control_table import Record
from pipeline_framework.errors import NothingPending, NothingToDo, PipelineError
from pipeline_framework.generation import OLDEST, Choice, store_and_validate
from pipeline_framework.interfaces import Lock
from pipeline_framework.operations.locks import cleanup
from pipeline_framework.pipeline import Pipeline
from pipeline_framework.reports.history import window


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
    try:
        lock = store_and_validate(pipeline, now, choice)
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


def run_until_caught_up(pipeline: Pipeline, now: datetime, choice: Choice = OLDEST) -> Iterator[Outcome]:
    """Run window after window, a result for each, until none is ready; a failed one does not stop the rest.

    A window that comes round again ends the call: whatever put it back needs somebody's eyes first.
    """
    seen: set[int] = set()
    while True:
        try:
            outcome = run_once(pipeline, now, choice)
        except NothingPending:
            return
        yield outcome
        if outcome.record.id in seen:
            return
        seen.add(outcome.record.id)
