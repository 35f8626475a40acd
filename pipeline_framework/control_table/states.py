"""The states of a window and the moves between them; docs/states.md draws what stands here."""

from dataclasses import dataclass
from enum import StrEnum


class Status(StrEnum):
    """`pipeline_status`; FAILED is quarantined: it waits for a person."""

    PENDING = "PENDING"
    IN_PROGRESS = "IN_PROGRESS"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"


class Phase(StrEnum):
    """What a run does with a window, in this order; `phase_completed` names the last one finished."""

    SOURCE_TO_STAGE = "SOURCE_TO_STAGE"
    STAGE_TO_TARGET = "STAGE_TO_TARGET"
    AUDIT = "AUDIT"


class Result(StrEnum):
    """`audit_result`: how a window ended, and MISMATCH for one whose rows are missing or foreign."""

    LOADED = "loaded"
    EMPTY = "empty"
    ALREADY_PRESENT = "already_present"
    SKIPPED = "skipped"
    MISMATCH = "mismatch"


@dataclass(frozen=True, slots=True)
class Move:
    """A statement of sql/transitions.sql: who makes it, from which states it starts, where it may end."""

    name: str
    maker: str
    before: tuple[Status, ...]
    after: tuple[Status, ...]


_PENDING, _HELD, _COMPLETED, _FAILED = ((status,) for status in Status)
_GIVEN_UP = (Status.PENDING, Status.FAILED)

MOVES: dict[str, Move] = {
    move.name: move
    for move in (
        Move("add_windows", "generator", (), _PENDING),
        Move("claim_oldest", "run", _PENDING, _HELD),
        Move("claim_newest", "run", _PENDING, _HELD),
        Move("claim_held_back", "run", _PENDING, _HELD),
        Move("claim_in_order", "run", _PENDING, _HELD),
        Move("claim_window", "run", _PENDING, _HELD),
        Move("reserve", "backfill", _PENDING, _PENDING),
        Move("claim_oldest_of_range", "backfill", _PENDING, _HELD),
        Move("claim_newest_of_range", "backfill", _PENDING, _HELD),
        Move("leave_range", "any run", _PENDING, _PENDING),
        Move("resume", "run", _HELD, _HELD),
        Move("adopt_temporary", "run", _HELD, _HELD),
        Move("begin_source_to_stage", "owner", _HELD, _HELD),
        Move("finish_source_to_stage", "owner", _HELD, _HELD),
        Move("begin_stage_to_target", "owner", _HELD, _HELD),
        Move("finish_stage_to_target", "owner", _HELD, _HELD),
        Move("begin_audit", "owner", _HELD, _HELD),
        Move("renew", "owner", _HELD, _HELD),
        Move("park", "owner", _HELD, _HELD),
        Move("restage", "owner", _HELD, _HELD),
        Move("complete", "owner", _HELD, _COMPLETED),
        Move("fail", "owner", _HELD, _GIVEN_UP),
        Move("fail_unavailable", "owner", _HELD, _GIVEN_UP),
        Move("mismatch", "owner", _HELD, _GIVEN_UP),
        Move("release", "owner", _HELD, _PENDING),
        Move("release_run", "cleanup", _HELD, _GIVEN_UP),
        Move("release_slot", "run", _HELD, _GIVEN_UP),
        Move("interrupt_run", "run", _HELD, _PENDING),
        Move("rescue", "any run", _HELD, _GIVEN_UP),
        Move("reopen", "person", _COMPLETED + _FAILED, _PENDING),
        Move("force_reopen", "person", _COMPLETED + _FAILED + _PENDING, _PENDING),
        Move("retry", "person", _FAILED + _PENDING, _PENDING),
        Move("skip", "person", _PENDING + _FAILED, _COMPLETED),
        Move("quarantine", "person", _PENDING, _FAILED),
        Move("clear_lock", "person", _HELD, _PENDING),
        Move("clear_stale_lock", "person", _HELD, _PENDING),
        Move("regrid", "person", _PENDING, _PENDING),
    )
}

# The moves of a pipeline's own row (sql/pipelines.sql) and their makers: what holds claims back.
GATE_MOVES: dict[str, str] = {
    "pause_pipeline": "person",
    "resume_pipeline": "person",
    "note_unavailable": "owner",
    "close_circuit": "owner or person",
}
