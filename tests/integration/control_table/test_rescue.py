"""Windows whose owner is gone come back; living ones are left alone. On both databases."""

from datetime import timedelta

import pytest

from pipeline_framework.control_table import Database, PipelineKey, Record, claims, progress, rescue
from pipeline_framework.control_table.states import Phase, Result, Status
from pipeline_framework.errors import LockLost
from tests.integration.control_table.stories import (
    LATER,
    LEASE,
    add_hours,
    blank,
    claim,
    hour,
    read,
    run,
    staged,
)
from tests.services.control import age_leases, by_hand


def in_phase(database: Database, record: Record) -> Record:
    """The window at work in SOURCE_TO_STAGE."""
    return progress.begin(database, record.lock(), Phase.SOURCE_TO_STAGE, lease_seconds=LEASE)


def test_living_lock_is_never_rescued_by_age(control: Database, key: PipelineKey) -> None:
    """Held since long ago, but renewed: the lease alone decides."""
    add_hours(control, key, 1)
    record = in_phase(control, claim(control, key))
    by_hand(
        control,
        "UPDATE pipeline_records SET pipeline_locked_at = :t, pipeline_start_time = :t,"
        " source_to_stage_ingestion_start_time = :t WHERE id = :id",
        t="2001-01-01T00:00:00.000000Z",
        id=record.id,
    )
    assert rescue.rescue(control, key, backoff_seconds=0) == []
    assert read(control, record.id).pipeline_status is Status.IN_PROGRESS


def test_lock_that_died_in_a_phase_counts_an_attempt(control: Database, key: PipelineKey) -> None:
    """It goes back into line after a wait, says who held it, and its owner is fenced off."""
    add_hours(control, key, 1)
    record = in_phase(control, claim(control, key))
    age_leases(control, key)
    (back,) = rescue.rescue(control, key, backoff_seconds=100)
    assert (back.id, back.pipeline_status, back.retry_attempt) == (record.id, Status.PENDING, 1)
    assert back.last_error == back.reason == "the lease ran out; it was held by host:run:0 in run run"
    assert back.not_before is not None
    assert 50 <= (back.not_before - back.record_last_updated_time).total_seconds() <= 100
    assert back.lock_epoch > record.lock_epoch
    assert (back.source_to_stage_ingestion_status, back.actor) == (Status.FAILED, "rescue")
    assert blank(back, "lock_owner", "pipeline_locked_at")
    with pytest.raises(LockLost):
        progress.complete(control, record.lock(), Result.LOADED)


def test_parked_lock_that_ran_out_counts_none(control: Database, key: PipelineKey) -> None:
    """Nobody worked on it: it is free again at once, markers and earlier error as they were."""
    add_hours(control, key, 1)
    record = claim(control, key)
    staged(control, record.lock())
    age_leases(control, key)
    (back,) = rescue.rescue(control, key, backoff_seconds=100)
    assert (back.pipeline_status, back.retry_attempt, back.not_before) == (Status.PENDING, 0, None)
    assert (back.phase_completed, back.last_error) == (Phase.SOURCE_TO_STAGE, None)
    assert back.reason == "the lease ran out; it was held by host:run:0 in run run"


def test_parked_lock_is_not_quarantined_by_its_last_attempt(control: Database, key: PipelineKey) -> None:
    """Only a counted attempt can be the last one."""
    add_hours(control, key, 1, max_attempts=1)
    claim(control, key)
    age_leases(control, key)
    assert rescue.rescue(control, key, backoff_seconds=0)[0].pipeline_status is Status.PENDING


def test_last_attempt_that_died_is_quarantined(control: Database, key: PipelineKey) -> None:
    """A window that kills its worker each time ends with a person, not in an endless loop."""
    add_hours(control, key, 1, max_attempts=2)
    for _ in range(2):
        in_phase(control, claim(control, key))
        age_leases(control, key)
        (back,) = rescue.rescue(control, key, backoff_seconds=0)
    assert (back.pipeline_status, back.retry_attempt, back.not_before) == (Status.FAILED, 2, None)
    assert back.pipeline_end_time == back.record_last_updated_time


def test_rescue_takes_all_that_is_stale_and_nothing_else(control: Database, key: PipelineKey) -> None:
    """Stale locks of this pipeline only; pending, finished, living and foreign windows stay."""
    other = PipelineKey(key.pipeline_id, "other")
    add_hours(control, key, 5)
    add_hours(control, other, 1)
    progress.complete(control, claim(control, key, "done").lock(), Result.EMPTY)
    stale = [claim(control, key, "a"), claim(control, key, "b"), claim(control, other, "c")]
    age_leases(control, key)
    living = claim(control, key, "alive")
    assert [row.id for row in rescue.rescue(control, key, backoff_seconds=0)] == [row.id for row in stale[:2]]
    assert read(control, living.id) == living
    assert rescue.rescue(control, key, backoff_seconds=0) == []
    assert [row.id for row in rescue.rescue(control, other, backoff_seconds=0)] == [stale[2].id]


def test_completed_window_is_not_rescued(control: Database, key: PipelineKey) -> None:
    """A run that finished after its lease ran out has finished: there is nothing left to rescue."""
    add_hours(control, key, 1)
    record = in_phase(control, claim(control, key))
    progress.park(control, record.lock(), seconds=LEASE)
    age_leases(control, key)
    done = progress.complete(control, record.lock(), Result.LOADED)
    assert rescue.rescue(control, key, backoff_seconds=0) == []
    assert read(control, record.id) == done


def test_temporary_run_that_died_counts_none(control: Database, key: PipelineKey) -> None:
    """`airflow tasks test` that was interrupted uses up nothing."""
    add_hours(control, key, 1, max_attempts=1)
    in_phase(control, claim(control, key, "__airflow_temporary_run_x"))
    age_leases(control, key)
    (back,) = rescue.rescue(control, key, backoff_seconds=100)
    assert (back.pipeline_status, back.retry_attempt, back.not_before) == (Status.PENDING, 0, None)


def test_cleanup_releases_what_its_run_still_holds(control: Database, key: PipelineKey) -> None:
    """Every slot of the run, whatever the lease; parked ones count nothing, those at work an attempt."""
    add_hours(control, key, 4)
    parked = claim(control, key)
    working = claims.claim_oldest(control, key, run(slot=1), watermark=LATER, lease_seconds=LEASE)
    assert working is not None
    in_phase(control, working)
    other = claim(control, key, "other")
    released = rescue.release_run(control, key, run(), backoff_seconds=100)
    assert [(row.id, row.retry_attempt) for row in released] == [(parked.id, 0), (working.id, 1)]
    assert all(row.pipeline_status is Status.PENDING for row in released)
    assert [row.not_before is None for row in released] == [True, False]
    assert released[1].last_error == "the run ended; it was still held by host:run:1 in run run"
    assert all(
        row.lock_epoch > held.lock_epoch for row, held in zip(released, (parked, working), strict=True)
    )
    assert read(control, other.id) == other


def test_cleanup_of_another_dag_or_pipeline_releases_nothing(control: Database, key: PipelineKey) -> None:
    """Scheduled runs of two DAGs have the same run id."""
    add_hours(control, key, 1)
    record = claim(control, key)
    assert rescue.release_run(control, key, run(dag="other")) == []
    assert rescue.release_run(control, PipelineKey(key.pipeline_id, "m"), run()) == []
    assert read(control, record.id) == record


def test_lease_is_by_the_clock_of_the_database(control: Database, key: PipelineKey) -> None:
    """A lease of a second is living now and stale after it, whatever this machine's clock says."""
    add_hours(control, key, 1)
    record = claim(control, key, lease=0.3)
    assert rescue.rescue(control, key, backoff_seconds=0) == []
    assert record.lease_expires_at is not None
    while control.now() <= record.lease_expires_at + timedelta(milliseconds=5):
        pass
    assert [row.window for row in rescue.rescue(control, key, backoff_seconds=0)] == [hour(0)]
