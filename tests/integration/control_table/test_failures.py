"""Attempts that fail: counted, put off, quarantined. On both databases."""

from functools import partial

from pipeline_framework.control_table import Database, PipelineKey, Record, claims, decisions, progress
from pipeline_framework.control_table.states import Phase, Result, Status
from tests.integration.control_table.stories import (
    FIRST,
    LEASE,
    add_hours,
    blank,
    claim,
    hour,
    loaded,
    run,
    staged,
)
from tests.services.control import by_hand


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


def test_long_error_is_cut(control: Database, record: Record) -> None:
    """A driver's page of text does not fill the table; an empty one still says something."""
    failed = progress.fail(control, record.lock(), "x" * 100_000, backoff_seconds=0)
    assert failed.last_error == "x" * progress.LONGEST_ERROR


def test_temporary_run_counts_no_attempt(control: Database, key: PipelineKey) -> None:
    """`airflow tasks test` is somebody trying things out: its failures use up nothing."""
    add_hours(control, key, 1, max_attempts=1)
    waits = partial(progress.fail_unavailable, threshold=3)
    for move in (progress.fail, progress.mismatch, waits):
        failed = move(
            control, claim(control, key, "__airflow_temporary_run_1").lock(), "x", backoff_seconds=900
        )
        assert (failed.pipeline_status, failed.retry_attempt, failed.not_before) == (Status.PENDING, 0, None)
