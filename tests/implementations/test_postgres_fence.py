"""Owners that overlap on a real PostgreSQL: who waits, who is ended, who is fenced, and what is left."""

import multiprocessing
import os
import secrets
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from multiprocessing.synchronize import Event as ProcessEvent
from pathlib import Path
from threading import Event
from typing import Any
from unittest.mock import patch

import psycopg2
import pyarrow as pa
import pytest
from pydantic import SecretStr

import implementations.postgres.target as postgres_target
from implementations.loading import ledger
from implementations.loading.dialect import Dialect, Table
from implementations.postgres.session import application_name, end_overtaken
from implementations.postgres.target import PostgresTarget
from implementations.postgres.words import PostgresWords
from pipeline_framework.errors import Fenced, Misuse, Unavailable
from pipeline_framework.interfaces import Loaded, Lock, Staged
from pipeline_framework.testing.staged import processes, staged_in
from pipeline_framework.testing.truth import AFTER, BEFORE, TIME_FIELD, WINDOW, lock_for, truth
from pipeline_framework.windows import Window
from tests.integration.control_table.proxy import proxied

pytestmark = pytest.mark.services
Put = Callable[..., Staged]
PLAIN = [TIME_FIELD, "number", "text"]


@pytest.fixture
def target(postgres_data_url: str) -> PostgresTarget:
    return PostgresTarget(SecretStr(postgres_data_url), f"flights_{secrets.token_hex(4)}", TIME_FIELD)


@pytest.fixture
def put(tmp_path: Path) -> Put:
    """Stages so many rows of a window."""

    def staged(rows: int = 60, window: Window = WINDOW) -> Staged:
        return staged_in(tmp_path / "staged", truth(window, rows).select(PLAIN))

    return staged


def asked(target: PostgresTarget, query: str) -> list[tuple[object, ...]]:
    with psycopg2.connect(target.url.get_secret_value()) as connection, connection.cursor() as cursor:
        cursor.execute(query)
        rows = cursor.fetchall()
    connection.close()
    return rows


def halting(staged: Staged, reached: Event, on: Event) -> Staged:
    """The same rows, of which the last ones come only when `on` is set."""

    def batches() -> pa.RecordBatchReader:
        return pa.RecordBatchReader.from_batches(staged.schema, rows())

    def rows() -> Iterator[pa.RecordBatch]:
        *first, last = staged.batches().read_all().to_batches(max_chunksize=20)
        yield from first
        reached.set()
        on.wait(60)
        yield last

    return replace(staged, batches=batches)


@contextmanager
def in_mid_load(target: PostgresTarget, lock: Lock, staged: Staged) -> Iterator[tuple[Future[Loaded], Event]]:
    """A load in a thread that has copied most of its rows and waits to be let on."""
    reached, on = Event(), Event()
    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(target.load, lock, halting(staged, reached, on))
        try:
            assert reached.wait(30)
            yield future, on
        finally:
            on.set()


def test_an_owner_that_was_overtaken_in_mid_load_is_ended(target: PostgresTarget, put: Put) -> None:
    """Who comes with a larger epoch does not wait for the one before to finish."""
    with in_mid_load(target, lock_for(epoch=5), put(10)) as (old, _):
        assert target.load(lock_for(epoch=6), put()).rows == 60
        assert not old.done()
    with pytest.raises(Unavailable):
        old.result(30)
    with pytest.raises(Fenced):
        target.load(lock_for(epoch=5), put(10))
    assert target.count(WINDOW) == 60


@pytest.mark.parametrize("late", [lock_for(epoch=4), lock_for(epoch=5, owner="run 2")])
def test_an_owner_is_never_ended_by_one_that_is_not_newer(
    target: PostgresTarget, put: Put, late: Lock
) -> None:
    """An older epoch, and the same epoch of somebody else, look for one to end, wait and are fenced."""
    looked = Event()

    def looking(*arguments: Any) -> int:
        ended = end_overtaken(*arguments)
        looked.set()
        return ended

    with in_mid_load(target, lock_for(epoch=5), put()) as (present, on), ThreadPoolExecutor(1) as pool:
        with patch.object(postgres_target, "end_overtaken", looking):
            second = pool.submit(target.load, late, put(10))
            assert looked.wait(30)
        on.set()
        assert present.result(30).rows == 60
        with pytest.raises(Fenced):
            second.result(30)
    assert target.count(WINDOW) == 60


def test_a_load_of_another_window_is_never_ended(target: PostgresTarget, put: Put) -> None:
    """Whoever holds the whole table under an older epoch of another window is waited for, not ended."""
    target.load(lock_for(), put())
    hasty = replace(target, wait_seconds=3)
    url = target.url.get_secret_value()
    name = application_name(target._table, lock_for(AFTER, epoch=1))
    other = psycopg2.connect(url, application_name=name)
    with other.cursor() as cursor:
        cursor.execute(f"LOCK TABLE {target.table} IN ACCESS EXCLUSIVE MODE")
        with pytest.raises(Unavailable, match="locked by another session"):
            hasty.load(lock_for(epoch=9), put())
        cursor.execute("SELECT 1")
        assert cursor.fetchone() == (1,)
    other.close()
    assert target.load(lock_for(epoch=9), put(10)).rows == 10


def test_other_windows_are_loaded_beside_one_in_mid_load(target: PostgresTarget, put: Put) -> None:
    """Nobody waits for a load of other time."""
    with in_mid_load(target, lock_for(), put()) as (first, on):
        assert replace(target, wait_seconds=0).load(lock_for(AFTER), put(60, AFTER)).rows == 60
        on.set()
        assert first.result(30).rows == 60


def test_two_sessions_of_an_empty_window_load_it_once(target: PostgresTarget, put: Put) -> None:
    """Where there is no ledger row yet, a row to meet at is made before."""
    with in_mid_load(target, lock_for(epoch=5), put()) as (first, on), ThreadPoolExecutor(1) as pool:
        second = pool.submit(target.load, lock_for(epoch=5), put(10))
        wait_for_blocked(target)
        on.set()
        assert first.result(30).rows == 60
        assert second.result(30).rows == 10  # staged anew by the same owner: replaced, not doubled
    assert target.count(WINDOW) == 10


def test_two_pipelines_that_race_for_the_same_time_do_not_both_get_it(
    target: PostgresTarget, put: Put
) -> None:
    """The first to ask has the time, though nothing of it is committed yet."""
    later = Window(WINDOW.start + (WINDOW.end - WINDOW.start) / 2, AFTER.end)
    with in_mid_load(target, lock_for(), put()) as (first, on):
        with pytest.raises(Misuse, match="contract"):
            target.load(lock_for(later, mapping_name="other"), put(60, later))
        on.set()
        assert first.result(30).rows == 60
    assert target.count(Window(WINDOW.start, AFTER.end)) == 60


def test_reservations_of_a_table_take_turns(target: PostgresTarget, put: Put) -> None:
    """While one is made that nobody can see yet, nobody else is told that the time is free."""
    target.load(lock_for(BEFORE), put(60, BEFORE))
    reserved, on, reserve = Event(), Event(), ledger.reserve

    def reserving(dialect: Dialect, table: Table, lock: Lock) -> None:
        reserve(dialect, table, lock)
        if not lock.mapping_name:
            reserved.set()
            on.wait(60)

    later = Window(WINDOW.start + (WINDOW.end - WINDOW.start) / 2, AFTER.end)
    with patch.object(ledger, "reserve", reserving), ThreadPoolExecutor(2) as pool:
        first = pool.submit(target.load, lock_for(), put())
        try:
            assert reserved.wait(30)
            second = pool.submit(target.load, lock_for(later, mapping_name="other"), put(60, later))
            wait_for_blocked(target)
        finally:
            on.set()
        assert first.result(30).rows == 60
        with pytest.raises(Misuse, match="contract"):
            second.result(30)


def test_a_window_asked_for_but_never_loaded_is_not_said_to_be_loaded(
    target: PostgresTarget, put: Put
) -> None:
    """The row that sessions meet at is no answer of the ledger."""
    with in_mid_load(target, lock_for(), put()):
        assert target.loaded(lock_for()) is None


def stopping(target: PostgresTarget, lock: Lock, staged: Staged, reached: ProcessEvent, number: int) -> None:
    """Load in a process that sends itself a signal in mid-load."""
    table = staged.batches().read_all()

    def rows() -> Iterator[pa.RecordBatch]:
        *first, last = table.to_batches(max_chunksize=20)
        yield from first
        reached.set()
        os.kill(os.getpid(), number)
        yield last

    def batches() -> pa.RecordBatchReader:
        return pa.RecordBatchReader.from_batches(staged.schema, rows())

    target.load(lock, replace(staged, batches=batches))


@contextmanager
def signalled(
    target: PostgresTarget, lock: Lock, staged: Staged, number: int
) -> Iterator[multiprocessing.process.BaseProcess]:
    """A process that got that signal in the middle of a load."""
    context = processes()
    reached = context.Event()
    process = context.Process(target=stopping, args=(target, lock, staged, reached, number))
    process.start()
    try:
        assert reached.wait(30)
        yield process
    finally:
        process.kill()
        process.join()


def test_a_stopped_owner_is_ended_by_the_next_and_changes_nothing_when_it_wakes(
    target: PostgresTarget, put: Put
) -> None:
    """SIGSTOP in mid-load: its backend goes, its rows do not come, and on waking it fails."""
    target.load(lock_for(epoch=4), put(30))
    with signalled(target, lock_for(epoch=5), put(50), signal.SIGSTOP) as zombie:
        assert (target.count(WINDOW), target.load(lock_for(epoch=6), put()).rows) == (30, 60)
        os.kill(zombie.pid or 0, signal.SIGCONT)
        zombie.join(30)
        assert zombie.exitcode == 1
    assert target.count(WINDOW) == 60


def test_an_owner_killed_in_mid_load_leaves_the_old_rows(target: PostgresTarget, put: Put) -> None:
    """SIGKILL in mid-load, and the next load is exact."""
    target.load(lock_for(epoch=4), put(30))
    with signalled(target, lock_for(epoch=5), put(50), signal.SIGKILL) as dead:
        dead.join(30)
        assert dead.exitcode == -signal.SIGKILL
    assert target.count(WINDOW) == 30
    assert target.load(lock_for(epoch=5), put()).rows == target.count(WINDOW) == 60


def test_a_lost_reply_to_commit_is_asked_of_the_ledger(target: PostgresTarget, put: Put) -> None:
    """The second try of the same owner answers what the first one did, and moves no row."""
    with proxied(target.url.get_secret_value()) as (proxy, url):
        lossy, staged = replace(target, url=SecretStr(url)), put()
        insert = PostgresWords.insert

        def losing(*arguments: object) -> int:
            proxy.cut_commits = 1
            return insert(*arguments)  # type: ignore[arg-type]

        with patch.object(PostgresWords, "insert", losing), pytest.raises(Unavailable):
            lossy.load(lock_for(), staged)
        assert proxy.cuts == 1
        rows = f"SELECT DISTINCT xmin::text FROM {target.table}"
        before = asked(target, rows)
        assert lossy.load(lock_for(), staged) == target.loaded(lock_for())
        assert (asked(target, rows), len(before), target.count(WINDOW)) == (before, 1, 60)


def test_locks_are_waited_for_in_short_turns_and_never_held_for_long(
    target: PostgresTarget, put: Put
) -> None:
    """What the server is told: 2 s for a lock, 60 s for a client that went silent, UTC."""
    told: list[tuple[object, ...]] = []
    insert = PostgresWords.insert

    def asking(words: PostgresWords, *arguments: object) -> int:
        names = ("lock_timeout", "idle_in_transaction_session_timeout", "timezone", "application_name")
        told.extend(words.rows("SELECT " + ", ".join(f"current_setting('{name}')" for name in names)))
        return insert(words, *arguments)  # type: ignore[arg-type]

    with patch.object(PostgresWords, "insert", asking):
        target.load(lock_for(epoch=1762146000000), put())
    *settings, name = told[0]
    assert settings == ["2s", "1min", "UTC"]
    assert str(name).startswith("contract 20131103T0500 ")
    assert str(name).endswith(" 1762146000000")


def test_the_longest_names_still_tell_windows_apart(target: PostgresTarget) -> None:
    """pg_stat_activity keeps 63 bytes."""
    lock = replace(lock_for(epoch=9999999999999), pipeline_id="p" * 200, mapping_name="m" * 200)
    names = {application_name(target._table, replace(lock, window=window)) for window in (WINDOW, AFTER)}
    assert len(names) == 2
    assert all(len(name) <= 63 and name.endswith(" 9999999999999") for name in names)


def wait_for_blocked(target: PostgresTarget) -> None:
    """Until some session of this database waits for a lock."""
    here = "datname = current_database() AND wait_event_type = 'Lock'"
    waiting = f"SELECT count(*) FROM pg_stat_activity WHERE {here}"
    for _ in range(300):
        if asked(target, waiting) != [(0,)]:
            return
        Event().wait(0.05)
    raise AssertionError("nobody waits for a lock")
