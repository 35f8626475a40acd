"""Owners that overlap on a real MariaDB: who waits, who is ended, who is fenced, and what is left."""

import secrets
import socket
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from threading import Event
from typing import Any
from unittest.mock import patch

import pytest
from pydantic import SecretStr

from implementations.mysql.session import opened, sign_of
from implementations.mysql.target import MySQLTarget
from implementations.mysql.words import MySQLWords
from pipeline_framework.errors import Unavailable
from pipeline_framework.testing.fence_contract import FenceContract, Put
from pipeline_framework.testing.truth import AFTER, TIME_FIELD, WINDOW, lock_for
from tests.services.mariadb import execute

pytestmark = pytest.mark.services


class TestMySQLFence(FenceContract):
    """Sessions are ended by KILL, of those whose statement shows whose they are."""

    ends = "implementations.mysql.target.end_overtaken"

    @pytest.fixture
    def target(self, mariadb_data_url: str) -> MySQLTarget:
        return MySQLTarget(SecretStr(mariadb_data_url), f"flights_{secrets.token_hex(4)}", TIME_FIELD)

    def blocked(self, target: MySQLTarget) -> bool:  # type: ignore[override]
        query = (
            "SELECT count(*) FROM information_schema.processlist "
            "LEFT JOIN information_schema.innodb_trx ON trx_mysql_thread_id = id "
            "WHERE db = DATABASE() AND (state = 'User lock' OR trx_state = 'LOCK WAIT')"
        )
        return asked(target, query) != [(0,)]

    def write_beside(self, target: MySQLTarget) -> None:  # type: ignore[override]
        time = f"{WINDOW.start:%Y-%m-%d %H:%M:%S}"
        asked(target, f"INSERT INTO {target.table} ({TIME_FIELD}) VALUES ('{time}')")

    def test_a_load_of_another_window_is_never_ended(self, target: MySQLTarget, put: Put) -> None:
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

    def test_a_table_that_is_being_defined_is_waited_for(self, target: MySQLTarget, put: Put) -> None:
        """Whoever does not get his turn within it says so, and reserves nothing."""
        with opened(target._address, "t") as other:
            MySQLWords(other.connection).queue(target._table)
            with pytest.raises(Unavailable, match="is being defined by another session"):
                replace(target, wait_seconds=0).load(lock_for(), put())
            assert target.loaded(lock_for()) is None
        assert target.load(lock_for(), put()).rows == 60

    def test_a_lost_reply_to_commit_is_asked_of_the_ledger(self, target: MySQLTarget, put: Put) -> None:
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

    def test_what_a_session_is_told(self, target: MySQLTarget, put: Put) -> None:
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
            told.extend(
                words.rows("SELECT info FROM information_schema.processlist WHERE id = connection_id()")
            )
            return insert(words, *arguments)

        with patch.object(MySQLWords, "insert", asking):
            target.load(lock_for(epoch=1762146000000), put())
        (*settings, mode), (info,) = told
        assert settings == [2, 2, 60, 60, "+00:00", "utf8mb4_bin", "READ-COMMITTED"]
        assert {"STRICT_ALL_TABLES", "NO_BACKSLASH_ESCAPES", "NO_ZERO_DATE"} <= set(mode.split(","))
        assert info.startswith("/* contract 20131103T0500 ")
        assert " 1762146000000 */ " in info


def asked(target: MySQLTarget, query: str) -> list[tuple[Any, ...]]:
    return execute(target.url.get_secret_value(), query)
