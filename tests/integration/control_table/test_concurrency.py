"""Several real processes on one control table, on both databases."""

import os
import signal
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from itertools import pairwise
from typing import Any

import pytest

from pipeline_framework.control_table import (
    Database,
    PipelineKey,
    Record,
    claims,
    events,
    migrations,
    new_windows,
    rescue,
)
from pipeline_framework.control_table.states import Status
from pipeline_framework.windows import Window
from tests.integration.control_table.crowd import WINDOWS, move_in_a_crowd
from tests.integration.control_table.stories import FIRST, HOUR, LATER, add_hours, claim, hour, read, run
from tests.integration.control_table.workers import (
    PROCESSES,
    add_all,
    add_shifted,
    claim_all,
    die_in_phase,
    in_processes,
    migrate_now,
    work_carelessly,
    work_with_renewal,
)
from tests.services.control import by_hand
from tests.services.postgres import execute


def test_every_window_is_claimed_exactly_once(control: Database, control_url: str, key: PipelineKey) -> None:
    """Four processes that claim as fast as they can share the windows: none twice, none left."""
    add_hours(control, key, 200)
    shares = in_processes(4, claim_all, control_url, key)
    claimed = [record_id for share in shares for record_id in share]
    assert len(claimed) == len(set(claimed)) == 200


@pytest.mark.services
@pytest.mark.parametrize(
    ("claim_it", "changing", "window"),
    [
        (partial(claims.claim_oldest, watermark=LATER), hour(0), hour(1)),
        (partial(claims.claim_newest, watermark=LATER), hour(1), hour(0)),
        (partial(claims.claim_window, window_start=FIRST), hour(0), None),
    ],
)
def test_claim_passes_over_a_row_that_is_being_changed(
    postgres_control_url: str,
    key: PipelineKey,
    claim_it: Callable[..., Record | None],
    changing: Window,
    window: Window | None,
) -> None:
    """Somebody's open transaction on a window holds up nobody: the next one is taken at once, or none."""
    with Database(postgres_control_url) as control, ThreadPoolExecutor(1) as pool:
        add_hours(control, key, 2)
        with control.transaction() as transaction:
            sql = f"SELECT id FROM pipeline_records WHERE pipeline_id = '{key.pipeline_id}' "
            transaction.script(sql + f"AND window_start_time = '{changing.start.isoformat()}' FOR UPDATE")
            claimed = pool.submit(claim_it, control, key, run(), lease_seconds=60).result(timeout=5)
        assert (claimed.window if claimed else None) == window


@pytest.mark.services
def test_rescue_passes_over_a_row_that_is_being_changed(postgres_control_url: str, key: PipelineKey) -> None:
    """An owner in the middle of a move is not waited for; the next rescue looks at it again."""
    with Database(postgres_control_url) as control, ThreadPoolExecutor(1) as pool:
        add_hours(control, key, 1)
        record = claim(control, key, lease=-1)
        with control.transaction() as changing:
            changing.run("renew", id=record.id, epoch=record.lock_epoch, lease_seconds=60)
            rescued_now = pool.submit(rescue.rescue, control, key, backoff_seconds=0).result(timeout=5)
        assert rescued_now == []
        assert rescue.rescue(control, key, backoff_seconds=0) == []


def test_windows_of_many_generators_are_added_once(
    control: Database, control_url: str, key: PipelineKey
) -> None:
    """Four that add the same windows at the same time add each once, and what they tell adds up."""
    added = in_processes(4, add_all, control_url, key, 300)
    assert sum(added) == 300
    assert new_windows.islands(control, key) == [Window(FIRST, FIRST + 300 * HOUR)]
    assert len(window_ids(control, key)) == 300


def test_generators_that_cross_each_other_never_overlap(
    control: Database, control_url: str, key: PipelineKey
) -> None:
    """Of four with windows that overlap one comes first; the others are refused whole."""
    succeeded = in_processes(4, add_shifted, control_url, key)
    assert sum(succeeded) == 1
    assert len(new_windows.islands(control, key)) == 1
    assert len(window_ids(control, key)) == 20


def window_ids(control: Database, key: PipelineKey) -> list[int]:
    sql = "SELECT id FROM pipeline_records WHERE pipeline_id = :id"
    return [row["id"] for row in by_hand(control, sql, id=key.pipeline_id)]


@pytest.mark.services
def test_generator_waits_for_another_of_its_pipeline(postgres_control_url: str, key: PipelineKey) -> None:
    """Between its look for overlaps and its adding, nobody else adds."""
    with Database(postgres_control_url) as database, ThreadPoolExecutor(1) as pool:
        add_hours(database, key, 1)
        with database.transaction() as other:
            other.run("lock_pipeline", **key.parameters)
            adding = pool.submit(add_hours, database, key, 2)
            with pytest.raises(TimeoutError):
                adding.result(timeout=1)
        adding.result(timeout=30)
        assert new_windows.islands(database, key) == [Window(FIRST, FIRST + 2 * HOUR)]


def test_processes_that_migrate_together_apply_once(fresh_url: str) -> None:
    """Every migration is applied by one of them; the others wait for it and find it there."""
    applied = in_processes(4, migrate_now, fresh_url)
    with Database(fresh_url) as database:
        known = [migration.name for migration in migrations.status(database)]
        assert sorted(name for names in applied for name in names) == known
        assert migrations.pending(database) == []


def test_careless_owners_never_finish_what_was_taken_away(
    control: Database, control_url: str, key: PipelineKey
) -> None:
    """Leases run out in the middle of work all the time: still every move stands under the newest epoch.

    After a rescue nothing happens to a window until somebody claims it, and it is completed once.
    """
    add_hours(control, key, 150, max_attempts=1000)
    lost = in_processes(4, work_carelessly, control_url, key, 2.5)
    assert sum(lost) > 0
    stories = [events.history(control, record_id) for record_id in window_ids(control, key)]
    assert sum(event["move_name"] == "rescue" for story in stories for event in story) > 0
    for story in stories:
        check_story(story)


def check_story(story: list[dict[str, Any]]) -> None:
    """Epochs never go back, a free window is only ever claimed, and a completed one is left alone."""
    for before, after in pairwise(story):
        assert after["lock_epoch"] >= before["lock_epoch"], (before, after)
        assert after["from_status"] == before["to_status"], (before, after)
        if before["to_status"] == "PENDING":
            assert after["move_name"] == "claim_oldest", (before, after)
        assert before["to_status"] != "COMPLETED", (before, after)
        if after["move_name"] not in ("claim_oldest", "rescue"):
            assert after["lock_epoch"] == before["lock_epoch"], (before, after)
            assert after["actor"] == before["actor"], (before, after)


@contextmanager
def working(url: str, key: PipelineKey, seconds: float) -> Iterator[Any]:
    """A process that works on the oldest window; its pid and its outcome come through the queue."""
    outcome = PROCESSES.Queue()
    process = PROCESSES.Process(target=work_with_renewal, args=(url, key, seconds, outcome))
    process.start()
    try:
        yield outcome
        process.join(30)
    finally:
        process.kill()
        process.join()


def test_living_job_keeps_its_window_however_long_it_takes(
    control: Database, control_url: str, key: PipelineKey
) -> None:
    """Work of several leases is never rescued, because the thread renews; then it finishes."""
    add_hours(control, key, 1)
    with working(control_url, key, 2.5) as outcome:
        outcome.get(timeout=30)
        ends = time.monotonic() + 2.2
        while time.monotonic() < ends:
            assert rescue.rescue(control, key, backoff_seconds=0) == []
            time.sleep(0.02)
        assert outcome.get(timeout=30) == "finished"


def test_stopped_process_that_comes_back_is_fenced_off(
    control: Database, control_url: str, key: PipelineKey
) -> None:
    """A process that slept through its lease finds another run in its place and writes nothing."""
    add_hours(control, key, 1)
    with working(control_url, key, 1.0) as outcome:
        pid = outcome.get(timeout=30)
        time.sleep(0.2)
        os.kill(pid, signal.SIGSTOP)
        try:
            (back,) = rescued(control, key)
            record = claims.claim_oldest(control, key, run("next"), watermark=LATER, lease_seconds=60)
        finally:
            os.kill(pid, signal.SIGCONT)
        assert outcome.get(timeout=30).startswith("lost: the lock of host:worker:0")
    assert record is not None
    assert (record.id, record.retry_attempt) == (back.id, 1)
    assert read(control, record.id) == record


def rescued(control: Database, key: PipelineKey) -> list[Any]:
    """Rescue until something was, 10 seconds at most."""
    ends = time.monotonic() + 10
    while time.monotonic() < ends:
        if back := rescue.rescue(control, key, backoff_seconds=0):
            return back
        time.sleep(0.05)
    return []


def test_window_of_a_killed_process_comes_back(control: Database, control_url: str, key: PipelineKey) -> None:
    """Nothing stays stuck after a crash: the lease runs out, an attempt is counted, the window is free."""
    add_hours(control, key, 1)
    process = PROCESSES.Process(target=die_in_phase, args=(control_url, key))
    process.start()
    process.join(30)
    assert process.exitcode == -signal.SIGKILL
    (back,) = rescued(control, key)
    assert (back.pipeline_status, back.retry_attempt) == (Status.PENDING, 1)
    assert claim(control, key).id == back.id


@pytest.mark.services
def test_moves_of_many_rows_never_wait_for_each_other_in_a_ring(
    fresh_postgres: Callable[[], str], key: PipelineKey
) -> None:
    """Stretches that overlap, rescues, ranges and cleanups at once: no deadlock, and nothing fails."""
    url = fresh_postgres()
    execute(url, f"ALTER DATABASE {url.rpartition('/')[2]} SET deadlock_timeout = '20ms'")
    with Database(url) as control:
        migrations.migrate(control)
        add_hours(control, key, WINDOWS)
        failed = in_processes(4, move_in_a_crowd, url, key, 3.0)
        rings = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"
        assert by_hand(control, rings) == [{"deadlocks": 0}]
    assert [error for errors in failed for error in errors] == []
