"""Tables of SQLite, PostgreSQL and MariaDB, read as tables of any database."""

import secrets
import sqlite3
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pyarrow as pa
import pytest
from adbc_driver_postgresql import dbapi
from pydantic import SecretStr

from implementations.any_database.source import DatabaseRows, DatabaseSource
from pipeline_framework.errors import BadData, Misuse, PipelineError, Terminal, Unavailable
from pipeline_framework.testing.source_contract import SourceContract, table_of
from pipeline_framework.testing.truth import SCHEMA, TIME_FIELD, WINDOW
from pipeline_framework.windows import Window
from tests.services import mariadb, postgres
from tests.services.addresses import elsewhere, refused

START = f"{WINDOW.start:%Y-%m-%d %H:%M:%S}"
FLAT = [name for name in SCHEMA.names if name not in {"place", "tags", "unsigned", "small"}]
Fill = Callable[[pa.Table], DatabaseSource]


class TestSQLite(SourceContract):
    """A file; SQLite keeps no decimals and makes 0.0 of -0.0."""

    columns = tuple(name for name in FLAT if name not in {"amount", "day", "ratio"})

    @pytest.fixture
    def filled(self, tmp_path: Path) -> Fill:
        path, name = tmp_path / "source.db", 'arr"ivals'
        kinds = {"number": "BIGINT", "ratio": "FLOAT", "text": "TEXT", "raw": "BLOB", "flag": "BOOLEAN"}

        def fill(table: pa.Table) -> DatabaseSource:
            columns = {column: kinds.get(column, "DATETIME") for column in table.column_names}
            listed = ", ".join(f"{column} {kind}" for column, kind in columns.items())
            rows = [tuple(map(kept, row.values())) for row in table.to_pylist()]
            connection = sqlite3.connect(path)
            connection.execute('DROP TABLE IF EXISTS "arr""ivals"')
            connection.execute(f'CREATE TABLE "arr""ivals" ({listed})')
            marks = ", ".join("?" * len(columns))
            connection.executemany(f'INSERT INTO "arr""ivals" VALUES ({marks})', rows)
            connection.commit()
            connection.close()
            return DatabaseSource(SecretStr(f"sqlite:///{path}"), name, TIME_FIELD)

        return fill


@pytest.mark.services
class TestPostgreSQL(SourceContract):
    """A table of timestamptz, by psycopg2."""

    columns = tuple(FLAT)

    @pytest.fixture
    def filled(self, postgres_data_url: str) -> Fill:
        name = f"any {secrets.token_hex(4)}"

        def fill(table: pa.Table) -> DatabaseSource:
            with (
                dbapi.connect(postgres_data_url, autocommit=True) as connection,
                connection.cursor() as cursor,
            ):
                cursor.execute(f'DROP TABLE IF EXISTS "{name}"')
                cursor.adbc_ingest(name, table, mode="create")
                if "amount" in table.column_names:
                    cursor.execute(f'ALTER TABLE "{name}" ALTER amount TYPE numeric(38, 9)')
            return DatabaseSource(SecretStr(postgres_data_url), name, TIME_FIELD)

        return fill


@pytest.mark.services
class TestMariaDB(SourceContract):
    """A table of TIMESTAMP(6), by PyMySQL; MariaDB makes 0.0 of -0.0."""

    columns = tuple(name for name in FLAT if name not in {"ratio", "flag"})

    @pytest.fixture
    def filled(self, mariadb_data_url: str) -> Fill:
        name = f"any_{secrets.token_hex(4)}"
        kinds = {"number": "bigint", "amount": "decimal(38,9)", "text": "text", "raw": "blob", "day": "date"}
        kinds |= {TIME_FIELD: "timestamp(6) NULL", "local": "datetime(6)"}

        def fill(table: pa.Table) -> DatabaseSource:
            listed = ", ".join(f"{column} {kinds[column]}" for column in table.column_names)
            made = f"CREATE TABLE {name} ({listed}) CHARACTER SET utf8mb4"
            mariadb.execute(mariadb_data_url, f"DROP TABLE IF EXISTS {name}", made)
            marks = ", ".join(["%s"] * table.num_columns)
            rows = [tuple(row.values()) for row in table.to_pylist()]
            mariadb.insert(mariadb_data_url, f"INSERT INTO {name} VALUES ({marks})", rows)
            return DatabaseSource(SecretStr(mariadb_data_url), name, TIME_FIELD)

        return fill


def kept(value: Any) -> Any:
    """A value as SQLAlchemy puts it into SQLite."""
    if isinstance(value, datetime):
        return value.replace(tzinfo=None).isoformat(" ", "microseconds")
    return value


@pytest.fixture
def source(tmp_path: Path) -> DatabaseSource:
    return DatabaseSource(SecretStr(f"sqlite:///{tmp_path}/source.db"), "t", "at")


def run(source: DatabaseSource, *statements: str) -> None:
    connection = sqlite3.connect(source.url.get_secret_value().removeprefix("sqlite:///"))
    for statement in statements:
        connection.execute(statement)
    connection.commit()
    connection.close()


@pytest.mark.parametrize("zone", ["America/New_York", "UTC"])
def test_local_times_are_in_one_window_each(source: DatabaseSource, zone: str) -> None:
    """Also those of the hour that New York repeats: they mean the second of the two."""
    first = datetime(2013, 11, 2, 20)  # noqa: DTZ001
    times = [(first + timedelta(minutes=10 * n)).isoformat(" ", "microseconds") for n in range(144)]
    run(source, "CREATE TABLE t (at DATETIME, n INTEGER)")
    run(source, *(f"INSERT INTO t VALUES ('{time}', {n})" for n, time in enumerate(times)))
    local, start, half = (
        replace(source, time_zone=zone),
        datetime(2013, 11, 3, 3, tzinfo=UTC),
        timedelta(minutes=30),
    )
    windows = [Window(start + half * n, start + half * (n + 1)) for n in range(12)]
    read = [table_of(local.read(window)) for window in windows]
    assert [table.num_rows for table in read] == [local.count(window) for window in windows]
    numbers = [number for table in read for number in table["n"].to_pylist()]
    assert len(numbers) == len(set(numbers)) > 20
    for table, window in zip(read, windows, strict=True):
        assert all(at in window for at in table["at"].to_pylist())


def test_a_date_is_its_midnight_in_the_zone(source: DatabaseSource) -> None:
    """The instant that the day begins there."""
    run(source, "CREATE TABLE t (at DATE)", "INSERT INTO t VALUES ('2013-11-03'), ('2013-11-04')")
    window = Window(datetime(2013, 11, 3, 4, tzinfo=UTC), datetime(2013, 11, 4, 5, tzinfo=UTC))
    days = replace(source, time_zone="America/New_York")
    assert table_of(days.read(window))["at"].to_pylist() == [window.start]
    assert days.count(window) == 1


def test_chosen_columns_and_rows(source: DatabaseSource) -> None:
    """`columns` and `where`; the time field always comes along."""
    run(source, 'CREATE TABLE t (at DATETIME, "a b" INTEGER, c INTEGER)')
    run(source, *(f"INSERT INTO t VALUES ('{START}.000000', {n}, {n})" for n in range(1, 10)))
    chosen = replace(source, columns=["a b"], where='c > 4 OR "a b" = 1')
    table = table_of(chosen.read(WINDOW))
    assert (table.column_names, sorted(table["a b"].to_pylist())) == (["at", "a b"], [1, 5, 6, 7, 8, 9])
    assert chosen.count(WINDOW) == 6


def test_many_rows_come_in_batches(source: DatabaseSource, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a number of rows, whatever the window holds."""
    monkeypatch.setattr("implementations.any_database.source.ROWS", 4)
    run(source, "CREATE TABLE t (at DATETIME)", *[f"INSERT INTO t VALUES ('{START}.000000')"] * 10)
    assert [batch.num_rows for batch in source.read(WINDOW).batches] == [4, 4, 2]


@pytest.mark.services
@pytest.mark.parametrize("kind", ["postgresql", "mariadb"])
def test_count_and_rows_are_of_one_snapshot(request: pytest.FixtureRequest, kind: str) -> None:
    """What comes between counting and reading is in neither."""
    fixture, room = {"postgresql": ("postgres_data_url", postgres), "mariadb": ("mariadb_data_url", mariadb)}[
        kind
    ]
    url, name = request.getfixturevalue(fixture), f"any_{secrets.token_hex(4)}"
    insert: Any = f"INSERT INTO {name} VALUES (TIMESTAMP '{START}')"
    execute: Any = room.execute
    execute(url, f"CREATE TABLE {name} (at timestamp NULL)")
    execute(url, insert)
    source, count = DatabaseSource(SecretStr(url), name, "at"), DatabaseRows.count

    def counting(*arguments: Any) -> int:
        counted = count(*arguments)
        execute(url, insert)
        return counted

    with patch.object(DatabaseRows, "count", counting):
        reading = source.read(WINDOW)
    assert (reading.count, table_of(reading).num_rows, source.count(WINDOW)) == (1, 1, 2)


@pytest.mark.services
def test_types_that_arrow_lacks_come_as_text(postgres_data_url: str) -> None:
    """And numeric with digits as a decimal of as many."""
    name = f"any_{secrets.token_hex(4)}"
    columns = "at timestamptz, j jsonb, u uuid, i interval, n numeric, d numeric(50,2), a int[]"
    values = """'{"a": 1}', 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', '1 day', 1e40, 1.5, '{1,2}'"""
    postgres.execute(postgres_data_url, f"CREATE TABLE {name} ({columns})")
    postgres.execute(postgres_data_url, f"INSERT INTO {name} VALUES ('{START}Z', {values})")
    table = table_of(DatabaseSource(SecretStr(postgres_data_url), name, "at").read(WINDOW))
    row = table.to_pylist()[0]
    assert (row["j"], row["i"], row["n"], row["a"]) == (
        '{"a": 1}',
        "1 day, 0:00:00",
        "1" + "0" * 40,
        "[1, 2]",
    )
    assert (row["u"], row["d"]) == ("a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11", Decimal("1.50"))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"table": "nowhere"}, "not there"),
        ({"time_field": "att"}, "nearest is at"),
        ({"columns": ["m"]}, "nearest is n"),
        ({"time_field": "n"}, "is INTEGER, not a time"),
        ({"where": "broken ="}, "syntax error"),
        ({"url": SecretStr("sqlite:////nowhere/x.db")}, "does not exist"),
        ({"url": SecretStr("no address")}, "cannot be read"),
        ({"url": SecretStr("strange://host/x")}, "install the driver"),
    ],
)
def test_settings_that_do_not_fit_are_told(source: DatabaseSource, change: dict[str, Any], said: str) -> None:
    """What is wrong, and what is there instead."""
    run(source, "CREATE TABLE t (at DATETIME, n INTEGER)")
    for question in ("check", "count", "read"):
        asked: Any = getattr(replace(source, **change), question)
        with pytest.raises(Terminal, match=said):
            asked() if question == "check" else asked(WINDOW)


def test_a_value_of_another_type_is_refused(source: DatabaseSource) -> None:
    """SQLite keeps text in a column of integers."""
    run(source, "CREATE TABLE t (at DATETIME, n INTEGER)", f"INSERT INTO t VALUES ('{START}.000000', 'x')")
    with pytest.raises(BadData, match="Column n"):
        table_of(source.read(WINDOW))


NO_ANSWER = (
    r"^t at 127\.0\.0\.1:1/\S+ does not answer \(.*refused.*\): start it, or correct host and port of "
    r"`url`\.$"
)


@pytest.mark.services
@pytest.mark.parametrize(
    ("parts", "kind", "said"),
    [
        ({"password": "s3cret"}, Misuse, "refuses the login: correct user and password of `url`"),
        ({"server": "127.0.0.1:1"}, Unavailable, NO_ANSWER),
        ({"database": "nowhere"}, Misuse, "/nowhere does not exist: correct the database in `url`"),
    ],
)
@pytest.mark.parametrize("system", ["postgres_data_url", "mariadb_data_url"])
def test_errors_of_connecting(
    request: pytest.FixtureRequest,
    system: str,
    parts: dict[str, str],
    kind: type[PipelineError],
    said: str,
) -> None:
    """Transient where waiting may help, else terminal; in no case with the password."""
    url = elsewhere(request.getfixturevalue(system), **parts)
    refused(DatabaseSource(url, "t", "at"), kind, said)


def test_a_file_that_is_no_database_is_told(tmp_path: Path) -> None:
    """Another kind of file, named as what it is not."""
    path = tmp_path / "diary.db"
    path.write_text("a diary, not a database" * 1000)
    source = DatabaseSource(SecretStr(f"sqlite:///{path}"), "t", "at")
    refused(source, Misuse, f"^t at {path} is in a file that is no SQLite database: correct `url`\\.$")


def test_an_unknown_zone_is_a_misuse(source: DatabaseSource) -> None:
    """Before anything is opened."""
    with pytest.raises(Misuse, match="Mars/Olympus"):
        replace(source, time_zone="Mars/Olympus")
