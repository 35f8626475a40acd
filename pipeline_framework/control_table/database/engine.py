"""One SQLAlchemy engine per control database: drivers, time limits, pool, and what SQLite needs."""

import sqlite3
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError

from pipeline_framework.errors import Misuse

OLDEST_SQLITE = (3, 37, 0)  # STRICT tables, https://www.sqlite.org/stricttables.html

# Seconds and milliseconds of libpq: a silent network must not hold the renewal thread longer than a lease.
_LIBPQ = {
    "connect_timeout": 10,
    "keepalives_idle": 20,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 20_000,
    "application_name": "pipeline",
}
_FORMS = "write sqlite:///FILE or postgresql://USER@HOST:PORT/DATABASE."
_SECRETS = ("password", "sslpassword", "passfile")


def parsed(url: str) -> URL:
    """The URL with its driver named; `Misuse` when it is none that the control table can live at."""
    try:
        address = make_url(url)
    except (ArgumentError, ValueError):
        raise Misuse(f"control.url is not the address of a database; {_FORMS}") from None
    backend = {"postgres": "postgresql"}.get(address.get_backend_name(), address.get_backend_name())
    if backend == "sqlite":
        return _with_file(address)
    if backend != "postgresql":
        raise Misuse(
            f"control.url names {backend}; the control table lives in SQLite or PostgreSQL: {_FORMS}"
        )
    driver = address.drivername.partition("+")[2] or "psycopg2"
    return address.set(drivername=f"postgresql+{driver}")


def safe_text(url: URL) -> str:
    """The URL as it may be shown: without passwords, and without our choice of driver."""
    shown = url.difference_update_query(_SECRETS).set(drivername=url.get_backend_name())
    return shown.render_as_string(hide_password=True)


def engine_of(url: URL) -> Engine:
    """An engine with nothing connected yet."""
    try:
        return _sqlite(url) if url.get_backend_name() == "sqlite" else _postgresql(url)
    except (ArgumentError, NoSuchModuleError, ImportError) as error:
        raise Misuse(f"control.url {safe_text(url)} cannot be used: {error}; {_FORMS}") from None


def limits(url: URL) -> dict[str, object]:
    """What the connection gets beside the URL: limits that it does not set, and no prepared statements.

    psycopg 3 prepares a statement that it sees often; behind a pooler of transactions the next one meets
    another server connection, which does not know it. `?prepare_threshold=5` in the URL prepares.
    """
    given = {name: value for name, value in _LIBPQ.items() if name not in url.query}
    if url.get_driver_name() != "psycopg":
        return given
    threshold = url.query.get("prepare_threshold")
    return {**given, "prepare_threshold": int(str(threshold)) if threshold else None}


def _postgresql(url: URL) -> Engine:
    return create_engine(
        url,
        connect_args=limits(url),
        isolation_level="READ COMMITTED",
        pool_size=5,
        max_overflow=10,
        pool_timeout=30,
    )


def _sqlite(url: URL) -> Engine:
    if sqlite3.sqlite_version_info < OLDEST_SQLITE:
        raise Misuse(
            f"this Python has SQLite {sqlite3.sqlite_version}, older than 3.37; use a newer, or PostgreSQL."
        )
    # Transactions are begun in so many words (BEGIN IMMEDIATE); busy is waited for by us, with jitter.
    engine = create_engine(
        url,
        connect_args={"timeout": 0, "check_same_thread": False},
        isolation_level="AUTOCOMMIT",
        pool_size=5,
    )
    event.listen(engine, "connect", _write_ahead)
    return engine


def _write_ahead(connection: Any, _: object) -> None:
    """Readers and the one writer do not wait for each other; stays in the file."""
    if connection.execute("PRAGMA journal_mode").fetchone() != ("wal",):
        connection.execute("PRAGMA journal_mode = WAL")


def _with_file(url: URL) -> URL:
    if url.database in (None, "", ":memory:"):
        raise Misuse(f"control.url names no file, and a table in memory would forget the windows; {_FORMS}")
    folder = Path(str(url.database).removeprefix("file:")).parent
    if not folder.is_dir():
        raise Misuse(f"control.url: the folder {folder} does not exist; make it, or name another file.")
    return url.set(drivername="sqlite")
