"""What holds the claims of a whole pipeline back: a person's pause, and the circuit of a system that is down.

Claims look at both inside their own statement; here they are changed, and told.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any, Self

from pipeline_framework.control_table.database import Database
from pipeline_framework.control_table.record import PipelineKey
from pipeline_framework.windows import GridHistory


@dataclass(frozen=True, slots=True)
class Gates:
    """What `pipelines` says of them; times are UTC.

    `circuit_until` outlives its time: then the next window that is tried gives proof. None: closed.
    """

    paused_at: datetime | None = None
    paused_by: str | None = None
    pause_reason: str | None = None
    circuit_failures: int = 0
    circuit_until: datetime | None = None
    circuit_error: str | None = None
    circuit_open: bool = False

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> Self:
        """The gates of a row as `Database.run` gives it."""
        columns = {field.name: row[field.name] for field in fields(cls)}
        return cls(**{**columns, "circuit_open": bool(row["circuit_open"])})

    @property
    def explanation(self) -> str:
        """Why no window is claimed and what to do about it, as one sentence; empty when both are open."""
        if self.paused_at:
            since = f"since {self.paused_at:%Y-%m-%dT%H:%M:%SZ}"
            return (
                f"paused by {self.paused_by} {since} because {self.pause_reason}; `pipeline resume` goes on."
            )
        if not self.circuit_open:
            return ""
        return (
            f"the circuit is open until {self.circuit_until:%Y-%m-%dT%H:%M:%SZ}: {self.circuit_failures} "
            f"attempts in a row met a system that does not answer ({self.circuit_error}); "
            "`pipeline retry` closes it now."
        )


def gates(database: Database, key: PipelineKey) -> Gates:
    """How they stand; a pipeline that was never run has both open."""
    rows = database.run("gates", **key.parameters)
    return Gates.of(rows[0]) if rows else Gates()


def pause(
    database: Database, key: PipelineKey, history: GridHistory, *, actor: str, reason: str
) -> Gates | None:
    """Hold back every claim from now on; None when the pipeline was paused already.

    `history` is the grid of a pipeline that has no window yet.
    """
    with database.transaction() as transaction:
        transaction.run("announce_pipeline", **key.parameters, grid_history=history.text())
        rows = transaction.run("pause_pipeline", **key.parameters, actor=actor, reason=reason)
    return Gates.of(rows[0]) if rows else None


def resume(database: Database, key: PipelineKey) -> bool:
    """Let claims go on; False when nobody had paused."""
    return bool(database.run("resume_pipeline", **key.parameters))


def note_unavailable(
    database: Database, key: PipelineKey, error: str, *, threshold: int, backoff_seconds: float
) -> Gates | None:
    """An attempt ended because a system does not answer: from `threshold` in a row on claims are held back.

    For `backoff_seconds`, doubled with each further failure, an hour at most. None when they are already.
    """
    rows = database.run(
        "note_unavailable",
        **key.parameters,
        error=error,
        threshold=threshold,
        backoff_seconds=backoff_seconds,
    )
    return Gates.of(rows[0]) if rows else None


def close_circuit(database: Database, key: PipelineKey) -> bool:
    """A window ended well, or a person says so: claims go on. Writes nothing when no failure was noted."""
    return bool(gates(database, key).circuit_failures and database.run("close_circuit", **key.parameters))
