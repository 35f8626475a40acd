"""The story of a window: pre_validation → source_to_stage → stage_to_target → audit.

Each phase renews the lock while it works, leaves a marker when it is done and is passed over when
its marker is there, so a crashed run is resumed at the first unfinished phase. Every function takes
the lock and returns it with the row's columns as they are afterwards.
"""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from pipeline_framework.audit import Counts, Verdict, judge
from pipeline_framework.control_table import claims, progress
from pipeline_framework.control_table.gates import close_circuit
from pipeline_framework.control_table.lease import renewing
from pipeline_framework.control_table.states import Phase, Result
from pipeline_framework.errors import (
    CountsMatch,
    IntegrityViolation,
    LockConflict,
    Misuse,
    PipelineError,
    Terminal,
    Transient,
    Uncounted,
)
from pipeline_framework.interfaces import Loaded, Lock, Manifest
from pipeline_framework.pipeline import Pipeline
from pipeline_framework.retries import patiently
from pipeline_framework.signals import PhaseFinished, PhaseStarted, emit

logger = logging.getLogger(__name__)

T = TypeVar("T")
Step = Callable[[Pipeline, Lock], Lock]


def pre_validation(pipeline: Pipeline, lock: Lock) -> Lock:
    """Complete an untouched window whose source and target already agree, and raise `CountsMatch`.

    A window with a marker, or one that was reopened, is never passed over on equal counts. The counting
    is work of SOURCE_TO_STAGE: a window whose counting kills the process uses up its attempts like any other.
    """
    if lock.columns["phase_completed"] or lock.columns["reload_reason"] is not None:
        return lock
    with phase(pipeline, lock, Phase.SOURCE_TO_STAGE) as working:
        counts = counted(pipeline, working)
        result = already(pipeline, working, counts)
    waiting = parked(pipeline, working)
    if result is None:
        return waiting
    completed(pipeline, waiting, result, judge(counts))
    raise CountsMatch(f"window {lock.window}: {judge(counts).explanation}; nothing was moved.")


def already(pipeline: Pipeline, lock: Lock, counts: Counts) -> Result | None:
    """How a window counts that needs no move; None when it needs one."""
    if counts.source_now != counts.target_count:
        return None
    if counts.source_now == 0:
        return Result.EMPTY
    if pipeline.transfer.loaded(lock):
        return Result.LOADED
    return Result.ALREADY_PRESENT if pipeline.config.trust_existing else None


def source_to_stage(pipeline: Pipeline, lock: Lock) -> Lock:
    """Clear what older epochs left, and stage the window; the marker keeps where and how much."""
    if lock.columns["phase_completed"]:
        return lock
    with phase(pipeline, lock, Phase.SOURCE_TO_STAGE) as working:
        pipeline.transfer.clear_stage(working)
        manifest: Manifest = patient(pipeline, working, pipeline.transfer.source_to_stage)
    return finished(pipeline, working, Phase.SOURCE_TO_STAGE, **staged_facts(manifest, working))


def staged_facts(manifest: Manifest, lock: Lock) -> dict[str, object]:
    """What the marker keeps of a manifest; the counts wait in audit_detail for the audit."""
    return {
        "stage_epoch": lock.epoch,
        "manifest_address": manifest.address,
        "manifest_digest": manifest.digest,
        "source_count": manifest.source_count,
        "audit_detail": {
            "staged": manifest.rows,
            "bad": manifest.bad_rows,
            "filtered": manifest.filtered_rows,
            "bad_rows_in": manifest.bad_place or None,
        },
    }


def stage_to_target(pipeline: Pipeline, lock: Lock) -> Lock:
    """Load what the marker names; `StageLost` when it is not there any more."""
    require_marker(lock, "source_to_stage")
    if lock.columns["phase_completed"] != Phase.SOURCE_TO_STAGE:
        return lock
    with phase(pipeline, lock, Phase.STAGE_TO_TARGET) as working:
        outcome: Loaded = patient(pipeline, working, pipeline.transfer.stage_to_target)
    detail = {**(working.columns["audit_detail"] or {}), "loaded": outcome.rows}
    detail |= {"changes": dict(outcome.changes)} if outcome.changes else {}
    return finished(pipeline, working, Phase.STAGE_TO_TARGET, audit_detail=detail)


def audit(pipeline: Pipeline, lock: Lock) -> Lock:
    """Count, compare, explain; completes the window or raises.

    Raises `Uncounted` when a count could not be taken (the window keeps its markers and the audit alone
    is tried again), `Misuse` when only a person can make it possible (the same, and no attempt is counted),
    `IntegrityViolation` when rows are missing or foreign (the window is marked mismatch, an attempt is
    counted and the next load replaces it).
    """
    require_marker(lock, "stage_to_target", Phase.SOURCE_TO_STAGE)
    with phase(pipeline, lock, Phase.AUDIT) as working:
        verdict = judge(recounted(pipeline, working))
    if not verdict.sound:
        mismatched(pipeline, working, verdict)
        raise IntegrityViolation(f"window {lock.window}: {verdict.explanation}.")
    done = completed(pipeline, working, Result.EMPTY if verdict.empty else Result.LOADED, verdict)
    emit(PhaseFinished(lock.record_id, Phase.AUDIT))
    return done


def require_marker(lock: Lock, missing: str, too_early: Phase | None = None) -> None:
    """Refuse a phase whose predecessor has left no marker."""
    if lock.columns["phase_completed"] in (None, too_early):
        raise Misuse(f"window {lock.window}: {missing} comes first; run the tasks in their order.")


def recounted(pipeline: Pipeline, lock: Lock) -> Counts:
    """The five counts; whatever keeps one from being taken is `Uncounted`, but for a `Misuse`."""
    try:
        return counted(pipeline, lock)
    except Misuse:
        raise
    except (Transient, Terminal) as error:
        raise Uncounted(f"window {lock.window} could not be counted: {error}") from error


def counted(pipeline: Pipeline, lock: Lock) -> Counts:
    """What source and target hold now, beside what the markers remember."""
    detail = lock.columns["audit_detail"] or {}
    source_now: int = patient(pipeline, lock, pipeline.transfer.source_count)
    target_count: int | None = patient(pipeline, lock, pipeline.transfer.target_count)
    return Counts(
        source_count=lock.columns["source_count"],
        staged=detail.get("staged"),
        bad=detail.get("bad"),
        filtered=detail.get("filtered"),
        loaded=detail.get("loaded"),
        target_count=target_count,
        source_now=source_now,
        changes=detail.get("changes") or {},
    )


def take_up(pipeline: Pipeline, record_id: int | None = None) -> Lock:
    """The run's lock for its next task, under a new epoch, so that an earlier try is fenced off.

    Raises `LockConflict` when the run holds none; `record_id`, the window it held before, lets the message
    name the present holder or state.
    """
    seconds = pipeline.holder.park_seconds
    record = claims.resume(pipeline.database, pipeline.key, pipeline.holder, lease_seconds=seconds)
    if record is None:
        raise LockConflict(no_lock(pipeline, record_id))
    return pipeline.moved(record).lock()


def no_lock(pipeline: Pipeline, record_id: int | None) -> str:
    """Why the run holds no window."""
    if record_id is not None:
        return claims.whose(pipeline.database, record_id)
    return f"run {pipeline.holder.dag_run_id} holds no window; store_and_validate comes first."


@contextmanager
def phase(pipeline: Pipeline, lock: Lock, name: Phase) -> Iterator[Lock]:
    """Begin `name`, and renew the lock while the block works."""
    record = progress.begin(pipeline.database, lock, name, lease_seconds=pipeline.config.lease_seconds)
    working = pipeline.moved(record).lock()
    emit(PhaseStarted(lock.record_id, name, lock.columns["source_count"]))
    with renewing(pipeline.database, working, pipeline.config.lease_seconds):
        yield working


def patient(pipeline: Pipeline, lock: Lock, step: Callable[[Lock], T]) -> T:
    """The step's answer; `Unavailable` is tried again within `retry_seconds`."""
    return patiently(pipeline.config.retry_seconds, lock.record_id)(step, lock)


def finished(pipeline: Pipeline, lock: Lock, name: Phase, **facts: object) -> Lock:
    """Leave the marker of `name` with its facts, and park the lock for whoever goes on."""
    seconds = pipeline.holder.park_seconds
    record = progress.finish(pipeline.database, lock, name, park_seconds=seconds, **facts)
    emit(PhaseFinished(lock.record_id, name))
    return pipeline.moved(record).lock()


def parked(pipeline: Pipeline, lock: Lock) -> Lock:
    """The lock with its lease at the length that outlives the pause before the next task."""
    record = progress.park(pipeline.database, lock, seconds=pipeline.holder.park_seconds)
    return pipeline.moved(record).lock()


def completed(pipeline: Pipeline, lock: Lock, result: Result, verdict: Verdict) -> Lock:
    """Complete the window with what was counted."""
    record = progress.complete(pipeline.database, lock, result, **audit_facts(verdict, lock))
    source_and_target_answer(pipeline)
    return pipeline.moved(record).lock()


def source_and_target_answer(pipeline: Pipeline) -> None:
    """Close the circuit; the window is done already, so failing to is no failure."""
    try:
        close_circuit(pipeline.database, pipeline.key)
    except PipelineError as error:
        logger.warning("the circuit could not be closed, the next window that is done does: %s", error)


def mismatched(pipeline: Pipeline, lock: Lock, verdict: Verdict) -> None:
    """Mark the window mismatch: an attempt is counted, its markers go, the next load replaces it."""
    backoff = pipeline.config.backoff_seconds
    record = progress.mismatch(
        pipeline.database, lock, verdict.explanation, backoff_seconds=backoff, **audit_facts(verdict, lock)
    )
    pipeline.moved(record)


def audit_facts(verdict: Verdict, lock: Lock) -> dict[str, object]:
    """The columns that an audit fills; where the bad rows are stays known."""
    bad_rows_in = (lock.columns["audit_detail"] or {}).get("bad_rows_in")
    return {
        "source_count": verdict.counts.expected,
        "target_count": verdict.counts.present,
        "count_difference": verdict.counts.difference,
        "percentage_difference": verdict.counts.percentage,
        "audit_detail": {**verdict.detail(), "bad_rows_in": bad_rows_in},
    }
