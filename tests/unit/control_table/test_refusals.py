"""What a driver's error means to us."""

import sqlite3

import pytest

from pipeline_framework.control_table.database.refusals import refusal
from pipeline_framework.errors import LockConflict, Misuse, PipelineError, SchemaOutdated, Unavailable


class DriverError(Exception):
    """An error as psycopg gives it."""

    def __init__(self, text: str, sqlstate: str | None = None) -> None:
        super().__init__(text)
        self.sqlstate = sqlstate


def sqlite_error(name: str, text: str) -> sqlite3.Error:
    error = sqlite3.OperationalError(text)
    error.sqlite_errorname = name
    return error


@pytest.mark.parametrize(
    ("state", "kind"),
    [
        ("08006", Unavailable),  # connection failure
        ("40001", Unavailable),  # serialization failure
        ("40P01", Unavailable),  # deadlock
        ("53300", Unavailable),  # too many connections
        ("55P03", Unavailable),  # lock not available
        ("57P01", Unavailable),  # the server is shutting down
        ("25006", Unavailable),  # read-only: a standby
        ("28P01", Misuse),  # wrong password
        ("3D000", Misuse),  # no such database
        ("42501", Misuse),  # no right
        ("42P01", SchemaOutdated),  # no such table
        ("42703", SchemaOutdated),  # no such column
        ("23514", Misuse),  # a CHECK
        ("22003", Misuse),  # a number out of range
    ],
)
def test_sqlstate_decides_who_has_to_act(state: str, kind: type[PipelineError]) -> None:
    """Passing troubles are worth another try, the rest needs a person."""
    told = refusal(DriverError("so it is\nDETAIL: more", state), "postgresql://db/x")
    assert type(told) is kind
    assert "postgresql://db/x" in str(told)
    assert "DETAIL" not in str(told)


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ('FATAL:  password authentication failed for user "me"', Misuse),
        ('FATAL:  database "x" does not exist', Misuse),
        ("FATAL:  no pg_hba.conf entry for host", Misuse),
        ("fe_sendauth: no password supplied", Misuse),
        ("server does not support SSL, but SSL was required", Misuse),
        ("FATAL:  the database system is starting up", Unavailable),
        ("FATAL:  the database system is shutting down", Unavailable),
        ("FATAL:  sorry, too many clients already", Unavailable),
        ("FATAL:  remaining connection slots are reserved", Unavailable),
        ("FATAL:  terminating connection due to administrator command", Unavailable),
        ("connection to server at 10.0.0.1 failed: Connection refused", Unavailable),
        ("could not translate host name", Unavailable),
        ("timeout expired", Unavailable),
        ("server closed the connection unexpectedly", Unavailable),
        ("SSL connection has been closed unexpectedly", Unavailable),
        ("SSL SYSCALL error: EOF detected", Unavailable),
    ],
)
def test_connection_that_did_not_come_about(text: str, kind: type[PipelineError]) -> None:
    """Without a SQLSTATE the server's own word decides."""
    assert type(refusal(DriverError(text), "postgresql://db/x")) is kind


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("SQLITE_BUSY", Unavailable),
        ("SQLITE_BUSY_SNAPSHOT", Unavailable),
        ("SQLITE_LOCKED", Unavailable),
        ("SQLITE_FULL", Unavailable),
        ("SQLITE_IOERR_WRITE", Unavailable),
        ("SQLITE_CANTOPEN", Misuse),
        ("SQLITE_READONLY_DIRECTORY", Misuse),
        ("SQLITE_PERM", Misuse),
        ("SQLITE_NOTADB", Misuse),
        ("SQLITE_CORRUPT", Misuse),
        ("SQLITE_CONSTRAINT_CHECK", Misuse),
    ],
)
def test_name_of_sqlites_error_decides(name: str, kind: type[PipelineError]) -> None:
    """Every sentence names the file."""
    told = refusal(sqlite_error(name, "so it is"), "sqlite:///x.db")
    assert type(told) is kind
    assert "sqlite:///x.db" in str(told)


def test_missing_table_or_column_means_migrate() -> None:
    """The schema is older than this release; the command is named."""
    for text in ("no such table: x", "no such column: y", "table x has no column named y"):
        told = refusal(sqlite_error("SQLITE_ERROR", text), "sqlite:///x.db")
        assert type(told) is SchemaOutdated
        assert "run `pipeline migrate`" in str(told)


def test_second_window_of_a_slot_is_a_conflict() -> None:
    """Whichever database says it."""
    columns = ["pipeline_id", "mapping_name", "dag_run_id", "run_slot"]
    text = "UNIQUE constraint failed: " + ", ".join(f"pipeline_records.{name}" for name in columns)
    assert type(refusal(sqlite_error("SQLITE_CONSTRAINT_UNIQUE", text), "x")) is LockConflict
    text = 'duplicate key value violates unique constraint "pipeline_records_one_lock"'
    assert type(refusal(DriverError(text, "23505"), "x")) is LockConflict


def test_error_without_words_still_says_something() -> None:
    """An empty message becomes the error's name."""
    assert "DriverError" in str(refusal(DriverError(""), "x"))
