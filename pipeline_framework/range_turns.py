"""Whose turn it is inside the range of a backfill, and what of the range is left."""

from pipeline_framework.control_table import Record, claims, progress
from pipeline_framework.control_table.gates import gates
from pipeline_framework.control_table.ranges import Range
from pipeline_framework.errors import NothingPending
from pipeline_framework.holding_back import held_back_by
from pipeline_framework.interfaces import Lock
from pipeline_framework.locking import complete_lock
from pipeline_framework.pipeline import Pipeline


def lock_of_range(pipeline: Pipeline, mine: Range, *, newest_first: bool) -> Lock:
    """Lock the oldest (or newest) window that the range sets aside; `NothingPending` says why none is."""
    claim = claims.claim_newest_of_range if newest_first else claims.claim_oldest_of_range
    require_turn(pipeline, mine)
    database, key, holder = pipeline.database, pipeline.key, pipeline.holder
    while record := claim(database, key, holder, mine, lease_seconds=holder.park_seconds):
        if not held_back(pipeline, record):
            return complete_lock(pipeline, record)
    raise NothingPending(why_none(pipeline, mine))


def require_turn(pipeline: Pipeline, mine: Range) -> None:
    """With `order: strict`, refuse while a window that is not finished comes before those of the range."""
    if pipeline.config.order == "any":
        return
    first = claims.first_in_order(pipeline.database, pipeline.key)
    if first and first.range_id != mine.id:
        raise NothingPending(
            f"{pipeline.config.file} says order: strict, and {first.standing}: it comes before what is left "
            f"of the range. Finish it or `pipeline skip --window {first.id}`, or set order: any."
        )


def held_back(pipeline: Pipeline, record: Record) -> bool:
    """Whether anything holds the window back; then it is put back for ordinary runs."""
    by = held_back_by(pipeline)
    keeper = by(record) if by else ""
    if keeper:
        pipeline.moved(progress.release(pipeline.database, record.lock(), f"held back by {keeper}"))
    return bool(keeper)


def why_none(pipeline: Pipeline, mine: Range) -> str:
    """Why no window of the range could be locked."""
    explanation = gates(pipeline.database, pipeline.key).explanation
    if explanation:
        return f"{pipeline.config.pipeline_id}: {explanation}"
    rest = left_of(pipeline, mine)
    return (
        f"no window of {mine.span} is left to run; {rest}."
        if rest
        else f"every window of {mine.span} is done; `pipeline backfill --force` loads them again."
    )


def left_of(pipeline: Pipeline, mine: Range) -> str:
    """How many windows of the range are not done, by what keeps them; empty when all are."""
    row = standing(pipeline, mine)
    parts = [
        f"{row['held']} held by another run (`pipeline locks list`)" if row["held"] else "",
        f"{row['waiting']} waiting for an ordinary run or the next backfill" if row["waiting"] else "",
        f"{row['quarantined']} quarantined (`pipeline retry`, or a backfill with --force)"
        if row["quarantined"]
        else "",
        f"{row['set_aside']} not reached" if row["set_aside"] else "",
    ]
    return ", ".join(part for part in parts if part)


def standing(pipeline: Pipeline, mine: Range) -> dict[str, int]:
    """Windows of the range: held, waiting, quarantined, set_aside."""
    span = {"first": mine.span.start, "last": mine.span.end}
    rows = pipeline.database.run("standing_within", **pipeline.key.parameters, **span, range_id=mine.id)
    return {name: int(number) for name, number in rows[0].items()}
