"""What an owner may do with its window, on both databases."""

from datetime import timedelta

import pytest

from pipeline_framework.control_table import Database, PipelineKey, Record, progress
from pipeline_framework.control_table.states import Phase, Result, Status
from pipeline_framework.errors import LockLost, Misuse
from tests.integration.control_table.stories import (
    LEASE,
    blank,
    claim,
    loaded,
    read,
    staged,
)


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


def test_a_load_that_counts_nothing_forgets_the_count_of_a_mismatch(
    control: Database, key: PipelineKey, record: Record
) -> None:
    """A transfer without a count at reading is audited by the count of now, not by an earlier attempt's."""
    progress.mismatch(
        control, record.lock(), "5 are foreign", backoff_seconds=0, source_count=0, target_count=5
    )
    again = claim(control, key)
    assert (again.source_count, again.target_count) == (0, 5)
    marked = progress.finish(
        control, again.lock(), Phase.SOURCE_TO_STAGE, park_seconds=9, audit_detail={"staged": None}
    )
    assert (marked.source_count, marked.target_count) == (None, 5)
    assert progress.finish(control, again.lock(), Phase.STAGE_TO_TARGET, park_seconds=9).audit_detail == {
        "staged": None
    }


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


def test_renewal_moves_the_lease_alone(control: Database, record: Record) -> None:
    """Nothing else changes: no move is counted, no time of a change."""
    progress.renew(control, record.lock(), lease_seconds=1000)
    now = read(control, record.id)
    assert now.lease_expires_at is not None
    assert now.lease_expires_at > control.now() + timedelta(seconds=990)
    assert {**now.columns(), "lease_expires_at": record.lease_expires_at} == record.columns()
