"""`order: strict`, and several real processes at a pipeline's gates, on both databases."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from pipeline_framework.control_table import (
    Database,
    PipelineKey,
    Record,
    claims,
    decisions,
    gates,
    progress,
    ranges,
)
from pipeline_framework.control_table.gates import Gates
from pipeline_framework.control_table.ranges import Order
from pipeline_framework.control_table.states import Result
from pipeline_framework.windows import Window
from tests.integration.control_table.gate_workers import (
    THRESHOLD,
    claim_until_paused,
    fail_together,
    succeed_and_fail,
    work_in_order,
)
from tests.integration.control_table.stories import FIRST, HOUR, LATER, LEASE, add_hours, claim, hour, run
from tests.integration.control_table.workers import in_processes
from tests.services.control import by_hand


def next_in_order(control: Database, key: PipelineKey, name: str = "next") -> Record | None:
    return claims.claim_in_order(control, key, run(name), watermark=LATER, lease_seconds=LEASE)


TRACE = (
    "SELECT window_start_time AS start, event.move_name AS move FROM pipeline_record_events AS event"
    " JOIN pipeline_records ON pipeline_records.id = record_id WHERE pipeline_id = :id ORDER BY event.id"
)


def test_order_is_kept_by_processes_that_hurry(control: Database, control_url: str, key: PipelineKey) -> None:
    """Four that claim, let go and complete as fast as they can: none starts before all earlier are done."""
    add_hours(control, key, 25)
    assert sum(in_processes(4, work_in_order, control_url, key, 25)) == 25
    trace = [(str(row["start"]), row["move"]) for row in by_hand(control, TRACE, id=key.pipeline_id)]
    in_turn, done = sorted({start for start, _ in trace}), 0
    for start, move in trace:
        assert in_turn.index(start) == done
        done += move == "complete"
    assert done == 25


@pytest.mark.services
def test_claim_in_order_does_not_slip_to_the_second_row(postgres_control_url: str, key: PipelineKey) -> None:
    """While somebody's transaction holds the oldest window there is none, rather than the next."""
    with Database(postgres_control_url) as control, ThreadPoolExecutor(1) as pool:
        add_hours(control, key, 2)
        with control.transaction() as transaction:
            sql = f"SELECT id FROM pipeline_records WHERE pipeline_id = '{key.pipeline_id}' "
            transaction.script(sql + f"AND window_start_time = '{FIRST.isoformat()}' FOR UPDATE")
            assert pool.submit(next_in_order, control, key).result(timeout=5) is None
        record = next_in_order(control, key)
        assert record is not None
        assert record.window == hour(0)


def test_windows_are_claimed_one_after_the_other(control: Database, key: PipelineKey) -> None:
    """The next only when the one before it is COMPLETED."""
    add_hours(control, key, 2)
    first = next_in_order(control, key)
    assert first is not None
    assert next_in_order(control, key, "other") is None
    progress.complete(control, first.lock(), Result.EMPTY)
    second = next_in_order(control, key, "other")
    assert second is not None
    assert second.window == hour(1)


@pytest.mark.parametrize("state", ["waits", "quarantined", "set aside"])
def test_unfinished_window_holds_up_later_ones(control: Database, key: PipelineKey, state: str) -> None:
    """Whatever keeps it: its wait, a quarantine, or a backfill that set it aside."""
    add_hours(control, key, 2)
    if state == "waits":
        progress.fail(control, claim(control, key).lock(), "no luck", backoff_seconds=600)
    elif state == "quarantined":
        decisions.quarantine(control, key, first=FIRST, last=FIRST + HOUR, actor="ann", reason="x")
    else:
        ranges.register(
            control, key, Order(Window(hour(0).start, hour(0).end), "backfill", "ann", "why", LEASE)
        )
    assert next_in_order(control, key) is None
    held_up = claims.first_in_order(control, key)
    assert held_up is not None
    assert held_up.window == hour(0)
    assert claim(control, key).window == hour(1)


def test_skipped_window_lets_later_ones_go_on(control: Database, key: PipelineKey) -> None:
    """A person's way out."""
    add_hours(control, key, 2)
    decisions.skip(control, key, first=FIRST, last=FIRST + HOUR, actor="ann", reason="x")
    record = next_in_order(control, key)
    assert record is not None
    assert record.window == hour(1)


def test_order_is_kept_within_the_span(control: Database, key: PipelineKey) -> None:
    """A span that begins later does not make a later window the first; one that ends earlier gives none."""
    add_hours(control, key, 3)
    span = {"lease_seconds": LEASE}
    for since, until in ((hour(1).start, LATER), (FIRST, FIRST)):
        assert claims.claim_in_order(control, key, run(), since=since, watermark=until, **span) is None


def test_order_is_one_pipelines_own(control: Database, key: PipelineKey) -> None:
    """Unfinished windows of another pipeline or mapping hold up nobody else, of whatever kind they are."""
    for other in (PipelineKey(key.pipeline_id + "_b"), PipelineKey(key.pipeline_id, "m")):
        add_hours(control, other, 4)
        ranges.register(control, other, Order(Window(FIRST, hour(0).end), "backfill", "ann", "why", LEASE))
        claim(control, other)
        span = {"first": hour(2).start, "last": hour(2).end}
        decisions.quarantine(control, other, **span, actor="ann", reason="x")
    add_hours(control, key, 5)
    decisions.skip(control, key, first=FIRST, last=hour(3).end, actor="ann", reason="x")
    record = next_in_order(control, key)
    assert record is not None
    assert record.window == hour(4)


def test_runs_that_fail_together_open_the_circuit_once(
    control: Database, control_url: str, key: PipelineKey
) -> None:
    """Eight at the same moment: three failures are counted, one wait begins, later ones count no attempt."""
    add_hours(control, key, 8)
    outcomes = in_processes(8, fail_together, control_url, key)
    there = gates.gates(control, key)
    assert there.circuit_failures == THRESHOLD
    assert there.circuit_open
    counted = [attempts for attempts, _ in outcomes]
    assert sum(counted) >= THRESHOLD
    assert set(counted) <= {0, 1}
    assert all(beyond for attempts, beyond in outcomes if attempts == 0)


def test_success_and_failure_at_the_same_moment_agree(
    control: Database, control_url: str, key: PipelineKey
) -> None:
    """Neither waits for ever, and what stands at the end is one of the two."""
    add_hours(control, key, 1)
    counted = in_processes(4, succeed_and_fail, control_url, key, 40)
    assert all(counted[::2])
    gates.close_circuit(control, key)
    assert gates.gates(control, key) == Gates()


def test_no_claim_begins_after_a_pause(control: Database, control_url: str, key: PipelineKey) -> None:
    """Processes that claim all the time get nothing any more once the pause was made."""
    add_hours(control, key, 8)
    (paused,), *given = in_processes(4, claim_until_paused, control_url, key)
    times = [time for each in given for time in each]
    assert times
    assert max(times) <= paused
