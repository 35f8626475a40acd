"""Ranges: what a backfill has to itself, and how its windows come back to everybody, on both databases."""

import time
from collections.abc import Callable
from dataclasses import replace
from uuid import uuid4

import pytest

from pipeline_framework.control_table import Database, PipelineKey, Record, claims, progress, ranges, rescue
from pipeline_framework.control_table.decisions import clear_lock
from pipeline_framework.control_table.lease import keeping
from pipeline_framework.control_table.ranges import Order, Range
from pipeline_framework.control_table.states import Phase, Result
from pipeline_framework.errors import LockConflict, LockLost
from pipeline_framework.windows import Window
from tests.integration.control_table import workers
from tests.integration.control_table.proxy import proxied
from tests.integration.control_table.stories import LATER, LEASE, add_hours, claim, hour, loaded, read, run
from tests.services.control import age_leases, age_ranges, by_hand


def order(first: int, last: int, owner: str = "backfill 1") -> Order:
    """Hours `first` to `last`, the last one included."""
    return Order(Window(hour(first).start, hour(last).end), owner, "ann", "source was repaired", LEASE)


def of_range(control: Database, key: PipelineKey, mine: Range, name: str = "b") -> Record | None:
    """The oldest window of a range, claimed."""
    return claims.claim_oldest_of_range(control, key, run(name), mine, lease_seconds=LEASE)


def ordinary(control: Database, key: PipelineKey) -> list[Window]:
    """Every window that ordinary runs can take now, oldest first."""
    taken: list[Window] = []
    while record := claims.claim_oldest(control, key, run(uuid4().hex), watermark=LATER, lease_seconds=60):
        taken.append(record.window)
    return taken


def test_ordinary_claims_pass_a_range_by(control: Database, key: PipelineKey) -> None:
    """They take the windows around it, and all of them once it is over."""
    add_hours(control, key, 5)
    mine = ranges.register(control, key, order(1, 3))
    assert ordinary(control, key) == [hour(0), hour(4)]
    assert claims.claim_newest(control, key, run("n"), watermark=LATER, lease_seconds=60) is None
    chosen = claims.claim_window(control, key, run("c"), window_start=hour(2).start, lease_seconds=60)
    assert chosen is None
    assert ranges.end(control, mine) == 3
    assert ordinary(control, key) == [hour(1), hour(2), hour(3)]


def test_a_backfill_takes_its_own_windows_and_no_other(control: Database, key: PipelineKey) -> None:
    """From either end, until there is none left."""
    add_hours(control, key, 5)
    mine = ranges.register(control, key, order(1, 3))
    newest = claims.claim_newest_of_range(control, key, run("n"), mine, lease_seconds=LEASE)
    assert newest is not None
    taken = [of_range(control, key, mine, f"b {number}") for number in range(3)]
    assert newest.window == hour(3)
    assert [record and record.window for record in taken] == [hour(1), hour(2), None]


def test_a_chosen_range_does_not_wait_for_the_next_try(control: Database, key: PipelineKey) -> None:
    """Somebody wants it now: the backoff of an earlier failure holds its windows back no more."""
    add_hours(control, key, 1)
    progress.fail(control, claim(control, key).lock(), "no luck", backoff_seconds=3600)
    assert ordinary(control, key) == []
    assert of_range(control, key, ranges.register(control, key, order(0, 0))) is not None


def test_ranges_that_overlap_are_refused_and_those_that_touch_are_not(
    control: Database, key: PipelineKey
) -> None:
    """The refusal names who holds which range since when, and what to do; nothing is changed by it."""
    add_hours(control, key, 6)
    first = ranges.register(control, key, order(1, 3))
    with pytest.raises(LockConflict) as told:
        ranges.register(control, key, order(3, 5, "backfill 2"))
    assert f"{first.span}" in str(told.value)
    assert f"backfill 1 for ann since {first.since:%Y-%m-%dT%H:%M:%SZ} (source was repaired)" in str(
        told.value
    )
    assert "wait for it, end that process" in str(told.value)
    second = ranges.register(control, key, order(4, 5, "backfill 2"))
    assert ranges.standing(control, key) == [first, second]
    with pytest.raises(LockConflict):
        ranges.require_free(control, key, order(3, 3).span)
    ranges.require_free(control, key, order(0, 0).span)


def test_another_pipeline_has_ranges_of_its_own(control: Database, key: PipelineKey) -> None:
    """The same hours of a neighbour are not in the way, and ending ours leaves them aside."""
    other = PipelineKey(key.pipeline_id + "_other")
    for each in (key, other):
        add_hours(control, each, 2)
    theirs = ranges.register(control, other, order(0, 1))
    ranges.end(control, ranges.register(control, key, order(0, 1)))
    assert ordinary(control, other) == []
    assert of_range(control, other, theirs) is not None


def test_a_dead_range_is_let_go_and_its_backfill_fenced_off(control: Database, key: PipelineKey) -> None:
    """When its lease ran out any run gives its windows back; a backfill that wakes up finds nothing."""
    add_hours(control, key, 3)
    mine = ranges.register(control, key, order(0, 2))
    held = of_range(control, key, mine)
    assert held is not None
    assert ranges.expire(control, key) == []
    age_ranges(control, key)
    assert [each.id for each in ranges.expire(control, key)] == [mine.id]
    assert of_range(control, key, mine, "zombie") is None
    with pytest.raises(LockLost, match="was let go, because its lease ran out"):
        ranges.renew(control, mine, lease_seconds=LEASE)
    assert ranges.end(control, mine) == 0
    assert ordinary(control, key) == [hour(1), hour(2)]
    assert progress.release(control, held.lock(), "done").range_id is None
    assert ordinary(control, key) == [hour(0)]


def test_a_living_range_is_left_alone_when_others_are_let_go(control: Database, key: PipelineKey) -> None:
    """Only those whose lease ran out lose their windows."""
    add_hours(control, key, 4)
    dead = ranges.register(control, key, order(0, 1))
    age_ranges(control, key)
    by_hand(
        control,
        "INSERT INTO pipeline_ranges (pipeline_id, range_start, range_end, range_owner, lease_expires_at)"
        " VALUES (:id, '2013-03-10T02:00:00.000000Z', '2013-03-10T04:00:00.000000Z', 'backfill 2',"
        " '2999-01-01T00:00:00.000000Z')",
        id=key.pipeline_id,
    )
    assert [each.id for each in ranges.expire(control, key)] == [dead.id]
    assert [each.owner for each in ranges.standing(control, key)] == ["backfill 2"]


def test_a_range_of_another_epoch_is_not_ours(control: Database, key: PipelineKey) -> None:
    """After a restore of the control database the same id may be another backfill's."""
    add_hours(control, key, 2)
    mine = ranges.register(control, key, order(0, 1))
    by_hand(control, "UPDATE pipeline_ranges SET range_epoch = range_epoch + 1 WHERE id = :id", id=mine.id)
    assert of_range(control, key, mine) is None
    newest = claims.claim_newest_of_range(control, key, run("n"), mine, lease_seconds=LEASE)
    assert newest is None
    assert ranges.end(control, mine) == 0
    assert ordinary(control, key) == []


def test_a_new_backfill_takes_over_from_a_dead_one(control: Database, key: PipelineKey) -> None:
    """Its lease ran out and nobody came by: registering lets it go first, also where it is wider."""
    add_hours(control, key, 4)
    ranges.register(control, key, order(0, 3))
    age_ranges(control, key)
    second = ranges.register(control, key, order(1, 2, "backfill 2"))
    assert ordinary(control, key) == [hour(0), hour(3)]
    assert read(control, 1 + min(_ids(control, key))).range_id == second.id


def test_windows_of_a_range_that_is_not_there_come_back(control: Database, key: PipelineKey) -> None:
    """By hand, or by an older release, a window may point to nothing: the next backfill lets it go."""
    add_hours(control, key, 3)
    sql = "UPDATE pipeline_records SET range_id = 987654321 WHERE pipeline_id = :id"
    by_hand(control, sql, id=key.pipeline_id)
    assert ordinary(control, key) == []
    ranges.register(control, key, order(2, 2))
    assert ordinary(control, key) == [hour(0), hour(1)]


def _ids(control: Database, key: PipelineKey) -> list[int]:
    sql = "SELECT id FROM pipeline_records WHERE pipeline_id = :id ORDER BY window_start_time"
    return [row["id"] for row in by_hand(control, sql, id=key.pipeline_id)]


def rescued(control: Database, key: PipelineKey) -> list[Record]:
    """What a rescue lets go of when every lease ran out."""
    age_leases(control, key)
    return rescue.rescue(control, key, backoff_seconds=0)


LetGo = Callable[[Database, PipelineKey, Record], object]
LETS_GO: dict[str, LetGo] = {
    "release": lambda control, _, record: progress.release(control, record.lock(), "enough"),
    "fail": lambda control, _, record: progress.fail(control, record.lock(), "no luck", backoff_seconds=0),
    "mismatch": lambda control, _, record: progress.mismatch(
        control, loaded(control, record.lock()).lock(), "rows lost", backoff_seconds=0
    ),
    "release_run": lambda control, key, _: rescue.release_run(control, key, run("b")),
    "release_slot": lambda control, key, _: rescue.release_slot(control, key, run("b"), backoff_seconds=0),
    "interrupt_run": lambda control, key, _: rescue.interrupt_run(control, key, run("b")),
    "rescue": lambda control, key, _: rescued(control, key),
    "clear_lock": lambda control, _, record: clear_lock(
        control, record.id, actor="ann", reason="why", only_stale=False
    ),
}


@pytest.mark.parametrize("move", LETS_GO)
def test_whoever_lets_go_of_a_window_takes_it_out_of_its_range(
    control: Database, key: PipelineKey, move: str
) -> None:
    """However its turn ended, the backfill does not take it twice, and ordinary runs may have it at once."""
    add_hours(control, key, 1)
    mine = ranges.register(control, key, order(0, 0))
    record = of_range(control, key, mine)
    assert record is not None
    LETS_GO[move](control, key, record)
    assert read(control, record.id).range_id is None
    assert of_range(control, key, mine, "again") is None
    assert ordinary(control, key) == [hour(0)]


def test_a_finished_window_carries_no_range(control: Database, key: PipelineKey) -> None:
    """So that one which is reopened later is for ordinary runs."""
    add_hours(control, key, 1)
    record = of_range(control, key, ranges.register(control, key, order(0, 0)))
    assert record is not None
    assert progress.complete(control, record.lock(), Result.LOADED).range_id is None


def test_finished_windows_are_reopened_and_set_aside_together(control: Database, key: PipelineKey) -> None:
    """No ordinary run can slip in between; the reason stays with the windows."""
    add_hours(control, key, 3)
    for _ in range(2):
        progress.complete(control, claim(control, key).lock(), Result.LOADED)
    mine, reopened = ranges.register_again(control, key, order(0, 1))
    assert [(record.window, record.reload_reason) for record in reopened] == [
        (hour(0), "source was repaired"),
        (hour(1), "source was repaired"),
    ]
    assert ordinary(control, key) == [hour(2)]
    assert of_range(control, key, mine) is not None


def test_a_range_adds_no_window(control: Database, key: PipelineKey) -> None:
    """Time that has no windows yet may lie inside it; none is made for it."""
    add_hours(control, key, 2)
    ranges.register(control, key, order(0, 500))
    assert len(_ids(control, key)) == 2


def test_two_slots_of_a_run_hold_two_windows(control: Database, key: PipelineKey) -> None:
    """Clearing up after one leaves the other alone, and stopping the run puts both back, uncounted."""
    add_hours(control, key, 2)
    one, two = (
        claims.claim_oldest(control, key, run("r", slot), watermark=LATER, lease_seconds=LEASE)
        for slot in range(2)
    )
    assert one is not None
    assert two is not None
    progress.begin(control, two.lock(), Phase.SOURCE_TO_STAGE, lease_seconds=LEASE)
    assert [each.id for each in rescue.release_slot(control, key, run("r", 0), backoff_seconds=0)] == [one.id]
    assert claim(control, key, "s").id == one.id
    stopped = rescue.interrupt_run(control, key, run("r", 0))
    assert [(each.id, each.retry_attempt, each.reason) for each in stopped] == [(two.id, 0, "interrupted")]
    with pytest.raises(LockLost):
        progress.release(control, two.lock(), "too late")


def test_a_range_is_kept_while_its_backfill_works(control: Database, key: PipelineKey) -> None:
    """A thread renews it; when it turns out to be let go, leaving the block says so."""
    add_hours(control, key, 1)
    mine = ranges.register(control, key, replace(order(0, 0), lease_seconds=0.6))
    with keeping(control, mine, 0.6):
        first = ranges.standing(control, key)[0].lease_expires_at
        time.sleep(0.5)
        second = ranges.standing(control, key)[0].lease_expires_at
    assert first is not None
    assert second is not None
    assert second > first
    with pytest.raises(LockLost, match="was let go"), keeping(control, mine, 0.3) as renewal:  # noqa: PT012
        ranges.end(control, mine)
        assert renewal.lost.wait(5)


def test_of_many_that_overlap_one_is_registered(
    control: Database, key: PipelineKey, control_url: str
) -> None:
    """Processes that come at the same moment: one gets the range, the others hear whose it is."""
    add_hours(control, key, 8)
    told = workers.in_processes(4, workers.register_now, control_url, key)
    assert sorted(told) == ["refused", "refused", "refused", "registered"]
    assert len(ranges.standing(control, key)) == 1


def test_backfills_and_runs_side_by_side_share_no_window(
    control: Database, key: PipelineKey, control_url: str
) -> None:
    """Two backfills of disjoint ranges and two ordinary runs, in processes: each window is taken once."""
    add_hours(control, key, 60)
    taken = workers.in_processes(4, workers.take_own_part, control_url, key)
    ids = _ids(control, key)
    assert sorted(taken[0]) == ids[:20]
    assert sorted(taken[1]) == ids[20:40]
    assert sorted(taken[2] + taken[3]) == ids[40:]


def test_backfills_that_expire_and_return_never_share_a_window(
    control: Database, key: PipelineKey, control_url: str
) -> None:
    """Leases of milliseconds, pauses longer than they: every window is completed or in line at the end."""
    add_hours(control, key, 30)
    workers.in_processes(4, workers.backfill_carelessly, control_url, key, 3.0)
    age_ranges(control, key)
    age_leases(control, key)
    ranges.expire(control, key)
    rescue.rescue(control, key, backoff_seconds=0)
    rows = [read(control, record_id) for record_id in _ids(control, key)]
    assert {row.range_id for row in rows} == {None}
    assert {str(row.pipeline_status) for row in rows} <= {"COMPLETED", "PENDING"}


@pytest.mark.services
@pytest.mark.parametrize("register", [ranges.register, ranges.register_again])
def test_a_registration_whose_reply_was_lost_is_ours(
    postgres_control_url: str, key: PipelineKey, register: Callable[..., object]
) -> None:
    """It was made, so it is looked up by its owner and not refused as another's."""
    with proxied(postgres_control_url) as (proxy, url), Database(url) as database:
        add_hours(database, key, 3)
        ranges.register(database, key, order(0, 0, "another"))
        proxy.cut_commits = 1
        registered = register(database, key, order(1, 2))
        assert proxy.cuts == 1
        _, mine = ranges.standing(database, key)
        assert registered in (mine, (mine, []))
        assert of_range(database, key, mine) is not None


@pytest.mark.services
def test_an_end_whose_reply_was_lost_is_made_once(postgres_control_url: str, key: PipelineKey) -> None:
    """The windows are for ordinary runs, and nobody hears of an error."""
    with proxied(postgres_control_url) as (proxy, url), Database(url) as database:
        add_hours(database, key, 3)
        mine = ranges.register(database, key, order(0, 1))
        proxy.cut_commits = 1
        ranges.end(database, mine)
        assert proxy.cuts == 1
        assert ordinary(database, key) == [hour(0), hour(1), hour(2)]
