"""The thread that renews a lock while a phase works, on both databases."""

import logging
import threading
import time

import pytest

from pipeline_framework.control_table import Database, PipelineKey, claims, progress
from pipeline_framework.control_table.lease import renewing
from pipeline_framework.errors import Fenced, LockLost, Unavailable
from tests.integration.control_table.stories import LEASE, add_hours, claim, read, run
from tests.services.control import age_leases, by_hand


def test_lease_is_renewed_while_work_goes_on(control: Database, key: PipelineKey) -> None:
    """Not at once, for the move that began the work has written it; then again and again."""
    add_hours(control, key, 1)
    record = claim(control, key, lease=0.6)
    with renewing(control, record.lock(), 0.6) as renewal:
        first = read(control, record.id).lease_expires_at
        assert first is not None
        assert first == record.lease_expires_at
        time.sleep(0.5)
        second = read(control, record.id).lease_expires_at
        assert second is not None
        assert second > first
        assert not renewal.lost.is_set()


def test_no_thread_is_left_behind(control: Database, key: PipelineKey) -> None:
    """When the block is left, well or badly, nobody renews any more."""
    add_hours(control, key, 1)
    lock = claim(control, key).lock()
    before = threading.active_count()
    with renewing(control, lock, 0.3):
        assert threading.active_count() == before + 1
    with pytest.raises(ZeroDivisionError), renewing(control, lock, 0.3):
        _ = 1 / 0
    assert threading.active_count() == before
    expires = read(control, lock.record_id).lease_expires_at
    time.sleep(0.3)
    assert read(control, lock.record_id).lease_expires_at == expires


def test_loss_is_noticed_while_the_block_works(control: Database, key: PipelineKey) -> None:
    """`lost` is set within a renewal, and leaving the block names the present holder."""
    add_hours(control, key, 1)
    lock = claim(control, key).lock()
    with pytest.raises(LockLost, match="is held by host:run:0"), renewing(control, lock, 0.3) as renewal:  # noqa: PT012
        claims.resume(control, key, run(), lease_seconds=LEASE)
        assert renewal.lost.wait(5)


def test_errors_of_a_loser_are_no_news(control: Database, key: PipelineKey) -> None:
    """Whatever went wrong after the loss: the window is another's, and that is what is told."""
    add_hours(control, key, 1)
    lock = claim(control, key).lock()
    with pytest.raises(LockLost) as told, renewing(control, lock, 0.3) as renewal:  # noqa: PT012
        progress.release(control, lock, "x")
        renewal.lost.wait(5)
        raise ZeroDivisionError
    assert isinstance(told.value.__cause__, ZeroDivisionError)


def test_more_precise_loss_is_kept(control: Database, key: PipelineKey) -> None:
    """A target that fenced the loser off says so itself."""
    add_hours(control, key, 1)
    lock = claim(control, key).lock()
    with pytest.raises(Fenced, match="the ledger"), renewing(control, lock, 0.3) as renewal:  # noqa: PT012
        progress.release(control, lock, "x")
        renewal.lost.wait(5)
        raise Fenced("the ledger has seen a newer epoch.")


def test_lock_that_ran_out_but_was_not_taken_goes_on(control: Database, key: PipelineKey) -> None:
    """The owner is alive and first: its renewal is as good as ever."""
    add_hours(control, key, 1)
    lock = claim(control, key).lock()
    age_leases(control, key)
    with renewing(control, lock, 60) as renewal:
        renewal.renew()
    expires = read(control, lock.record_id).lease_expires_at
    assert expires is not None
    assert expires > control.now()


def test_database_that_does_not_answer_is_asked_again(
    control_url: str, key: PipelineKey, caplog: pytest.LogCaptureFixture
) -> None:
    """An outage shorter than the lease costs nothing but a warning."""
    with Database(control_url, patience=0.05) as control:
        add_hours(control, key, 1)
        lock = claim(control, key).lock()
        with caplog.at_level(logging.WARNING), renewing(control, lock, 0.45) as renewal:
            by_hand(control, "SELECT 1")
            working_run = control.run
            control.run = unavailable  # type: ignore[method-assign, assignment]
            time.sleep(0.4)
            control.run = working_run  # type: ignore[method-assign]
            time.sleep(0.3)
            assert not renewal.lost.is_set()
    assert "could not be renewed" in caplog.text


def unavailable(*_: object, **__: object) -> None:
    raise Unavailable("the control database does not answer.")
