"""Owners that overlap on a real MariaDB: who waits, who is ended, who is fenced, and what is left."""

import multiprocessing
import os
import secrets
import signal
import socket
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from multiprocessing.synchronize import Event as ProcessEvent
from pathlib import Path
from threading import Event
from typing import Any
from unittest.mock import patch

import pyarrow as pa
import pytest
from pydantic import SecretStr

import implementations.mysql.target as mysql_target
from implementations.loading import ledger
from implementations.loading.dialect import Dialect, Table
from implementations.mysql.session import end_overtaken, opened, sign_of
from implementations.mysql.target import MySQLTarget
from implementations.mysql.words import MySQLWords
from pipeline_framework.errors import Fenced, Misuse, Unavailable
from pipeline_framework.interfaces import Loaded, Lock, Staged
from pipeline_framework.testing.staged import processes, staged_in
from pipeline_framework.testing.truth import AFTER, BEFORE, TIME_FIELD, WINDOW, lock_for, truth
from pipeline_framework.windows import Window
from tests.services.mariadb import execute

pytestmark = pytest.mark.services
Put = Callable[..., Staged]
PLAIN = [TIME_FIELD, "number", "text"]


@pytest.fixture
def target(mariadb_data_url: str) -> MySQLTarget:
    return MySQLTarget(SecretStr(mariadb_data_url), f"flights_{secrets.token_hex(4)}", TIME_FIELD)


@pytest.fixture
def put(tmp_path: Path) -> Put:
    """Stages so many rows of a window."""

    def staged(rows: int = 60, window: Window = WINDOW) -> Staged:
        return staged_in(tmp_path / "staged", truth(window, rows).select(PLAIN))

    return staged


def asked(target: MySQLTarget, query: str) -> list[tuple[Any, ...]]:
    return execute(target.url.get_secret_value(), query)


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
def in_mid_load(target: MySQLTarget, lock: Lock, staged: Staged) -> Iterator[tuple[Future[Loaded], Event]]:
    """A load in a thread that has copied most of its rows and waits to be let on."""
    reached, on = Event(), Event()
    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(target.load, lock, halting(staged, reached, on))
        try:
            assert reached.wait(30)
            yield future, on
        finally:
            on.set()


def test_an_owner_that_was_overtaken_in_mid_load_is_ended(target: MySQLTarget, put: Put) -> None:
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
def test_an_owner_is_never_ended_by_one_that_is_not_newer(target: MySQLTarget, put: Put, late: Lock) -> None:
    """An older epoch, and the same epoch of somebody else, look for one to end, wait and are fenced."""
    looked = Event()

    def looking(*arguments: Any) -> int:
        ended = end_overtaken(*arguments)
        looked.set()
        return ended

    with in_mid_load(target, lock_for(epoch=5), put()) as (present, on), ThreadPoolExecutor(1) as pool:
        with patch.object(mysql_target, "end_overtaken", looking):
            second = pool.submit(target.load, late, put(10))
            assert looked.wait(30)
        on.set()
        assert present.result(30).rows == 60
        with pytest.raises(Fenced):
            second.result(30)
    assert target.count(WINDOW) == 60


def test_a_load_of_another_window_is_never_ended(target: MySQLTarget, put: Put) -> None:
    """Whoever holds the whole table under an older epoch of another window is waited for, not ended."""
    target.load(lock_for(), put())
    hasty, sign = replace(target, wait_seconds=3), sign_of(target._table, lock_for(AFTER, epoch=1))
    with opened(target._address, "t", sign) as other:
        other.rows(f"LOCK TABLES `{target.table}` WRITE")
        with ThreadPoolExecutor(1) as pool:
            busy = pool.submit(other.rows, "SELECT SLEEP(6)")
            with pytest.raises(Unavailable, match="locked by another session"):
                hasty.load(lock_for(epoch=9), put())
            assert busy.result(30) == [(0,)]
    assert target.load(lock_for(epoch=9), put(10)).rows == 10


def test_other_windows_are_loaded_beside_one_in_mid_load(target: MySQLTarget, put: Put) -> None:
    """Nobody waits for a load of other time."""
    with in_mid_load(target, lock_for(), put()) as (first, on):
        assert replace(target, wait_seconds=0).load(lock_for(AFTER), put(60, AFTER)).rows == 60
        on.set()
        assert first.result(30).rows == 60


def test_two_sessions_of_an_empty_window_load_it_once(target: MySQLTarget, put: Put) -> None:
    """Where there is no ledger row yet, a row to meet at is made before."""
    with in_mid_load(target, lock_for(epoch=5), put()) as (first, on), ThreadPoolExecutor(1) as pool:
        second = pool.submit(target.load, lock_for(epoch=5), put(10))
        wait_for_blocked(target)
        on.set()
        assert first.result(30).rows == 60
        assert second.result(30).rows == 10  # staged anew by the same owner: replaced, not doubled
    assert target.count(WINDOW) == 10


def test_two_pipelines_that_race_for_the_same_time_do_not_both_get_it(target: MySQLTarget, put: Put) -> None:
    """The first to ask has the time, though nothing of it is committed yet."""
    later = Window(WINDOW.start + (WINDOW.end - WINDOW.start) / 2, AFTER.end)
    with in_mid_load(target, lock_for(), put()) as (first, on):
        with pytest.raises(Misuse, match="contract"):
            target.load(lock_for(later, mapping_name="other"), put(60, later))
        on.set()
        assert first.result(30).rows == 60
    assert target.count(Window(WINDOW.start, AFTER.end)) == 60


def test_reservations_of_a_table_take_turns(target: MySQLTarget, put: Put) -> None:
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


def test_a_window_asked_for_but_never_loaded_is_not_said_to_be_loaded(target: MySQLTarget, put: Put) -> None:
    """The row that sessions meet at is no answer of the ledger."""
    with in_mid_load(target, lock_for(), put()):
        assert target.loaded(lock_for()) is None


def stopping(target: MySQLTarget, lock: Lock, staged: Staged, reached: ProcessEvent, number: int) -> None:
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
    target: MySQLTarget, lock: Lock, staged: Staged, number: int
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
    target: MySQLTarget, put: Put
) -> None:
    """SIGSTOP in mid-load: its backend goes, its rows do not come, and on waking it fails."""
    target.load(lock_for(epoch=4), put(30))
    with signalled(target, lock_for(epoch=5), put(50), signal.SIGSTOP) as zombie:
        assert (target.count(WINDOW), target.load(lock_for(epoch=6), put()).rows) == (30, 60)
        os.kill(zombie.pid or 0, signal.SIGCONT)
        zombie.join(30)
        assert zombie.exitcode == 1
    assert target.count(WINDOW) == 60


def test_an_owner_killed_in_mid_load_leaves_the_old_rows(target: MySQLTarget, put: Put) -> None:
    """SIGKILL in mid-load, and the next load is exact."""
    target.load(lock_for(epoch=4), put(30))
    with signalled(target, lock_for(epoch=5), put(50), signal.SIGKILL) as dead:
        dead.join(30)
        assert dead.exitcode == -signal.SIGKILL
    assert target.count(WINDOW) == 30
    assert target.load(lock_for(epoch=5), put()).rows == target.count(WINDOW) == 60


def test_a_lost_reply_to_commit_is_asked_of_the_ledger(target: MySQLTarget, put: Put) -> None:
    """The second try of the same owner answers what the first one did, and moves no row."""
    staged, rows = put(), MySQLWords.rows

    def losing(words: MySQLWords, statement: str, *values: Any) -> Any:
        if statement == "COMMIT" and sent:
            words.connection._execute_command(3, statement)
            while not (done := target.loaded(lock_for())) or not done.rows:
                Event().wait(0.05)
            words.connection._sock.shutdown(socket.SHUT_RDWR)
            words.connection._read_packet()
        return rows(words, statement, *values)

    def sending(words: MySQLWords, *arguments: Any) -> int:
        sent.append(True)
        return send(words, *arguments)

    sent: list[bool] = []
    send = MySQLWords.sent
    lossy = patch.multiple(MySQLWords, rows=losing, sent=sending)
    with lossy, pytest.raises(Unavailable):
        target.load(lock_for(), staged)
    with patch.object(MySQLWords, "sent", side_effect=AssertionError):
        assert target.load(lock_for(), staged) == target.loaded(lock_for())
    assert target.count(WINDOW) == 60


def test_what_a_session_is_told(target: MySQLTarget, put: Put) -> None:
    """Strict, in UTC and utf8mb4, locks for 2 s, silence for 60 s, and who it is."""
    told: list[tuple[Any, ...]] = []
    insert = MySQLWords.insert
    limits = "innodb_lock_wait_timeout lock_wait_timeout wait_timeout net_read_timeout"
    names = f"{limits} time_zone collation_connection"

    def asking(words: MySQLWords, *arguments: Any) -> int:
        isolation = (
            "transaction_isolation"
            if words.rows("SHOW VARIABLES LIKE 'transaction_isolation'")
            else "tx_isolation"
        )
        asked_for = ", ".join(f"@@{name}" for name in [*names.split(), isolation, "sql_mode"])
        told.extend(words.rows(f"SELECT {asked_for}"))
        told.extend(words.rows("SELECT info FROM information_schema.processlist WHERE id = connection_id()"))
        return insert(words, *arguments)

    with patch.object(MySQLWords, "insert", asking):
        target.load(lock_for(epoch=1762146000000), put())
    (*settings, mode), (info,) = told
    assert settings == [2, 2, 60, 60, "+00:00", "utf8mb4_bin", "READ-COMMITTED"]
    assert {"STRICT_ALL_TABLES", "NO_BACKSLASH_ESCAPES", "NO_ZERO_DATE"} <= set(mode.split(","))
    assert info.startswith("/* contract 20131103T0500 ")
    assert " 1762146000000 */ " in info


def wait_for_blocked(target: MySQLTarget) -> None:
    """Until some session waits for a row, or for its turn."""
    waiting = "SELECT count(*) FROM information_schema.processlist WHERE state = 'User lock'"
    locked = "SELECT count(*) FROM information_schema.innodb_trx WHERE trx_state = 'LOCK WAIT'"
    for _ in range(600):
        if asked(target, waiting) != [(0,)] or asked(target, locked) != [(0,)]:
            return
        Event().wait(0.05)
    raise AssertionError("nobody waits for a lock")
