"""A person's decisions on windows, each with who and why, kept in the events."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from pipeline_framework import phases
from pipeline_framework.audit import Verdict, judge
from pipeline_framework.control_table import Record, decisions
from pipeline_framework.control_table.states import Phase
from pipeline_framework.errors import IntegrityViolation, Misuse
from pipeline_framework.pipeline import Pipeline
from pipeline_framework.reports.history import Filter, windows


@dataclass(frozen=True, slots=True)
class Decision:
    """Windows that overlap [first, last), UTC; `actor` decided it for `reason`."""

    first: datetime
    last: datetime
    actor: str
    reason: str


def reopen(pipeline: Pipeline, decision: Decision) -> list[Record]:
    """Put finished windows back to PENDING, to be loaded again whatever the counts say.

    Nothing is emptied: the target keeps its rows until the new ones replace them in one transaction.
    Raises `Misuse` where they would be added to the old ones instead.
    """
    require_replaceable(pipeline, decision.first, decision.last)
    return moved(pipeline, decisions.reopen, decision)


def force_reopen(pipeline: Pipeline, decision: Decision) -> list[Record]:
    """The same, for windows that wait to run as well: they start over, from the source."""
    require_replaceable(pipeline, decision.first, decision.last)
    return moved(pipeline, partial(decisions.reopen, force=True), decision)


def require_replaceable(pipeline: Pipeline, first: datetime, last: datetime) -> None:
    """Raise `Misuse` when a window that overlaps [first, last) was appended: a second load is refused."""
    if pipeline.transfer.replaces():
        return
    for record in windows(pipeline, Filter(first, last)):
        if not record.untouched and pipeline.transfer.loaded(record.lock()):
            raise Misuse(
                f"window {record.window} was appended to the target already, and `target.write.mode: append` "
                "adds a window once: nothing is reopened. Take its rows and its row of pipeline_loads out of "
                "the target first, or use `replace_window`."
            )


def retry(pipeline: Pipeline, decision: Decision) -> list[Record]:
    """Give quarantined windows new attempts, and end the wait of those in backoff."""
    return moved(pipeline, decisions.retry, decision)


def skip(pipeline: Pipeline, decision: Decision) -> list[Record]:
    """Do without windows that wait or are quarantined; the target keeps what it has of them."""
    return moved(pipeline, decisions.skip, decision)


def quarantine(pipeline: Pipeline, decision: Decision) -> list[Record]:
    """Take windows that wait out of line, until somebody retries, reopens or skips them."""
    return moved(pipeline, decisions.quarantine, decision)


def moved(pipeline: Pipeline, move: Callable[..., list[Record]], decision: Decision) -> list[Record]:
    """Make the move on every window of the decision."""
    records = move(
        pipeline.database,
        pipeline.key,
        first=decision.first,
        last=decision.last,
        actor=decision.actor,
        reason=decision.reason,
    )
    return [pipeline.moved(record) for record in records]


def audit_again(pipeline: Pipeline, record: Record) -> Verdict:
    """Count source and target of a window now and judge; changes nothing in the control table.

    Raises `Misuse` for a window that was never loaded.
    """
    if record.audit_result is None and record.phase_completed != Phase.STAGE_TO_TARGET:
        raise Misuse(f"{record.standing}, and was not loaded yet; `pipeline run --window {record.id}` does.")
    return judge(phases.counted(pipeline, record.lock()))


def confirmed(pipeline: Pipeline, record: Record) -> str:
    """What the audit of a finished window finds now, when it still agrees; changes nothing.

    Raises `IntegrityViolation` when rows are missing or foreign by now.
    """
    verdict = audit_again(pipeline, record)
    if not verdict.sound:
        again = f"`pipeline reopen --window {record.id}` loads it again"
        raise IntegrityViolation(f"window {record.window}: {verdict.explanation}; {again}.")
    return verdict.explanation
