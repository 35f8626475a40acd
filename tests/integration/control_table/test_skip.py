"""Windows that a person does without, or takes out of line. On both databases."""

from collections.abc import Callable
from typing import Any

import pytest

from pipeline_framework.control_table import (
    Database,
    PipelineKey,
    Record,
    decisions,
    events,
    progress,
    ranges,
)
from pipeline_framework.control_table.ranges import Order
from pipeline_framework.control_table.states import Phase, Result, Status
from pipeline_framework.windows import Window
from tests.integration.control_table.stories import FIRST, HOUR, add_hours, claim, hour, loaded, read

WHO: dict[str, Any] = {"first": FIRST, "last": FIRST + 9 * HOUR, "actor": "ann", "reason": "no use"}
Decide = Callable[..., list[Record]]


def four_states(control: Database, key: PipelineKey) -> dict[Status, Record]:
    """A window of each state: done, quarantined, held, waiting."""
    add_hours(control, key, 4, max_attempts=1)
    done = progress.complete(control, claim(control, key).lock(), Result.LOADED)
    failed = progress.fail(control, claim(control, key).lock(), "no luck", backoff_seconds=0)
    held = claim(control, key)
    waiting = read(control, held.id + 1)
    return {record.pipeline_status: record for record in (done, failed, held, waiting)}


def test_skip_takes_what_waits_or_is_quarantined(control: Database, key: PipelineKey) -> None:
    """A held window is its owner's, a finished one is done already."""
    before = four_states(control, key)
    moved = decisions.skip(control, key, **WHO)
    assert [record.id for record in moved] == [before[Status.FAILED].id, before[Status.PENDING].id]
    for status in (Status.COMPLETED, Status.IN_PROGRESS):
        assert read(control, before[status].id) == before[status]


def test_quarantine_takes_what_waits(control: Database, key: PipelineKey) -> None:
    """One that is in quarantine keeps the error that brought it there."""
    before = four_states(control, key)
    moved = decisions.quarantine(control, key, **WHO)
    assert [record.id for record in moved] == [before[Status.PENDING].id]
    for status in (Status.COMPLETED, Status.IN_PROGRESS, Status.FAILED):
        assert read(control, before[status].id) == before[status]


def test_skipped_window_is_done_and_says_so(control: Database, key: PipelineKey) -> None:
    """No error and no wait are left, its markers stay, and the event names who and why."""
    add_hours(control, key, 1)
    lock = claim(control, key).lock()
    loaded(control, lock)
    progress.fail(control, lock, "no luck", backoff_seconds=600)
    (record,) = decisions.skip(control, key, **WHO)
    assert (record.pipeline_status, record.audit_result) == (Status.COMPLETED, Result.SKIPPED)
    assert (record.last_error, record.not_before, record.pipeline_end_time is None) == (None, None, False)
    assert record.phase_completed is Phase.STAGE_TO_TARGET
    event = events.history(control, record.id)[-1]
    assert (event["move_name"], event["actor"], event["reason"]) == ("skip", "ann", "no use")
    assert event["changes"]["last_error"] == ["no luck", None]


def test_quarantined_window_gives_the_reason_as_its_error(control: Database, key: PipelineKey) -> None:
    """Its attempts stay as they were; `retry` gives it all of them, and its markers are there."""
    add_hours(control, key, 1)
    lock = claim(control, key).lock()
    loaded(control, lock)
    progress.fail(control, lock, "no luck", backoff_seconds=600)
    (record,) = decisions.quarantine(control, key, **WHO)
    assert (record.pipeline_status, record.last_error, record.retry_attempt) == (Status.FAILED, "no use", 1)
    assert record.not_before is None
    (again,) = decisions.retry(control, key, **WHO)
    assert (again.pipeline_status, again.retry_attempt) == (Status.PENDING, 0)
    assert claim(control, key).phase_completed is Phase.STAGE_TO_TARGET


@pytest.mark.parametrize("decide", [decisions.skip, decisions.quarantine])
def test_decision_takes_a_window_out_of_its_range(
    control: Database, key: PipelineKey, decide: Decide
) -> None:
    """The backfill that had set it aside does not find it any more."""
    add_hours(control, key, 1)
    ranges.register(control, key, Order(Window(FIRST, hour(0).end), "backfill", "ann", "why", 90))
    (record,) = decide(control, key, **WHO)
    assert record.range_id is None


@pytest.mark.parametrize("decide", [decisions.skip, decisions.quarantine])
def test_decision_stays_within_its_span_and_pipeline(
    control: Database, key: PipelineKey, decide: Decide
) -> None:
    """Windows that overlap it, of this pipeline and mapping."""
    other = PipelineKey(key.pipeline_id, "m")
    add_hours(control, key, 3)
    add_hours(control, other, 3)
    span = {**WHO, "first": FIRST + 1.5 * HOUR, "last": FIRST + 1.9 * HOUR}
    assert [record.window for record in decide(control, key, **span)] == [hour(1)]
    assert claim(control, other).window == hour(0)
