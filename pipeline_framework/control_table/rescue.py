"""Windows whose owner is gone come back: into line after a wait, or into quarantine."""

from pipeline_framework.control_table.database import Database
from pipeline_framework.control_table.record import Holder, PipelineKey, Record


def rescue(database: Database, key: PipelineKey, *, backoff_seconds: float) -> list[Record]:
    """Let go of every window whose lease ran out; the rows as they are now.

    One that died in a phase counts an attempt: PENDING after a wait (as in `progress.fail`), or FAILED when
    the attempts are used up. One that was parked between two phases counts none.
    """
    rows = database.run("rescue", **key.parameters, backoff_seconds=backoff_seconds)
    return [Record.of(row) for row in rows]


def release_run(
    database: Database, key: PipelineKey, holder: Holder, *, backoff_seconds: float = 60.0
) -> list[Record]:
    """The same for every window that any slot of the holder's run still holds, whatever its lease."""
    rows = database.run("release_run", **key.parameters, **holder.parameters, backoff_seconds=backoff_seconds)
    return [Record.of(row) for row in rows]


def release_slot(
    database: Database, key: PipelineKey, holder: Holder, *, backoff_seconds: float
) -> list[Record]:
    """The same for this slot alone, while others of the run go on."""
    rows = database.run(
        "release_slot", **key.parameters, **holder.parameters, backoff_seconds=backoff_seconds
    )
    return [Record.of(row) for row in rows]


def interrupt_run(database: Database, key: PipelineKey, holder: Holder) -> list[Record]:
    """Put back what the slots of the holder's run hold, because somebody stops it; counts no attempt.

    Slots that still work are fenced off by the new epoch.
    """
    rows = database.run("interrupt_run", **key.parameters, **holder.parameters)
    return [Record.of(row) for row in rows]
