"""The owner's moves. Each is refused (`LockLost`, naming the present holder) once the lock is another's.

Facts are columns that a move fills in: source_count, target_count, count_difference, percentage_difference,
audit_detail; `finish` of SOURCE_TO_STAGE also stage_epoch, manifest_address, manifest_digest. A fact that is
None, or left out, keeps what is there; only source_count is always that of the last reading.
"""

from pipeline_framework.control_table.database import Database, InDoubt
from pipeline_framework.control_table.record import Record
from pipeline_framework.control_table.states import MOVES, Phase, Result, Status
from pipeline_framework.errors import LockLost
from pipeline_framework.interfaces import Lock
from pipeline_framework.retries import patiently

COUNTS = dict.fromkeys(
    ("source_count", "target_count", "count_difference", "percentage_difference", "audit_detail")
)
MANIFEST = dict.fromkeys(("stage_epoch", "manifest_address", "manifest_digest"))
LONGEST_ERROR = 4000  # characters of last_error
PATIENCE = 60.0  # seconds; less than a lease of the default length, which is 90


def begin(database: Database, lock: Lock, phase: Phase, *, lease_seconds: float) -> Record:
    """Mark `phase` as being worked on, under a lease that `lease.renewing` keeps alive."""
    return _move(database, lock, f"begin_{phase.lower()}", lease_seconds=lease_seconds)


def finish(database: Database, lock: Lock, phase: Phase, *, park_seconds: float, **facts: object) -> Record:
    """Leave the marker of SOURCE_TO_STAGE or STAGE_TO_TARGET and park the lock; AUDIT ends in `complete`."""
    known = COUNTS | MANIFEST if phase is Phase.SOURCE_TO_STAGE else COUNTS
    filled = _filled(known, facts)
    return _move(database, lock, f"finish_{phase.lower()}", park_seconds=park_seconds, **filled)


def park(database: Database, lock: Lock, *, seconds: float) -> Record:
    """Stop working for at most `seconds`: until the next task, or until a failed try is repeated."""
    return _move(database, lock, "park", park_seconds=seconds)


def restage(database: Database, lock: Lock) -> Record:
    """The stage is lost: take the markers and counts back, keep the lock."""
    return _move(database, lock, "restage")


def complete(database: Database, lock: Lock, result: Result, **facts: object) -> Record:
    """End the window well; an AUDIT that was begun is finished with it."""
    return _move(database, lock, "complete", audit_result=result, **_filled(COUNTS, facts))


def fail(database: Database, lock: Lock, error: str, *, backoff_seconds: float, **facts: object) -> Record:
    """Count an attempt and let go: PENDING after a wait, or FAILED when the attempts are used up.

    The wait is `backoff_seconds`, doubled for every attempt before, an hour at most; half of it is by chance.
    """
    error = _storable(error)
    return _move(
        database, lock, "fail", error=error, backoff_seconds=backoff_seconds, **_filled(COUNTS, facts)
    )


def fail_unavailable(
    database: Database, lock: Lock, error: str, *, backoff_seconds: float, threshold: int, **facts: object
) -> Record:
    """Like `fail`, for a system that does not answer: no attempt is counted once the circuit has opened.

    Then the window waits until after the circuit, as `gates.note_unavailable` with the same `threshold`
    and `backoff_seconds` writes it, so that another window is tried first.
    """
    wait = {"backoff_seconds": backoff_seconds, "threshold": threshold}
    return _move(database, lock, "fail_unavailable", error=_storable(error), **wait, **_filled(COUNTS, facts))


def mismatch(
    database: Database, lock: Lock, error: str, *, backoff_seconds: float, **facts: object
) -> Record:
    """Like `fail`, for rows missing or foreign: the markers go, and the next load replaces the window."""
    error = _storable(error)
    return _move(
        database, lock, "mismatch", error=error, backoff_seconds=backoff_seconds, **_filled(COUNTS, facts)
    )


def release(database: Database, lock: Lock, reason: str) -> Record:
    """Let go without counting an attempt; the markers stay."""
    return _move(database, lock, "release", reason=reason)


def renew(database: Database, lock: Lock, *, lease_seconds: float) -> None:
    """Move the end of the lease to `lease_seconds` from now."""
    parameters = {"id": lock.record_id, "epoch": lock.epoch, "lease_seconds": lease_seconds}
    if not database.run("renew", **parameters):
        raise _lost(database, lock)


def _storable(error: str) -> str:
    """The text as both databases can keep it: no NUL, no half of a character, not without end."""
    clean = error.encode("utf-8", "replace").decode().replace("\0", "")
    return clean[:LONGEST_ERROR] or "no reason was given"


def _move(database: Database, lock: Lock, move: str, **parameters: object) -> Record:
    """Make a move; `PATIENCE` against a database that does not answer, for hours of work may hang on it."""
    doubts: list[InDoubt] = []

    def made_once() -> Record:
        try:
            return _tried(database, lock, move, parameters)
        except InDoubt as doubt:
            doubts.append(doubt)
            raise
        except LockLost:  # or this very move was made before, though its answer was lost
            if made := doubts and _made(database, lock, move):
                return made
            raise

    record: Record = patiently(PATIENCE, lock.record_id)(made_once)
    return record


def _tried(database: Database, lock: Lock, move: str, parameters: dict[str, object]) -> Record:
    rows = database.run(move, id=lock.record_id, epoch=lock.epoch, **parameters)
    if not rows:
        raise _lost(database, lock)
    return Record.of(rows[0])


def _made(database: Database, lock: Lock, move: str) -> Record | None:
    """The row, if the move whose answer was lost was made: same epoch, same move, a state it leads to.

    None for a move that keeps the lock: it may as well be made again.
    """
    rows = database.run("record_by_id", id=lock.record_id)
    now = Record.of(rows[0]) if rows else None
    same = now and now.lock_epoch == lock.epoch and now.move_name == move
    let_go = now and now.pipeline_status in set(MOVES[move].after) - {Status.IN_PROGRESS}
    return now if same and let_go else None


def _lost(database: Database, lock: Lock) -> LockLost:
    rows = database.run("record_by_id", id=lock.record_id)
    standing = (
        Record.of(rows[0]).standing if rows else f"window {lock.window} is not in the control table any more"
    )
    return LockLost(
        f"the lock of {lock.owner} (epoch {lock.epoch}) is lost: {standing}; nothing was written."
    )


def _filled(known: dict[str, None], facts: dict[str, object]) -> dict[str, object]:
    unknown = facts.keys() - known
    if unknown:
        raise TypeError(f"{', '.join(sorted(unknown))}: no fact of this move; known are {', '.join(known)}.")
    return known | facts
