"""Clear locks: what a run still holds, what is stale, and what a person lets go by hand."""

from pipeline_framework.control_table import Record, decisions, ranges, rescue, sealing
from pipeline_framework.control_table.ranges import Range
from pipeline_framework.locking import rescued
from pipeline_framework.pipeline import Pipeline
from pipeline_framework.reports.history import window


def cleanup(pipeline: Pipeline) -> list[Record]:
    """Release what this run still holds, rescue what is stale, seal finished days; the rows that moved.

    What the task `cleanup_stale_locks` does: it runs however a run ended.
    """
    moved = [*released(pipeline), *rescued(pipeline)]
    sealing.seal(pipeline.database, pipeline.key)
    return moved


def clear_stale(pipeline: Pipeline) -> tuple[list[Range], list[Record]]:
    """Let go of every range and put back every window whose lease ran out."""
    return ranges.expire(pipeline.database, pipeline.key), rescued(pipeline)


def released(pipeline: Pipeline) -> list[Record]:
    """Let go of every window that this run still holds."""
    backoff = pipeline.config.backoff_seconds
    released = rescue.release_run(pipeline.database, pipeline.key, pipeline.holder, backoff_seconds=backoff)
    return [pipeline.moved(record) for record in released]


def clear(pipeline: Pipeline, record_id: int, *, actor: str, reason: str, only_stale: bool) -> Record:
    """Let go of one lock by a person's decision; a living one only when `only_stale` is off.

    Raises `Misuse` when the window is not locked, or its lease still runs and `only_stale` is on.
    """
    window(pipeline, str(record_id))  # another pipeline's window is none of this one's business
    record = decisions.clear_lock(
        pipeline.database, record_id, actor=actor, reason=reason, only_stale=only_stale
    )
    return pipeline.moved(record)
