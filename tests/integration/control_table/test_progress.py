"""What an owner may do with its window, and what it is told once the window is another's."""

from collections.abc import Callable
from datetime import timedelta

import pytest

from pipeline_framework.control_table import Database, PipelineKey, Record, claims, decisions, progress
from pipeline_framework.control_table.states import Phase, Result, Status
from pipeline_framework.errors import LockLost, Misuse
from pipeline_framework.interfaces import Lock
from tests.integration.control_table.stories import (
    FIRST,
    LEASE,
    add_hours,
    blank,
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
    "mismatch": lambda db, lock: progress.mismatch(db, lock, "x", backoff_seconds=0),
    "release": lambda db, lock: progress.release(db, lock, "x"),
}


@pytest.fixture
def record(control: Database, key: PipelineKey) -> Record:
    """A window that the run holds."""
    add_hours(control, key, 2, max_attempts=2)
    return claim(control, key)


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


def test_phase_works_under_a_short_lease_and_leaves_its_marker(control: Database, record: Record) -> None:
    """The beginning shortens the lease, the end leaves marker and facts and parks the lock."""
    begun = progress.begin(control, record.lock(), Phase.SOURCE_TO_STAGE, lease_seconds=30)
    assert begun.source_to_stage_ingestion_status is Status.IN_PROGRESS
    assert lease(begun) == 30
    done = progress.finish(
        control,
        record.lock(),
        Phase.SOURCE_TO_STAGE,
        park_seconds=7200,
        stage_epoch=record.lock_epoch,
        manifest_address="stage/epoch=1",
        manifest_digest="abc",
        source_count=2**40,
        audit_detail={"staged": 7, "of": ["é", None]},
    )
    assert done.source_to_stage_ingestion_status is Status.COMPLETED
    assert (done.phase_completed, done.stage_epoch) == (Phase.SOURCE_TO_STAGE, record.lock_epoch)
    assert (done.manifest_address, done.manifest_digest) == ("stage/epoch=1", "abc")
    assert (done.source_count, done.audit_detail) == (2**40, {"staged": 7, "of": ["é", None]})
    assert lease(done) == 7200
    assert done.source_to_stage_ingestion_start_time == begun.source_to_stage_ingestion_start_time
    assert done.source_to_stage_ingestion_end_time == done.record_last_updated_time


def lease(record: Record) -> float:
    """Seconds from the last move to the end of the lease."""
    assert record.lease_expires_at is not None
    return (record.lease_expires_at - record.record_last_updated_time).total_seconds()


def test_facts_left_out_keep_what_is_there(control: Database, record: Record) -> None:
    """None is no news; later facts replace earlier ones."""
    loaded(control, record.lock())
    done = progress.complete(control, record.lock(), Result.LOADED, source_count=None, target_count=4)
    assert (done.source_count, done.target_count) == (5, 4)


def test_unknown_fact_is_refused(control: Database, record: Record) -> None:
    """A misspelt column is an error of the caller, before anything is written."""
    with pytest.raises(TypeError, match="sauce_count"):
        progress.complete(control, record.lock(), Result.LOADED, sauce_count=1)
    with pytest.raises(TypeError, match="stage_epoch"):
        progress.finish(control, record.lock(), Phase.STAGE_TO_TARGET, park_seconds=1, stage_epoch=1)
    assert read(control, record.id) == record


def test_audit_ends_in_complete(control: Database, record: Record) -> None:
    """All three phases are COMPLETED, the lock is gone, the counts are there; the run is remembered."""
    loaded(control, record.lock())
    progress.begin(control, record.lock(), Phase.AUDIT, lease_seconds=LEASE)
    facts = {"target_count": 5, "count_difference": 0, "percentage_difference": 12345678.9012}
    done = progress.complete(control, record.lock(), Result.LOADED, **facts)
    assert (done.pipeline_status, done.audit_result) == (Status.COMPLETED, Result.LOADED)
    assert (done.phase_completed, done.audit_status) == (Phase.AUDIT, Status.COMPLETED)
    assert blank(done, "lock_owner", "lease_expires_at", "pipeline_locked_at")
    assert (done.dag_run_id, done.actor) == ("run", "host:run:0")
    assert done.audit_end_time == done.pipeline_end_time == done.record_last_updated_time
    assert done.percentage_difference == pytest.approx(12345678.9012)


def test_window_without_work_is_completed_without_markers(control: Database, record: Record) -> None:
    """Equal counts in pre_validation: no phase ran, and none says it did."""
    done = progress.complete(control, record.lock(), Result.ALREADY_PRESENT, source_count=5, target_count=5)
    assert blank(done, "phase_completed", "audit_end_time")
    assert done.audit_status is Status.PENDING
    with pytest.raises(LockLost, match="is COMPLETED and held by nobody"):
        progress.fail(control, record.lock(), "too late", backoff_seconds=0)


def test_completing_forgets_the_last_error(control: Database, key: PipelineKey, record: Record) -> None:
    """A finished window shows no error of an earlier attempt; the events keep it."""
    progress.fail(control, record.lock(), "no luck", backoff_seconds=0)
    done = progress.complete(control, claim(control, key).lock(), Result.EMPTY)
    assert (done.last_error, done.retry_attempt) == (None, 1)


def test_failure_counts_an_attempt_and_waits(control: Database, record: Record) -> None:
    """PENDING with the error; the wait lies between half and the whole of the backoff; markers stay."""
    staged(control, record.lock())
    progress.begin(control, record.lock(), Phase.STAGE_TO_TARGET, lease_seconds=LEASE)
    failed = progress.fail(control, record.lock(), "no luck", backoff_seconds=100, target_count=3)
    assert (failed.pipeline_status, failed.retry_attempt, failed.last_error) == (Status.PENDING, 1, "no luck")
    assert 50 <= wait(failed) <= 100
    assert failed.phase_completed is Phase.SOURCE_TO_STAGE
    assert failed.stage_to_target_ingestion_status is Status.FAILED
    assert (failed.target_count, failed.source_count) == (3, 5)
    assert blank(failed, "lock_owner", "pipeline_end_time")


def wait(record: Record) -> float:
    """Seconds from the last move to the next possible claim."""
    assert record.not_before is not None
    return (record.not_before - record.record_last_updated_time).total_seconds()


def test_wait_doubles_up_to_an_hour_and_differs(control: Database, key: PipelineKey) -> None:
    """Windows that fail together come back apart, later with every attempt."""
    add_hours(control, key, 6, max_attempts=99)
    waits: dict[int, list[float]] = {}
    for attempt in (0, 1, 2, 3, 20):
        for number in range(6):
            chosen = claims.claim_window(
                control, key, run(), window_start=hour(number).start, lease_seconds=9
            )
            assert chosen is not None
            by_attempts(control, chosen.id, attempt)
            failed = progress.fail(control, chosen.lock(), "no luck", backoff_seconds=16)
            waits.setdefault(attempt, []).append(wait(failed))
    for attempt, seconds in waits.items():
        most = min(16 * 2**attempt, 3600)
        assert all(most / 2 <= each <= most for each in seconds), (attempt, seconds)
        assert len(set(seconds)) > 1


def by_attempts(control: Database, record_id: int, attempts: int) -> None:
    by_hand(
        control, "UPDATE pipeline_records SET retry_attempt = :n WHERE id = :id", n=attempts, id=record_id
    )


def test_last_attempt_is_quarantined(control: Database, key: PipelineKey, record: Record) -> None:
    """At max_attempts the window waits for a person and others go on."""
    progress.fail(control, record.lock(), "first", backoff_seconds=0)
    failed = progress.fail(control, claim(control, key).lock(), "second", backoff_seconds=0)
    assert (failed.pipeline_status, failed.retry_attempt) == (Status.FAILED, 2)
    assert failed.not_before is None
    assert failed.pipeline_end_time == failed.record_last_updated_time
    assert claim(control, key).window == hour(1)


def test_mismatch_marks_the_window_and_loads_it_anew(control: Database, record: Record) -> None:
    """An attempt is counted, the markers go, and equal counts will not be believed."""
    loaded(control, record.lock())
    progress.begin(control, record.lock(), Phase.AUDIT, lease_seconds=LEASE)
    found = progress.mismatch(
        control, record.lock(), "2 rows lost", backoff_seconds=10, target_count=3, count_difference=2
    )
    assert (found.pipeline_status, found.audit_result) == (Status.PENDING, Result.MISMATCH)
    assert blank(found, "phase_completed", "stage_epoch", "manifest_address")
    assert (found.audit_status, found.reload_reason) == (Status.FAILED, "audit mismatch")
    assert (found.retry_attempt, found.last_error, found.target_count) == (1, "2 rows lost", 3)
    assert 5 <= wait(found) <= 10


def test_mismatch_of_the_last_attempt_is_quarantined(
    control: Database, key: PipelineKey, record: Record
) -> None:
    """It waits for a person like any other failure; the reason of an earlier reopening stays."""
    progress.fail(control, record.lock(), "first", backoff_seconds=0)
    decisions.reopen(control, key, first=FIRST, last=hour(0).end, actor="ann", reason="late data", force=True)
    progress.fail(control, claim(control, key).lock(), "first", backoff_seconds=0)
    found = progress.mismatch(control, claim(control, key).lock(), "lost", backoff_seconds=0)
    assert (found.pipeline_status, found.reload_reason) == (Status.FAILED, "late data")


def test_release_counts_nothing(control: Database, key: PipelineKey, record: Record) -> None:
    """The window is free again at once, with its markers and the reason."""
    staged(control, record.lock())
    progress.begin(control, record.lock(), Phase.STAGE_TO_TARGET, lease_seconds=LEASE)
    freed = progress.release(control, record.lock(), "interrupted")
    assert (freed.pipeline_status, freed.retry_attempt, freed.reason) == (Status.PENDING, 0, "interrupted")
    assert (freed.not_before, freed.last_error) == (None, None)
    assert freed.stage_to_target_ingestion_status is Status.PENDING
    again = claim(control, key)
    assert (again.id, again.phase_completed) == (record.id, Phase.SOURCE_TO_STAGE)


def test_park_keeps_the_lock_but_not_the_phase(control: Database, record: Record) -> None:
    """Between two tries the lock rests: no phase is at work, the epoch is the same."""
    progress.begin(control, record.lock(), Phase.SOURCE_TO_STAGE, lease_seconds=9)
    parked = progress.park(control, record.lock(), seconds=600)
    assert parked.source_to_stage_ingestion_status is Status.PENDING
    assert (lease(parked), parked.lock_epoch, parked.retry_attempt) == (600, record.lock_epoch, 0)


def test_restage_takes_the_markers_back(control: Database, record: Record) -> None:
    """Lock and epoch stay; the next phase is the first."""
    loaded(control, record.lock())
    again = progress.restage(control, record.lock())
    assert (again.pipeline_status, again.lock_epoch) == (Status.IN_PROGRESS, record.lock_epoch)
    assert blank(again, "phase_completed", "stage_epoch", "manifest_digest", "source_count")
    assert again.stage_to_target_ingestion_status is Status.PENDING
    staged(control, record.lock())


def test_marker_cannot_be_skipped(control: Database, record: Record) -> None:
    """STAGE_TO_TARGET without SOURCE_TO_STAGE breaks a rule of the table itself."""
    progress.begin(control, record.lock(), Phase.STAGE_TO_TARGET, lease_seconds=LEASE)
    with pytest.raises(Misuse, match="pipeline_records_markers"):
        progress.finish(control, record.lock(), Phase.STAGE_TO_TARGET, park_seconds=9)


def test_long_error_is_cut(control: Database, record: Record) -> None:
    """A driver's page of text does not fill the table; an empty one still says something."""
    failed = progress.fail(control, record.lock(), "x" * 100_000, backoff_seconds=0)
    assert failed.last_error == "x" * progress.LONGEST_ERROR


def test_temporary_run_counts_no_attempt(control: Database, key: PipelineKey) -> None:
    """`airflow tasks test` is somebody trying things out: its failures use up nothing."""
    add_hours(control, key, 1, max_attempts=1)
    for move in (progress.fail, progress.mismatch):
        failed = move(
            control, claim(control, key, "__airflow_temporary_run_1").lock(), "x", backoff_seconds=900
        )
        assert (failed.pipeline_status, failed.retry_attempt, failed.not_before) == (Status.PENDING, 0, None)


def test_renewal_moves_the_lease_alone(control: Database, record: Record) -> None:
    """Nothing else changes: no move is counted, no time of a change."""
    progress.renew(control, record.lock(), lease_seconds=1000)
    now = read(control, record.id)
    assert now.lease_expires_at is not None
    assert now.lease_expires_at > control.now() + timedelta(seconds=990)
    assert {**now.columns(), "lease_expires_at": record.lease_expires_at} == record.columns()
