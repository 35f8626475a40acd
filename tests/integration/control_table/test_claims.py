"""Who gets which window, on both databases."""

from datetime import timedelta

import pytest

from pipeline_framework.control_table import Database, Holder, PipelineKey, claims, decisions, progress
from pipeline_framework.control_table.states import Phase, Status
from pipeline_framework.errors import LockConflict, LockLost
from tests.integration.control_table.stories import (
    FIRST,
    HOUR,
    LATER,
    LEASE,
    add_hours,
    claim,
    hour,
    read,
    run,
    staged,
)
from tests.services.control import age_leases, by_hand


def test_oldest_ready_window_comes_first(control: Database, key: PipelineKey) -> None:
    """Runs get windows in the order of time, newest-first from the other end."""
    add_hours(control, key, 4)
    assert claim(control, key, "a").window == hour(0)
    newest = claims.claim_newest(control, key, run("b"), watermark=LATER, lease_seconds=LEASE)
    assert newest is not None
    assert newest.window == hour(3)
    assert claim(control, key, "c").window == hour(1)


def test_claim_writes_who_holds_the_window(control: Database, key: PipelineKey) -> None:
    """Run, slot, owner, epoch, lease and start are there; the epoch is the clock in milliseconds."""
    add_hours(control, key, 1)
    record = claims.claim_oldest(control, key, run("a", 3, "d"), watermark=LATER, lease_seconds=60)
    assert record is not None
    assert (record.dag_id, record.dag_run_id, record.run_slot, record.lock_owner) == ("d", "a", 3, "host:a:3")
    assert record.pipeline_status is Status.IN_PROGRESS
    assert record.lease_expires_at is not None
    assert record.lease_expires_at - record.record_last_updated_time == timedelta(seconds=60)
    assert record.pipeline_locked_at == record.pipeline_start_time == record.record_last_updated_time
    assert abs(record.lock_epoch - control.now().timestamp() * 1000) < 10_000


def test_watermark_decides_readiness(control: Database, key: PipelineKey) -> None:
    """A window is ready when its end is at or before the watermark, not before."""
    add_hours(control, key, 1)
    ends = hour(0).end
    early = ends - timedelta(microseconds=1)
    for take in (claims.claim_oldest, claims.claim_newest):
        assert take(control, key, run(), watermark=early, lease_seconds=LEASE) is None
    assert claims.claim_oldest(control, key, run(), watermark=ends, lease_seconds=LEASE) is not None


def test_since_leaves_earlier_windows_alone(control: Database, key: PipelineKey) -> None:
    """Only windows that start at or after `since` are taken."""
    add_hours(control, key, 3)
    record = claims.claim_oldest(
        control, key, run(), watermark=LATER, since=hour(1).start, lease_seconds=LEASE
    )
    assert record is not None
    assert record.window == hour(1)
    late = hour(2).start + timedelta(microseconds=1)
    for take in (claims.claim_oldest, claims.claim_newest):
        assert take(control, key, run("b"), watermark=LATER, since=late, lease_seconds=LEASE) is None


def test_claims_stay_within_their_pipeline(control: Database, key: PipelineKey) -> None:
    """Neither another pipeline nor another mapping of the same one is touched."""
    add_hours(control, key, 1)
    for other in (PipelineKey(key.pipeline_id + "x"), PipelineKey(key.pipeline_id, "m")):
        assert claims.claim_oldest(control, other, run(), watermark=LATER, lease_seconds=LEASE) is None
        assert claims.claim_newest(control, other, run(), watermark=LATER, lease_seconds=LEASE) is None
        assert claims.claim_window(control, other, run(), window_start=FIRST, lease_seconds=LEASE) is None


def test_backoff_holds_a_window_back_until_it_has_passed(control: Database, key: PipelineKey) -> None:
    """A failed window waits: others go first, then it is claimed again, and `not_before` is gone."""
    add_hours(control, key, 1)
    progress.fail(control, claim(control, key).lock(), "no luck", backoff_seconds=600)
    for take in (claims.claim_oldest, claims.claim_newest):
        assert take(control, key, run(), watermark=LATER, lease_seconds=LEASE) is None
    past = "UPDATE pipeline_records SET not_before = '2001-01-01T00:00:00.000000Z' WHERE pipeline_id = :id"
    by_hand(control, past, id=key.pipeline_id)
    assert claim(control, key).not_before is None


def test_chosen_window_is_taken_in_spite_of_its_wait(control: Database, key: PipelineKey) -> None:
    """Somebody who names a window does not wait for its backoff."""
    add_hours(control, key, 3)
    first = claims.claim_window(control, key, run(), window_start=hour(1).start, lease_seconds=LEASE)
    assert first is not None
    progress.fail(control, first.lock(), "no luck", backoff_seconds=600)
    again = claims.claim_window(control, key, run(), window_start=hour(1).start, lease_seconds=LEASE)
    assert again is not None
    assert (again.window, again.not_before) == (hour(1), None)


def test_chosen_window_that_is_held_or_done_is_not_taken(control: Database, key: PipelineKey) -> None:
    """None, so that the caller can say who holds it."""
    add_hours(control, key, 1)
    record = claim(control, key, "a")
    assert claims.claim_window(control, key, run("b"), window_start=FIRST, lease_seconds=LEASE) is None
    assert claims.whose(control, record.id).startswith(
        f"window {hour(0)} of {key.pipeline_id} is held by host:a:0"
    )
    assert "not in the control table" in claims.whose(control, -1)


def test_slot_holds_one_window_at_a_time(control: Database, key: PipelineKey) -> None:
    """A second claim of the same run and slot is refused and changes nothing; another slot gets the next."""
    add_hours(control, key, 3)
    claim(control, key)
    with pytest.raises(LockConflict, match=r"run run slot 0 holds a window .* already"):
        claim(control, key)
    other = claims.claim_oldest(control, key, run(slot=1), watermark=LATER, lease_seconds=LEASE)
    assert other is not None
    assert other.window == hour(1)


def test_resume_takes_the_lock_up_under_a_new_epoch(control: Database, key: PipelineKey) -> None:
    """The run's next try has the same window and markers; the earlier try is fenced off."""
    add_hours(control, key, 1)
    first = claim(control, key)
    staged(control, first.lock())
    progress.begin(control, first.lock(), Phase.STAGE_TO_TARGET, lease_seconds=LEASE)
    second = claims.resume(control, key, run(), lease_seconds=50)
    assert second is not None
    assert (second.id, second.phase_completed) == (first.id, Phase.SOURCE_TO_STAGE)
    assert second.lock_epoch > first.lock_epoch
    assert second.stage_to_target_ingestion_status is Status.PENDING
    assert second.lease_expires_at is not None
    assert second.lease_expires_at - second.record_last_updated_time == timedelta(seconds=50)
    with pytest.raises(LockLost, match=f"epoch {first.lock_epoch}.*is held by host:run:0"):
        progress.renew(control, first.lock(), lease_seconds=LEASE)


@pytest.mark.parametrize("other", [run("other"), run(slot=1), run(dag="other")])
def test_resume_is_for_ones_own_lock(control: Database, key: PipelineKey, other: Holder) -> None:
    """Another run, slot or DAG finds nothing to resume, and leaves the epoch as it is."""
    add_hours(control, key, 1)
    record = claim(control, key)
    assert claims.resume(control, key, other, lease_seconds=LEASE) is None
    assert claims.resume(control, PipelineKey(key.pipeline_id, "m"), run(), lease_seconds=LEASE) is None
    assert read(control, record.id) == record


def test_finished_window_is_not_resumed(control: Database, key: PipelineKey) -> None:
    """A run that let go holds nothing, though the row remembers which run held it last."""
    add_hours(control, key, 1)
    record = progress.release(control, claim(control, key).lock(), "enough")
    assert claims.resume(control, key, run(), lease_seconds=LEASE) is None
    assert claims.last_held(control, key, run()) == record
    assert claims.last_held(control, key, run("other")) is None


def test_epoch_never_goes_back(control: Database, key: PipelineKey) -> None:
    """After a restore the row may carry an epoch of a clock ahead: the next one is larger all the same."""
    add_hours(control, key, 1)
    ahead = int(control.now().timestamp() * 1000) + 10**9
    by_hand(
        control,
        "UPDATE pipeline_records SET lock_epoch = :e WHERE pipeline_id = :id",
        e=ahead,
        id=key.pipeline_id,
    )
    assert claim(control, key).lock_epoch == ahead + 1
    resumed = claims.resume(control, key, run(), lease_seconds=LEASE)
    assert resumed is not None
    assert resumed.lock_epoch == ahead + 2


TRY = "__airflow_temporary_run_2013-03-10T0{}:00:00"


def test_next_task_test_adopts_the_newest_temporary_lock(control: Database, key: PipelineKey) -> None:
    """Each call of `airflow tasks test` has a run id of its own; the later call goes on with the window."""
    add_hours(control, key, 2)
    first, second = claim(control, key, TRY.format(1)), claim(control, key, TRY.format(2))
    by_hand(
        control,
        "UPDATE pipeline_records SET pipeline_locked_at = '2001-01-01T00:00:00.000000Z' WHERE id = :id",
        id=first.id,
    )
    adopted = claims.adopt_temporary(control, key, run(TRY.format(3)), lease_seconds=LEASE)
    assert adopted is not None
    assert (adopted.id, adopted.dag_run_id) == (second.id, TRY.format(3))
    assert adopted.lock_epoch > second.lock_epoch


def test_ordinary_runs_and_their_locks_are_never_adopted(control: Database, key: PipelineKey) -> None:
    """Adoption is between calls of `airflow tasks test` alone, of one DAG and slot."""
    add_hours(control, key, 2)
    claim(control, key, "scheduled")
    temporary = run(TRY.format(1))
    assert claims.adopt_temporary(control, key, temporary, lease_seconds=LEASE) is None
    claim(control, key, TRY.format(1))
    for other in (run("scheduled_2"), run(TRY.format(2), dag="other"), run(TRY.format(2), slot=1)):
        assert claims.adopt_temporary(control, key, other, lease_seconds=LEASE) is None


def test_temporary_lock_at_work_is_left_alone(control: Database, key: PipelineKey) -> None:
    """A call that works in another shell keeps its window, until its lease runs out."""
    add_hours(control, key, 1)
    record = claim(control, key, TRY.format(1))
    progress.begin(control, record.lock(), Phase.SOURCE_TO_STAGE, lease_seconds=LEASE)
    assert claims.adopt_temporary(control, key, run(TRY.format(2)), lease_seconds=LEASE) is None
    age_leases(control, key)
    adopted = claims.adopt_temporary(control, key, run(TRY.format(2)), lease_seconds=LEASE)
    assert adopted is not None
    assert adopted.source_to_stage_ingestion_status is Status.PENDING


def test_start_of_work_is_kept_from_the_first_claim(control: Database, key: PipelineKey) -> None:
    """`pipeline_start_time` is when work on the window began, until it is reopened."""
    add_hours(control, key, 1)
    first = claim(control, key)
    progress.release(control, first.lock(), "later")
    assert claim(control, key).pipeline_start_time == first.pipeline_start_time
    decisions.clear_lock(control, first.id, actor="ann", reason="x", only_stale=False)
    decisions.reopen(control, key, first=FIRST, last=FIRST + HOUR, actor="ann", reason="x", force=True)
    assert read(control, first.id).pipeline_start_time is None
