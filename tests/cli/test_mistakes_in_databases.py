"""What can be wrong with a database, as source and as target: one sentence each, nothing half-loaded."""

import secrets
import sqlite3
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import duckdb
import psycopg2
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.cli.conftest import FIRST
from tests.cli.mistakes import (
    ROWS,
    SECRET,
    Mistake,
    nothing_loaded,
    pipeline,
    require_empty,
    require_moved_again,
    require_told,
)
from tests.services import mariadb
from tests.services.addresses import elsewhere

pytestmark = pytest.mark.services
TIMES = [f"2013-03-09 05:{10 * minute:02}:00" for minute in range(ROWS)]


class System(ABC):
    """A database with a table of six events; `of(table)` is how its messages name a table as source."""

    kind, number, time, of = "", "bigint", "timestamp", ""

    def __init__(self, where: dict[str, str], place: str) -> None:
        self.where, self.place = where, place
        self.execute("CREATE TABLE events (happened {time}, n bigint, word varchar(9))")
        for number, time in enumerate(TIMES):
            self.execute(f"INSERT INTO events VALUES ('{self.moment(time)}', {number}, 'w')")

    def moment(self, text: str) -> str:
        """A time as it is written."""
        return text

    def execute(self, statement: str) -> None:
        """One statement, past the framework."""
        self.sent(statement.format(time=self.time))

    @abstractmethod
    def sent(self, statement: str) -> list[tuple[Any, ...]]:
        """The rows of a statement."""

    def keys(self, **changed: Any) -> dict[str, Any]:
        """A connector of this database."""
        return {"type": self.kind, **self.where, **changed}


class Postgres(System):
    """A real server."""

    kind, time, schema, of = "postgres", "timestamptz", "public.", "public.{} at {place}"

    def moment(self, text: str) -> str:
        return f"{text}Z"

    def sent(self, statement: str) -> list[tuple[Any, ...]]:
        with psycopg2.connect(self.where["url"]) as connection, connection.cursor() as cursor:
            cursor.execute(statement)
            rows = cursor.fetchall() if cursor.description else []
        connection.close()
        return rows


class MariaDB(System):
    """A real server."""

    kind, time, of = "mysql", "datetime(6)", "{schema}{} at {place}"

    @property
    def schema(self) -> str:
        return urlsplit(self.where["url"]).path[1:] + "."

    def sent(self, statement: str) -> list[tuple[Any, ...]]:
        return mariadb.execute(self.where["url"], statement)


class DuckDB(System):
    """A file."""

    kind, number, schema, of = "duckdb", "BIGINT", "main.", "main.{} of {place}"

    def sent(self, statement: str) -> list[tuple[Any, ...]]:
        with duckdb.connect(self.where["path"]) as connection:
            return connection.execute(statement).fetchall()


class SQLite(System):
    """A file."""

    kind, time, schema, of = "sqlite", "TEXT TIMESTAMP", "main.", "{} of {place}"

    def moment(self, text: str) -> str:
        return f"{text.replace(' ', 'T')}.000000Z"

    def sent(self, statement: str) -> list[tuple[Any, ...]]:
        connection = sqlite3.connect(self.place)
        with connection:
            rows = connection.execute(statement).fetchall()
        connection.close()
        return rows


class AnyDatabase(SQLite):
    """The same by SQLAlchemy."""

    kind, number, time, of = "database", "BIGINT", "timestamp", "{} at {place}"

    def moment(self, text: str) -> str:
        return text


@pytest.fixture
def system(request: pytest.FixtureRequest, tmp_path: Path) -> System:
    """The database that the test names."""
    path = str(tmp_path / "events.db")
    if request.param is Postgres or request.param is MariaDB:
        make: Callable[[], str] = request.getfixturevalue(f"fresh_{request.param.__name__.lower()}")
        url = make()
        made: System = request.param({"url": url}, url.partition("@")[2])
        return made
    where = {"url": f"sqlite:///{path}"} if request.param is AnyDatabase else {"path": path}
    return request.param(where, path)  # type: ignore[no-any-return]


def names(system: System) -> dict[str, object]:
    """What the sentences of a database have in them."""
    schema = getattr(system, "schema", "")
    tables = {name: system.of.format(name, place=system.place, schema=schema) for name in ("events", "evnts")}
    return {**tables, "place": system.place, "schema": schema, "number": system.number}


EVERY = (Postgres, MariaDB, DuckDB, SQLite, AnyDatabase)
EVENTS = {"table": "events", "time_field": "happened"}
NO_TIME = (
    "The time field n of {events} is {number}, not a time: name another `source.time_field`, or read a view "
    "that makes a timestamp of it."
)
NO_TEXT = (
    "6 rows of {events} have a n that is not text like YYYY-MM-DDTHH:MM:SS.ffffffZ: read a view that makes "
    "it so, as by strftime('%Y-%m-%dT%H:%M:%f', n) || '000Z'."
)
READING = {
    "no table": Mistake(
        {"table": "evnts"}, "{evnts} is not there: correct `source.table`, or where to look for it."
    ),
    "no time field": Mistake(
        {"time_field": "hapened"},
        "{events} has no column hapened; the nearest is happened. Correct the name.",
        code=1,
    ),
    "time of another type": Mistake({"time_field": "n"}, NO_TIME, code=1),
    "no such column": Mistake(
        {"columns": ["happened", "m"]},
        "{events} has no column m; the nearest is word. Correct the name.",
        code=1,
    ),
}
OTHERWISE: dict[tuple[type[System], str], str] = {
    (AnyDatabase, "no table"): "{evnts} is not there: correct `source.table` and `source.schema`.",
    (SQLite, "time of another type"): NO_TEXT,
}


@pytest.mark.parametrize("what", READING)
@pytest.mark.parametrize("system", EVERY, indirect=True)
def test_a_source_says_what_is_wrong_with_it(system: System, what: str, tmp_path: Path) -> None:
    """The table, the key and the nearest name; nothing comes to the target."""
    mistake = READING[what]
    said = OTHERWISE.get((type(system), what), mistake.said)
    mistaken = pipeline(tmp_path, source=system.keys(**EVENTS | mistake.keys))
    require_told(mistaken, Mistake(mistake.keys, said, mistake.code), **names(system))
    assert nothing_loaded(mistaken)


@pytest.mark.parametrize("system", EVERY, indirect=True)
def test_a_source_without_rows_is_empty_and_one_huge_row_is_moved(system: System, tmp_path: Path) -> None:
    """Neither is a mistake."""
    system.execute("DELETE FROM events")
    moving = pipeline(tmp_path, source=system.keys(**EVENTS))
    require_empty(moving)
    huge = "x" * 5_000_000
    text = "longtext" if isinstance(system, MariaDB) else "text"
    system.execute(f"CREATE TABLE huge (happened {{time}}, word {text})")
    system.execute(f"INSERT INTO huge VALUES ('{system.moment(TIMES[0])}', '{huge}')")
    moving.change('"events"', '"huge"')
    require_moved_again(moving)
    assert moving.target("SELECT length(word) FROM flights") == [len(huge)]


TARGET = {"table": "flights", "time_field": "time_hour"}
UNHELD = (
    "The time field time_hour of {schema}flights is {number}, which does not hold instants to the "
    "microsecond: change the column's type, or name another `target.time_field`."
)
UNFIT = (
    "Column n of {schema}flights is {date}, what is staged for it is {staged} and does not fit unchanged: "
    "cast it at the source, or change the type of the table's column."
)
WRITING = {  # the columns of a table, the row that is in it, and what is wrong
    "no time field": (
        "n {number}",
        "7",
        Mistake(
            {}, "{schema}flights has no column time_hour; the nearest is n. Correct `target.time_field`.", 1
        ),
    ),
    "time of another type": ("time_hour {number}, n {number}", "7, 7", Mistake({}, UNHELD, 1)),
    "column of another type": (
        "time_hour {time}, n date",
        "NULL, NULL",
        Mistake({}, UNFIT, 1, checked=False),
    ),
    "a column too many, frozen": (
        "time_hour {time}, m {number}",
        "NULL, 7",
        Mistake(
            {"contract": "freeze"},
            "{schema}flights has no column n, which is staged, and `target.contract: freeze` adds none: add "
            "it, or let the contract `evolve` or `discard` it.",
            1,
            checked=False,
        ),
    ),
    "a column that must be filled": (
        "time_hour {time}, n {number}, m {number} NOT NULL",
        "NULL, NULL, 7",
        Mistake(
            {},
            "{where} cannot hold what is staged ({refusal}): correct the rows, or change the table.",
            1,
            checked=False,
        ),
    ),
}
REFUSALS = {
    Postgres: '23502 null value in column "m" of relation "flights" violates not-null constraint DETAIL: '
    "Failing row contains (2013-03-09 05:00:00+00, 0, null). CONTEXT: COPY flights, line 1",
    MariaDB: "1364 Field 'm' doesn't have a default value",
    DuckDB: "Constraint Error: NOT NULL constraint failed: flights.m",
    SQLite: "SQLITE_CONSTRAINT_NOTNULL: NOT NULL constraint failed: flights.m",
}
TYPES = {
    Postgres: ("date", "bigint"),
    MariaDB: ("date", "bigint"),
    DuckDB: ("DATE", "BIGINT"),
    SQLite: ("date", "INTEGER"),
}


@pytest.mark.parametrize("what", WRITING)
@pytest.mark.parametrize("system", EVERY[:4], indirect=True)
def test_a_target_says_what_is_wrong_with_its_table(system: System, what: str, tmp_path: Path) -> None:
    """The column, its type and what can be done; the row that was there is as it was."""
    columns, row, mistake = WRITING[what]
    system.sent(f"CREATE TABLE flights ({columns.format(number=system.number, time=system.time)})")
    system.sent(f"INSERT INTO flights VALUES ({row})")
    before = system.sent("SELECT * FROM flights")
    moving = pipeline(tmp_path, target=system.keys(**TARGET | mistake.keys))
    date, staged = TYPES[type(system)]
    named = names(system) | {"date": date, "staged": staged}
    file = isinstance(system, SQLite)
    where = f"SQLite file {system.place}" if file else f"{system.place} (table {named['schema']}flights)"
    require_told(moving, mistake, **named, where=where, refusal=REFUSALS[type(system)])
    assert system.sent("SELECT * FROM flights") == before


@pytest.mark.parametrize("system", EVERY[:4], indirect=True)
def test_a_target_takes_no_rows_and_one_huge_row(system: System, tmp_path: Path) -> None:
    """A row of more bytes than a packet of MySQL's protocol can have is sent in several."""
    moving = pipeline(tmp_path, target=system.keys(**TARGET))
    table = pa.table({"time_hour": pa.array([FIRST], pa.timestamp("us", "UTC")), "word": ["x" * 2**24]})
    pq.write_table(table.slice(1), tmp_path / "data" / "0.parquet")
    require_empty(moving)
    pq.write_table(table, tmp_path / "data" / "0.parquet")
    require_moved_again(moving)
    assert system.sent("SELECT length(word) FROM flights") == [(2**24,)]


WRONG = {
    "wrong host": {"password": SECRET, "server": "127.0.0.1:1"},
    "wrong password": {"password": SECRET},
    "no database": {"database": "nowhere"},
}
LOGINS = {
    "wrong host": Mistake(
        {}, "{where} does not answer ({refused}): start it, or correct host and port of `url`.", 1
    ),
    "wrong password": Mistake(
        {}, "{where} refuses the login: correct user and password of `url`, or the connection."
    ),
    "no database": Mistake({}, "{where} does not exist: correct the database in `url`, or create it."),
}
LIBPQ = (
    'connection to server at "127.0.0.1", port 1 failed: Connection refused Is the server running on that '
    "host and accepting TCP/IP connections?"
)
REFUSED = {Postgres: LIBPQ, MariaDB: "[Errno 111] Connection refused"}


@pytest.mark.parametrize("part", ["source", "target"])
@pytest.mark.parametrize("what", LOGINS)
@pytest.mark.parametrize("system", [Postgres, MariaDB], indirect=True)
def test_a_server_that_is_not_reached_is_told(system: System, what: str, part: str, tmp_path: Path) -> None:
    """Its address without the password, and what of it to correct."""
    url, mistake = system.where["url"], LOGINS[what]
    wrong = elsewhere(url, **WRONG[what]).get_secret_value()
    keys = (EVENTS if part == "source" else TARGET) | {"url": wrong}
    moving = pipeline(tmp_path, **{part: system.keys(**keys)})
    shown = wrong.partition("@")[2]
    schema = f"{shown.partition('/')[2]}." if isinstance(system, MariaDB) else "public."
    where = f"{shown} (table {schema}{keys['table']})"
    if what == "wrong host" and isinstance(system, MariaDB):
        where = shown
    require_told(moving, mistake, where=where, refused=REFUSED[type(system)])


WANTING = "{where} may not be used for want of permission ({refusal}): grant it to the user of `url`."
UNREADABLE = "{where} may not be read for want of permission ({refusal}): grant it to the user of `url`."
GRANT = (
    '{where} may not be written: grant INSERT on "public"."flights", DELETE on "public"."flights", SELECT on '
    '"public"."pipeline_loads", INSERT on "public"."pipeline_loads", UPDATE on "public"."pipeline_loads".'
)
DENIED = "1142 SELECT command denied to user '{user}'@'{host}' for table `{database}`.`{table}`"


@pytest.fixture
def reader(system: System) -> Iterator[str]:
    """A connector's address for a user who may only read the table of flights."""
    system.execute("CREATE TABLE flights (time_hour {time}, n bigint)")
    name = f"pipeline_test_{secrets.token_hex(6)}"
    made = f"CREATE USER {name} IDENTIFIED BY '{SECRET}'"
    system.sent(made if isinstance(system, MariaDB) else made.replace("IDENTIFIED BY", "PASSWORD"))
    try:
        system.sent(f"GRANT SELECT ON flights TO {name}")
        yield f"{system.where['url'].partition(':')[0]}://{name}:{SECRET}@{system.place}"
    finally:
        if isinstance(system, Postgres):
            system.sent(f"DROP OWNED BY {name}")
        system.sent(f"DROP USER {name}")


def denied(system: System, reader: str, table: str) -> str:
    """What MariaDB says of a table that the reader may not see; the host of these tests is as it sees it."""
    ((host,),) = system.sent("SELECT substring_index(user(), '@', -1)")
    user, database = urlsplit(reader).username, system.place.partition("/")[2]
    return DENIED.format(user=user, host=host, database=database, table=table)


@pytest.mark.parametrize("system", [Postgres, MariaDB], indirect=True)
def test_an_account_that_only_reads_is_told_what_it_lacks(
    system: System, reader: str, tmp_path: Path
) -> None:
    """PostgreSQL is asked for every right beforehand."""
    database = system.place.partition("/")[2]
    where = f"{system.place} (table {'public' if isinstance(system, Postgres) else database}.flights)"
    moving = pipeline(tmp_path, target=system.keys(**TARGET) | {"url": reader})
    if isinstance(system, MariaDB):
        refusal = denied(system, reader, "pipeline_loads")
    else:
        refusal = "permission denied for schema public"
        assert moving("check").out.splitlines()[-1] == f"BAD  target: {GRANT.format(where=where)}"
    mistake = Mistake({}, WANTING, checked=isinstance(system, MariaDB))
    require_told(moving, mistake, where=where, refusal=refusal)
    assert system.sent("SELECT count(*) FROM flights") == [(0,)]


@pytest.mark.parametrize("system", [Postgres, MariaDB], indirect=True)
def test_an_account_that_may_not_read_is_told(system: System, reader: str, tmp_path: Path) -> None:
    """The table and the right that the user lacks; as any database, in that driver's words."""
    database = system.place.partition("/")[2]
    where = f"{system.place} (table {'public' if isinstance(system, Postgres) else database}.events)"
    refusal = "permission denied for table events"
    if isinstance(system, MariaDB):
        refusal = denied(system, reader, "events")
    source = system.keys(**EVENTS) | {"url": reader}
    require_told(pipeline(tmp_path, source=source), Mistake({}, WANTING), where=where, refusal=refusal)
    any_database = pipeline(tmp_path, source=source | {"type": "database"})
    if isinstance(system, MariaDB):
        refusal = '({}, "{}")'.format(*refusal.replace("SELECT", "SHOW").split(" ", 1))
    where = f"events at {system.place}"
    require_told(any_database, Mistake({}, UNREADABLE), where=where, refusal=refusal)
