"""Owners that overlap on a real PostgreSQL: who waits, who is ended, who is fenced, and what is left."""

import secrets
from dataclasses import replace
from typing import Any
from unittest.mock import patch

import psycopg2
import pytest
from pydantic import SecretStr

from implementations.loading.write_modes import Mode, Write
from implementations.postgres.session import application_name
from implementations.postgres.target import PostgresTarget
from implementations.postgres.words import PostgresWords
from pipeline_framework.errors import Misuse, Unavailable
from pipeline_framework.testing.fence_contract import FenceContract, Put
from pipeline_framework.testing.interrupted import interrupted
from pipeline_framework.testing.truth import AFTER, TIME_FIELD, WINDOW, lock_for
from tests.integration.control_table.proxy import proxied

pytestmark = pytest.mark.services


class TestPostgresFence(FenceContract):
    """Backends are ended by the server, which shows whose they are."""

    ends = "implementations.postgres.target.end_overtaken"

    @pytest.fixture
    def target(self, postgres_data_url: str) -> PostgresTarget:
        return PostgresTarget(SecretStr(postgres_data_url), f"flights_{secrets.token_hex(4)}", TIME_FIELD)

    def blocked(self, target: PostgresTarget) -> bool:  # type: ignore[override]
        here = "datname = current_database() AND wait_event_type = 'Lock'"
        return asked(target, f"SELECT count(*) FROM pg_stat_activity WHERE {here}") != [(0,)]

    def write_beside(self, target: PostgresTarget) -> None:  # type: ignore[override]
        asked(target, f"INSERT INTO {target.table} ({TIME_FIELD}) VALUES ('{WINDOW.start}') RETURNING 1")

    @pytest.mark.parametrize("mode", ["replace_window", "append"])
    def test_somebody_who_goes_on_writing_into_a_window_is_told_of(
        self, target: PostgresTarget, put: Put, mode: Mode
    ) -> None:
        """Nothing was changed, and a later try may find the window left alone."""
        hasty = replace(target, write=Write(mode), wait_seconds=0)
        target.load(lock_for(AFTER), put(10, AFTER))
        written = interrupted(put(), lambda: self.write_beside(target))
        for there in (1, 2):
            with pytest.raises(Unavailable, match="somebody else writes into this window"):
                hasty.load(lock_for(), written)
            assert target.count(WINDOW) == there
        assert hasty.load(lock_for(), put()).rows == 60

    def test_a_load_of_another_window_is_never_ended(self, target: PostgresTarget, put: Put) -> None:
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

    def test_a_lost_reply_to_commit_is_asked_of_the_ledger(self, target: PostgresTarget, put: Put) -> None:
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

    def test_overwrite_sees_who_loaded_the_table_until_it_deletes(
        self, target: PostgresTarget, put: Put
    ) -> None:
        """Another pipeline's first window is committed just before every row is taken out, and stays."""
        changed = PostgresWords.changed

        def late(words: PostgresWords, statement: str, *values: Any) -> int:
            if "WHERE 1 = 1" in statement:
                target.load(lock_for(AFTER, mapping_name="other"), put(40, AFTER))
            return changed(words, statement, *values)

        with patch.object(PostgresWords, "changed", late), pytest.raises(Misuse, match="contract other"):
            replace(target, write=Write("overwrite")).load(lock_for(), put())
        assert (target.count(WINDOW), target.count(AFTER)) == (0, 40)

    def test_locks_are_waited_for_in_short_turns_and_never_held_for_long(
        self, target: PostgresTarget, put: Put
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

    def test_the_longest_names_still_tell_windows_apart(self, target: PostgresTarget) -> None:
        """pg_stat_activity keeps 63 bytes."""
        lock = replace(lock_for(epoch=9999999999999), pipeline_id="p" * 200, mapping_name="m" * 200)
        names = {application_name(target._table, replace(lock, window=window)) for window in (WINDOW, AFTER)}
        assert len(names) == 2
        assert all(len(name) <= 63 and name.endswith(" 9999999999999") for name in names)


def asked(target: PostgresTarget, query: str) -> list[tuple[object, ...]]:
    with psycopg2.connect(target.url.get_secret_value()) as connection, connection.cursor() as cursor:
        cursor.execute(query)
        rows = cursor.fetchall()
    connection.close()
    return rows
