"""A person's moves, kept with who and why. On both databases."""

from typing import Any

import pytest

from pipeline_framework.control_table import Database, PipelineKey, Record, decisions, events, progress
from pipeline_framework.control_table.states import Phase, Result, Status
from pipeline_framework.errors import LockLost, Misuse
from tests.integration.control_table.stories import (
    FIRST,
    HOUR,
    LEASE,
    add_hours,
    blank,
    claim,
    hour,
    loaded,
    read,
)
from tests.services.control import age_leases

WHO: dict[str, Any] = {"actor": "ann", "reason": "the source was wrong"}


def completed(database: Database, key: PipelineKey) -> Record:
    """The oldest window, loaded and audited."""
    lock = claim(database, key).lock()
    loaded(database, lock)
    progress.begin(database, lock, Phase.AUDIT, lease_seconds=LEASE)
    return progress.complete(database, lock, Result.LOADED, target_count=5, audit_detail={"a": 1})


def quarantined(database: Database, key: PipelineKey) -> Record:
    """The oldest window, out of attempts."""
    lock = claim(database, key).lock()
    loaded(database, lock)
    return progress.fail(database, lock, "no luck", backoff_seconds=0)


def test_reopened_window_starts_anew_under_its_old_epoch(control: Database, key: PipelineKey) -> None:
    """Markers, counts, result and attempts go; reason and actor stay; the next epoch is larger."""
    add_hours(control, key, 1)
    done = completed(control, key)
    (again,) = decisions.reopen(control, key, first=FIRST, last=FIRST + HOUR, **WHO)
    assert (again.id, again.pipeline_status) == (done.id, Status.PENDING)
    assert (again.reload_reason, again.actor, again.reason) == (WHO["reason"], "ann", WHO["reason"])
    assert blank(again, "phase_completed", "stage_epoch", "manifest_address", "manifest_digest", "not_before")
    assert blank(again, "source_count", "target_count", "audit_detail", "audit_result", "audit_end_time")
    assert blank(again, "pipeline_start_time", "pipeline_end_time", "audit_start_time")
    assert again.audit_status is again.source_to_stage_ingestion_status is Status.PENDING
    assert again.lock_epoch == done.lock_epoch
    assert claim(control, key).lock_epoch > done.lock_epoch


def test_quarantined_window_can_be_reopened(control: Database, key: PipelineKey) -> None:
    """It gets all its attempts again and forgets the error."""
    add_hours(control, key, 1, max_attempts=1)
    quarantined(control, key)
    (again,) = decisions.reopen(control, key, first=FIRST, last=FIRST + HOUR, **WHO)
    assert (again.pipeline_status, again.retry_attempt, again.last_error) == (Status.PENDING, 0, None)


def test_reopening_leaves_unfinished_windows_alone(control: Database, key: PipelineKey) -> None:
    """Neither a pending nor a held window is reopened; by force a pending one is, a held one never."""
    add_hours(control, key, 2)
    held = claim(control, key)
    assert decisions.reopen(control, key, first=FIRST, last=FIRST + 2 * HOUR, **WHO) == []
    forced = decisions.reopen(control, key, first=FIRST, last=FIRST + 2 * HOUR, force=True, **WHO)
    assert [(row.window, row.reload_reason) for row in forced] == [(hour(1), WHO["reason"])]
    assert read(control, held.id) == held


def test_range_means_the_windows_that_overlap_it(control: Database, key: PipelineKey) -> None:
    """Touching is not overlapping; what comes back is in the order of time; other mappings are not meant."""
    add_hours(control, key, 4)
    for _ in range(4):
        completed(control, key)
    other = PipelineKey(key.pipeline_id, "other")
    assert decisions.reopen(control, other, first=FIRST, last=FIRST + 4 * HOUR, **WHO) == []
    moved = decisions.reopen(control, key, first=FIRST + HOUR, last=FIRST + 2.5 * HOUR, **WHO)
    assert [row.window for row in moved] == [hour(1), hour(2)]


def test_retry_gives_new_attempts_and_keeps_markers(control: Database, key: PipelineKey) -> None:
    """A quarantined window goes on where it stopped, with all its attempts."""
    add_hours(control, key, 1, max_attempts=1)
    quarantined(control, key)
    (again,) = decisions.retry(control, key, first=FIRST, last=FIRST + HOUR, **WHO)
    assert (again.pipeline_status, again.retry_attempt) == (Status.PENDING, 0)
    assert (again.phase_completed, again.pipeline_end_time) == (Phase.STAGE_TO_TARGET, None)
    assert (again.reload_reason, again.actor) == (None, "ann")
    assert claim(control, key).id == again.id


def test_retry_ends_a_wait(control: Database, key: PipelineKey) -> None:
    """A window in backoff can be claimed at once; its attempts stay counted."""
    add_hours(control, key, 1)
    progress.fail(control, claim(control, key).lock(), "no luck", backoff_seconds=900)
    (again,) = decisions.retry(control, key, first=FIRST, last=FIRST + HOUR, **WHO)
    assert (again.not_before, again.retry_attempt) == (None, 1)
    assert claim(control, key).id == again.id


def test_retry_leaves_other_windows_alone(control: Database, key: PipelineKey) -> None:
    """Waiting in line, held, finished or outside the range: nothing to retry."""
    add_hours(control, key, 4, max_attempts=1)
    completed(control, key)
    outside = quarantined(control, key)
    claim(control, key)
    everything: dict[str, Any] = {"first": FIRST, "last": FIRST + HOUR}
    assert decisions.retry(control, key, **everything, **WHO) == []
    assert decisions.retry(control, key, first=hour(2).start, last=hour(4).end, **WHO) == []
    assert (
        decisions.retry(control, PipelineKey(key.pipeline_id, "m"), first=FIRST, last=hour(9).end, **WHO)
        == []
    )
    assert read(control, outside.id) == outside


def test_cleared_lock_is_free_and_its_owner_fenced_off(control: Database, key: PipelineKey) -> None:
    """By force also a living one; no attempt is counted, markers stay."""
    add_hours(control, key, 2)
    record, other = claim(control, key), claim(control, key, "other")
    progress.begin(control, record.lock(), Phase.SOURCE_TO_STAGE, lease_seconds=LEASE)
    freed = decisions.clear_lock(control, record.id, only_stale=False, **WHO)
    assert (freed.pipeline_status, freed.retry_attempt, freed.not_before) == (Status.PENDING, 0, None)
    assert freed.source_to_stage_ingestion_status is Status.PENDING
    assert (freed.actor, freed.reason) == ("ann", WHO["reason"])
    assert freed.lock_epoch > record.lock_epoch
    assert read(control, other.id) == other
    with pytest.raises(LockLost):
        progress.renew(control, record.lock(), lease_seconds=LEASE)


def test_only_stale_spares_a_living_lock(control: Database, key: PipelineKey) -> None:
    """The refusal names the holder and the way to insist; after the lease it goes through."""
    add_hours(control, key, 1)
    record = claim(control, key)
    with pytest.raises(Misuse, match=r"held by host:run:0 in run run until .* only with --force"):
        decisions.clear_lock(control, record.id, only_stale=True, **WHO)
    assert read(control, record.id) == record
    age_leases(control, key)
    freed = decisions.clear_lock(control, record.id, only_stale=True, **WHO)
    assert (freed.pipeline_status, freed.move_name) == (Status.PENDING, "clear_stale_lock")
    assert freed.lock_epoch > record.lock_epoch


def test_lock_that_is_not_there_cannot_be_cleared(control: Database, key: PipelineKey) -> None:
    """A free window and a number that nobody knows are told apart."""
    add_hours(control, key, 1)
    record = progress.release(control, claim(control, key).lock(), "x")
    for only_stale in (True, False):
        with pytest.raises(Misuse, match="is PENDING and held by nobody, so there is no lock to clear"):
            decisions.clear_lock(control, record.id, only_stale=only_stale, **WHO)
    with pytest.raises(Misuse, match="there is no window -1"):
        decisions.clear_lock(control, -1, only_stale=False, **WHO)


def test_decisions_are_kept_in_the_events(control: Database, key: PipelineKey) -> None:
    """Who and why survive the moves that follow."""
    add_hours(control, key, 1)
    done = completed(control, key)
    decisions.reopen(control, key, first=FIRST, last=FIRST + HOUR, **WHO)
    claim(control, key)
    told = [
        (event["move_name"], event["actor"], event["reason"]) for event in events.history(control, done.id)
    ]
    assert told[-2:] == [("reopen", "ann", WHO["reason"]), ("claim_oldest", "host:run:0", None)]
