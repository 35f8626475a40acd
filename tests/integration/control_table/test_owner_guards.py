"""An owner whose window is another's by now moves nothing, and is told who holds it. On both databases."""

from collections.abc import Callable

import pytest

from pipeline_framework.control_table import Database, PipelineKey, Record, claims, progress
from pipeline_framework.control_table.states import Phase, Result
from pipeline_framework.errors import LockLost
from pipeline_framework.interfaces import Lock
from tests.integration.control_table.stories import (
    LEASE,
    claim,
    hour,
    loaded,
    read,
    run,
    staged,
)
from tests.services.control import by_hand

Move = Callable[[Database, Lock], object]

OWNERS_MOVES: dict[str, Move] = {
    "begin_source_to_stage": lambda db, lock: progress.begin(
        db, lock, Phase.SOURCE_TO_STAGE, lease_seconds=9
    ),
    "begin_stage_to_target": lambda db, lock: progress.begin(
        db, lock, Phase.STAGE_TO_TARGET, lease_seconds=9
    ),
    "begin_audit": lambda db, lock: progress.begin(db, lock, Phase.AUDIT, lease_seconds=9),
    "finish_source_to_stage": lambda db, lock: progress.finish(
        db, lock, Phase.SOURCE_TO_STAGE, park_seconds=9
    ),
    "finish_stage_to_target": lambda db, lock: progress.finish(
        db, lock, Phase.STAGE_TO_TARGET, park_seconds=9
    ),
    "renew": lambda db, lock: progress.renew(db, lock, lease_seconds=9),
    "park": lambda db, lock: progress.park(db, lock, seconds=9),
    "restage": progress.restage,
    "complete": lambda db, lock: progress.complete(db, lock, Result.EMPTY),
    "fail": lambda db, lock: progress.fail(db, lock, "x", backoff_seconds=0),
    "fail_unavailable": lambda db, lock: progress.fail_unavailable(
        db, lock, "x", backoff_seconds=0, threshold=3
    ),
    "mismatch": lambda db, lock: progress.mismatch(db, lock, "x", backoff_seconds=0),
    "release": lambda db, lock: progress.release(db, lock, "x"),
}


@pytest.mark.parametrize("move", OWNERS_MOVES)
def test_earlier_epoch_moves_nothing(control: Database, key: PipelineKey, record: Record, move: str) -> None:
    """Every move of an owner is refused once the run's next try has taken the window up."""
    loaded(control, record.lock())
    now = claims.resume(control, key, run(), lease_seconds=LEASE)
    with pytest.raises(LockLost, match=r"is held by host:run:0 in run run until .*nothing was written"):
        OWNERS_MOVES[move](control, record.lock())
    assert read(control, record.id) == now


@pytest.mark.parametrize("move", OWNERS_MOVES)
def test_window_that_was_let_go_is_not_moved(
    control: Database, key: PipelineKey, record: Record, move: str
) -> None:
    """The epoch may still be the same: whoever let go has nothing to say any more."""
    loaded(control, record.lock())
    now = progress.release(control, record.lock(), "enough")
    assert now.lock_epoch == record.lock_epoch
    with pytest.raises(
        LockLost, match=f"window {hour(0)} of {key.pipeline_id} is PENDING and held by nobody"
    ):
        OWNERS_MOVES[move](control, record.lock())
    assert read(control, record.id) == now


@pytest.mark.parametrize("move", OWNERS_MOVES)
def test_move_touches_one_window(control: Database, key: PipelineKey, record: Record, move: str) -> None:
    """Another window, held under the very same epoch by another run, stays as it is."""
    before = {"finish_stage_to_target": staged, "begin_stage_to_target": staged, "begin_audit": loaded}
    if move in before:
        before[move](control, record.lock())
    other = claim(control, key, "other")
    by_hand(
        control,
        "UPDATE pipeline_records SET lock_epoch = :e WHERE id = :id",
        e=record.lock_epoch,
        id=other.id,
    )
    OWNERS_MOVES[move](control, record.lock())
    assert read(control, other.id).columns() == {**other.columns(), "lock_epoch": record.lock_epoch}
    assert move == "renew" or read(control, record.id).move_name == move


def test_removed_window_is_named(control: Database, record: Record) -> None:
    """Also a row that somebody deleted is a lost lock, not an error of ours."""
    by_hand(control, "DELETE FROM pipeline_records WHERE id = :id", id=record.id)
    with pytest.raises(LockLost, match="not in the control table any more"):
        progress.park(control, record.lock(), seconds=1)
