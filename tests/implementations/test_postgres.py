"""What is particular to PostgreSQL: its types, its rights, its errors, its zones."""

import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from unittest.mock import patch

import adbc_driver_postgresql
import psycopg2
import pyarrow as pa
import pytest
from pydantic import SecretStr

from implementations.loading.write_modes import Write
from implementations.postgres.source import PostgresRows, PostgresSource
from implementations.postgres.target import PostgresTarget
from pipeline_framework.errors import (
    BadData,
    Misuse,
    PipelineError,
    StageLost,
    Terminal,
    Transient,
    Unavailable,
)
from pipeline_framework.interfaces import Staged
from pipeline_framework.testing.source_contract import table_of
from pipeline_framework.testing.staged import staged_in
from pipeline_framework.testing.truth import INSTANT, TICK, TIME_FIELD, WINDOW, lock_for
from pipeline_framework.windows import Window
from tests.services.addresses import elsewhere, refused

pytestmark = pytest.mark.services
Put = Callable[..., Staged]


@pytest.fixture
def target(postgres_data_url: str) -> PostgresTarget:
    return PostgresTarget(SecretStr(postgres_data_url), f"flights_{secrets.token_hex(4)}", TIME_FIELD)


@pytest.fixture
def put(tmp_path: Path) -> Put:
    """Stages one row of the window's start, or of `times`, with these columns."""

    def staged(times: Any = None, **columns: Any) -> Staged:
        stamps = pa.array([WINDOW.start], INSTANT) if times is None else times
        return staged_in(tmp_path / "staged", pa.table({TIME_FIELD: stamps, **columns}))

    return staged


def ask(target: PostgresTarget | PostgresSource, *statements: str) -> list[tuple[Any, ...]]:
    """The rows of the last statement."""
    connection = psycopg2.connect(target.url.get_secret_value(), options="-c TimeZone=UTC")
    try:
        connection.autocommit = True
        cursor = connection.cursor()
        for statement in statements:
            cursor.execute(statement.replace("TABLE_", target.table))
        return cursor.fetchall() if cursor.description else []
    finally:
        connection.close()


CASTS: list[tuple[str, pa.Array, Any]] = [
    ("bigint", pa.array([7], pa.int16()), 7),
    ("double precision", pa.array([7], pa.int32()), 7.0),
    ("double precision", pa.array([0.5], pa.float32()), 0.5),
    ("numeric", pa.array([2**63], pa.uint64()), Decimal(2**63)),
    ("numeric(40,9)", pa.array([Decimal("1.5")], pa.decimal128(20, 9)), Decimal("1.500000000")),
    ("character varying(3)", pa.array(["abc"]), "abc"),
    ("jsonb", pa.array(['{"a": 1}']), {"a": 1}),
    ("uuid", pa.array(["A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11"]), "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"),
    ("timestamp", pa.array([WINDOW.start], INSTANT), WINDOW.start.replace(tzinfo=None)),
    ("jsonb", pa.array([{"a": [1, None], "at": date(2013, 1, 1)}]), {"a": [1, None], "at": "2013-01-01"}),
]


@pytest.mark.parametrize(("kind", "column", "value"), CASTS)
def test_values_go_into_a_wider_type_unchanged(
    target: PostgresTarget, put: Put, kind: str, column: pa.Array, value: Any
) -> None:
    """By a cast, never as the bytes of another type."""
    ask(target, f"CREATE TABLE TABLE_ ({TIME_FIELD} timestamptz, v {kind})")
    assert target.load(lock_for(), put(v=column)).rows == 1
    assert ask(target, "SELECT v FROM TABLE_") == [(value,)]


REFUSED: list[tuple[str, pa.Array]] = [
    ("double precision", pa.array([7], pa.int64())),
    ("bigint", pa.array([0.5])),
    ("bigint", pa.array([WINDOW.start], INSTANT)),
    ("date", pa.array([7], pa.int32())),
    ("numeric", pa.array([0.5])),
    ("numeric(10,2)", pa.array([Decimal("1.555")], pa.decimal128(10, 3))),
    ("integer", pa.array([2**31], pa.int64())),
    ("character varying(3)", pa.array(["abcd"])),
    ("jsonb", pa.array(["no json"])),
    ("text", pa.array(["a\0b"])),
]


@pytest.mark.parametrize(("kind", "column"), REFUSED)
def test_values_that_might_change_are_refused(
    target: PostgresTarget, put: Put, kind: str, column: pa.Array
) -> None:
    """Types of the same width above all, and text that would be cut; nothing is changed."""
    ask(target, f"CREATE TABLE TABLE_ ({TIME_FIELD} timestamptz, v {kind})")
    with pytest.raises(BadData):
        target.load(lock_for(), put(v=column))
    assert (target.count(WINDOW), target.loaded(lock_for())) == (0, None)


def test_a_new_table_has_the_types_of_what_is_staged(target: PostgresTarget, put: Put) -> None:
    """Decimals with their digits, structures as jsonb, instants as timestamptz with an index."""
    some: dict[str, pa.Array] = {
        "amount": pa.array([Decimal(1)], pa.decimal128(12, 3)),
        "unsigned": pa.array([1], pa.uint64()),
        "place": pa.array([{"a": 1}]),
        "pairs": pa.array([[("k", 1)]], pa.map_(pa.string(), pa.int64())),
        "kind": pa.array(["x"]).dictionary_encode(),
        "nothing": pa.nulls(1),
    }
    target.load(lock_for(), put(**some))
    kinds = "SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute WHERE attnum > 0"
    assert dict(ask(target, f"{kinds} AND attrelid = 'TABLE_'::regclass")) == {
        TIME_FIELD: "timestamp with time zone",
        "amount": "numeric(12,3)",
        "unsigned": "numeric(20,0)",
        "place": "jsonb",
        "pairs": "jsonb",
        "kind": "text",
    }
    assert ask(target, "SELECT pairs FROM TABLE_") == [({"k": 1},)]
    assert "brin" in ask(target, "SELECT indexdef FROM pg_indexes WHERE tablename = 'TABLE_'")[0][0]


@pytest.mark.parametrize("zone", ["UTC", None])
@pytest.mark.parametrize("start", [WINDOW.start, datetime(1969, 12, 31, 23, tzinfo=UTC)])
def test_nanoseconds_are_cut_off_never_rounded(
    target: PostgresTarget, put: Put, zone: str | None, start: datetime
) -> None:
    """A row 400 ns before the end of its window stays in it, also before 1970."""
    window = Window(start, start + timedelta(hours=1))
    last = int(window.end.timestamp()) * 10**9 - 400
    target.load(lock_for(window), put(pa.array([last], pa.timestamp("ns", zone))))
    assert target.count(window) == 1
    ((stored,),) = ask(target, f"SELECT {TIME_FIELD} FROM TABLE_")
    assert stored.replace(tzinfo=UTC) == window.end - TICK


@pytest.mark.parametrize("kind", ["timestamp", "date", "text", "timestamptz(3)"])
def test_time_fields(target: PostgresTarget, put: Put, kind: str) -> None:
    """A timestamp is taken as UTC whatever zone the server is in; coarser times are refused."""
    ask(target, f"CREATE TABLE TABLE_ ({TIME_FIELD} {kind})")
    if kind == "timestamp":
        target.load(lock_for(), put())
        assert target.count(Window(WINDOW.start, WINDOW.start + TICK)) == 1
    else:
        with pytest.raises(BadData):
            target.load(lock_for(), put())


def test_a_name_longer_than_postgresql_keeps_is_refused(target: PostgresTarget, put: Put) -> None:
    """Cut, two columns might become one."""
    with pytest.raises(BadData, match="63 bytes"):
        target.load(lock_for(), put(**{"é" * 32: ["x"]}))


def test_an_error_of_the_stage_comes_out_as_it_is(target: PostgresTarget, put: Put) -> None:
    """The driver makes a text of whatever the rows raise."""

    def breaking() -> Iterator[pa.RecordBatch]:
        yield from staged.batches()
        raise StageLost("The stage is gone.")

    staged = put()
    with pytest.raises(StageLost, match="stage is gone"):
        target.load(lock_for(), replace(staged, batches=breaking))


def test_keys_are_found_by_an_index(target: PostgresTarget, put: Put) -> None:
    """Those of deleted rows too, which only grow in number."""
    merging = replace(target, write=Write("upsert", ["id"], deleted_by="gone"), scope={"side": "mine"})
    merging.load(lock_for(), put(id=[1], gone=[False]))
    for table in ("TABLE_", "TABLE__deleted"):
        made = ask(target, f"SELECT indexdef FROM pg_indexes WHERE tablename = '{table}'")
        assert [True for (index,) in made if "btree (side, id)" in index] == [True]


def test_a_unique_index_of_the_table_is_kept(target: PostgresTarget, put: Put) -> None:
    """A row that it refuses is bad data, not a reason to wait."""
    ask(target, f"CREATE TABLE TABLE_ ({TIME_FIELD} timestamptz, v bigint UNIQUE)")
    twice = put(pa.array([WINDOW.start] * 2, INSTANT), v=[1, 1])
    with pytest.raises(BadData, match="unique"):
        target.load(lock_for(), twice)


@pytest.mark.parametrize(
    ("parts", "kind", "said"),
    [
        ({"password": "s3cr%20et"}, Misuse, "refuses the login"),
        ({"password": "s3cr@s3cr%zz"}, Misuse, "refuses the login"),
        ({"database": "nowhere"}, Misuse, "does not exist"),
        ({"server": "127.0.0.1:1"}, Unavailable, "127.0.0.1:1"),
        ({"server": "127.0.0.1:9z"}, Misuse, "cannot be read"),
        ({"server": "[::1"}, Misuse, "cannot be read"),
        ({"server": "no-such-host.invalid"}, Unavailable, "no-such-host"),
    ],
)
def test_errors_of_connecting(
    postgres_data_url: str, parts: dict[str, str], kind: type[PipelineError], said: str
) -> None:
    """Transient where waiting may help, else terminal; in no case with the password."""
    url = elsewhere(postgres_data_url, **parts)
    for system in (PostgresTarget(url, "t", "at"), PostgresSource(url, "t", "at")):
        refused(system, kind, said)


def test_types_of_a_server_are_asked_for_once(fresh_postgres: Callable[[], str]) -> None:
    """However many connections are opened to an address."""
    url = SecretStr(fresh_postgres())
    with patch.object(adbc_driver_postgresql, "connect", wraps=adbc_driver_postgresql.connect) as asked:
        for _ in range(2):
            assert PostgresTarget(url, "t", TIME_FIELD).count(WINDOW) == 0
    assert asked.call_count == 1


def test_another_kind_of_database_is_a_misuse() -> None:
    """Before anything is opened."""
    with pytest.raises(Misuse, match="postgresql://"):
        PostgresTarget(SecretStr("mysql://anna:secret@db/data"), "t", "at").check()


@contextmanager
def role(target: PostgresTarget, *grants: str) -> Iterator[PostgresTarget]:
    """The target as a user with these rights only."""
    name = f"role_{secrets.token_hex(4)}"
    ask(target, f"CREATE ROLE {name} LOGIN PASSWORD 'pw'", *(f"GRANT {grant} TO {name}" for grant in grants))
    place = target.url.get_secret_value().rpartition("@")[2]
    try:
        yield replace(target, url=SecretStr(f"postgresql://{name}:pw@{place}"))
    finally:
        ask(target, f"DROP OWNED BY {name}", f"DROP ROLE {name}")


def test_check_names_the_rights_that_lack(target: PostgresTarget, put: Put) -> None:
    """All of them at once; with them a load succeeds, without being the owner."""
    target.load(lock_for(), put())
    with role(target, "SELECT ON TABLE_") as reader:
        with pytest.raises(Misuse, match=rf'INSERT on "public"."{target.table}".*UPDATE on .*pipeline_loads'):
            reader.check()
        with pytest.raises(Misuse, match="permission"):
            reader.load(lock_for(epoch=2), put())
    with role(
        target, "SELECT, INSERT, DELETE ON TABLE_", "SELECT, INSERT, UPDATE ON pipeline_loads"
    ) as writer:
        assert "can write" in writer.check()
        assert writer.load(lock_for(epoch=3), put()).rows == 1
    with role(replace(target, table=f"new_{target.table}")) as stranger, pytest.raises(Misuse, match="grant"):
        stranger.check()


def test_what_the_server_does_to_a_session_is_transient(target: PostgresTarget, put: Put) -> None:
    """A backend that an administrator ends may be tried again."""
    ended = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'contract %'"

    def ending() -> Iterator[pa.RecordBatch]:
        yield from staged.batches()
        ask(target, ended)
        yield from staged.batches()

    staged = put()
    with pytest.raises(Transient):
        target.load(lock_for(), replace(staged, batches=ending))
    assert target.count(WINDOW) == 0


# The source.


@pytest.fixture
def source(postgres_data_url: str) -> PostgresSource:
    return PostgresSource(SecretStr(postgres_data_url), f"arrivals_{secrets.token_hex(4)}", "at")


def windows_of_a_night() -> list[Window]:
    """Half hours around the hour that New York repeats, 2013-11-03 01:00 to 02:00."""
    first = datetime(2013, 11, 3, 3, tzinfo=UTC)
    return [
        Window(first + timedelta(minutes=30) * n, first + timedelta(minutes=30) * (n + 1)) for n in range(12)
    ]


@pytest.mark.parametrize("zone", ["America/New_York", "Asia/Kathmandu", "UTC"])
def test_local_times_are_in_one_window_each(source: PostgresSource, zone: str) -> None:
    """Also those of the repeated hour: they mean the second of the two."""
    ask(source, "CREATE TABLE TABLE_ (at timestamp, n int)")
    ask(
        source,
        "INSERT INTO TABLE_ SELECT '2013-11-02 20:00'::timestamp + n * interval '10 min', n "
        "FROM generate_series(0, 143) n",
    )
    local = replace(source, time_zone=zone)
    read = [table_of(local.read(window)) for window in windows_of_a_night()]
    assert [table.num_rows for table in read] == [local.count(window) for window in windows_of_a_night()]
    numbers = [number for table in read for number in table["n"].to_pylist()]
    assert len(numbers) == len(set(numbers)) > 20
    for table, window in zip(read, windows_of_a_night(), strict=True):
        assert all(at in window for at in table["at"].to_pylist())


def test_a_date_is_its_midnight_in_the_zone(source: PostgresSource) -> None:
    """The instant that the day begins there."""
    ask(source, "CREATE TABLE TABLE_ (at date)", "INSERT INTO TABLE_ VALUES ('2013-11-03'), ('2013-11-04')")
    days = replace(source, time_zone="America/New_York")
    window = Window(datetime(2013, 11, 3, 4, tzinfo=UTC), datetime(2013, 11, 4, 5, tzinfo=UTC))
    assert table_of(days.read(window))["at"].to_pylist() == [window.start]
    assert days.count(window) == 1


@pytest.mark.parametrize("kind", ["timestamptz", "timestamp", "date"])
def test_the_index_of_the_time_field_is_used(source: PostgresSource, kind: str) -> None:
    """The condition is on the column itself, whatever its type."""
    ask(source, f"CREATE TABLE TABLE_ (at {kind})", "CREATE INDEX ON TABLE_ (at)")
    local = replace(source, time_zone="America/New_York")
    with local.open_table() as rows:
        query = rows._query(WINDOW)
    plan = " ".join(line for (line,) in ask(source, "SET enable_seqscan = off", f"EXPLAIN {query}"))
    assert "Index Cond: ((at >=" in plan


def test_count_and_rows_are_of_one_snapshot(source: PostgresSource) -> None:
    """What comes between counting and reading is in neither."""
    inserted = f"INSERT INTO TABLE_ VALUES ('{WINDOW.start}')"
    ask(source, "CREATE TABLE TABLE_ (at timestamptz)", inserted)
    count = PostgresRows.count

    def counting(*arguments: Any) -> int:
        counted = count(*arguments)
        ask(source, inserted)
        return counted

    with patch.object(PostgresRows, "count", counting):
        reading = source.read(WINDOW)
    assert (reading.count, table_of(reading).num_rows, source.count(WINDOW)) == (1, 1, 2)


def test_a_reading_that_nobody_uses_holds_no_connection(source: PostgresSource) -> None:
    """It goes with its last reference."""
    ask(source, "CREATE TABLE TABLE_ (at timestamptz)")
    reading = source.read(WINDOW)
    held = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%TABLE_%' AND pid <> pg_backend_pid()"
    assert ask(source, held) == [(1,)]
    del reading
    for _ in range(100):
        if ask(source, held) == [(0,)]:
            return
    raise AssertionError("the connection is still there")


def test_chosen_columns_and_rows(source: PostgresSource) -> None:
    """`columns` and `where`; the time field always comes along."""
    ask(source, 'CREATE TABLE TABLE_ (at timestamptz, "a b" int, c int)')
    ask(source, f"INSERT INTO TABLE_ SELECT '{WINDOW.start}', n, n FROM generate_series(1, 9) n")
    chosen = replace(source, columns=["a b"], where='c > 4 OR "a b" = 1')
    table = table_of(chosen.read(WINDOW))
    assert (table.column_names, sorted(table["a b"].to_pylist())) == (["at", "a b"], [1, 5, 6, 7, 8, 9])
    assert chosen.count(WINDOW) == 6


def test_types_that_arrow_lacks_come_as_text(source: PostgresSource) -> None:
    """And numeric with digits as a decimal of as many."""
    ask(
        source,
        "CREATE TABLE TABLE_ (at timestamptz, j jsonb, u uuid, i interval, n numeric, d numeric(50,2))",
    )
    ask(
        source,
        f"INSERT INTO TABLE_ VALUES ('{WINDOW.start}', '{{\"a\": 1}}', gen_random_uuid(), '1 day', "
        "1e40, 1.5)",
    )
    table = table_of(source.read(WINDOW))
    assert [str(kind) for kind in table.schema.types[1:]] == ["string"] * 4 + ["decimal256(50, 2)"]
    row = table.to_pylist()[0]
    assert (row["j"], row["i"], row["n"], row["d"]) == ('{"a": 1}', "1 day", "1" + "0" * 40, Decimal("1.50"))


def test_a_type_that_was_made_after_the_first_session_is_read(source: PostgresSource) -> None:
    """A process asks for a server's types once."""
    ask(source, "CREATE TABLE TABLE_ (at timestamptz)")
    assert source.count(WINDOW) == 0
    ask(source, "CREATE TYPE TABLE_mood AS ENUM ('ok')", "ALTER TABLE TABLE_ ADD mood TABLE_mood, ADD d date")
    ask(source, f"INSERT INTO TABLE_ VALUES ('{WINDOW.start}', 'ok', '2013-11-03')")
    assert table_of(source.read(WINDOW)).drop_columns("at").to_pylist() == [
        {"mood": "ok", "d": date(2013, 11, 3)}
    ]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"table": "nowhere"}, "not there"),
        ({"time_field": "att"}, "nearest is at"),
        ({"columns": ["m"]}, "nearest is n"),
        ({"time_field": "n"}, "is integer, not a time"),
        ({"where": "broken ="}, "syntax error"),
    ],
)
def test_settings_that_do_not_fit_are_told(source: PostgresSource, change: dict[str, Any], said: str) -> None:
    """What is wrong, and what is there instead."""
    ask(source, "CREATE TABLE TABLE_ (at timestamptz, n int)")
    for question in ("check", "count", "read"):
        asked: Any = getattr(replace(source, **change), question)
        with pytest.raises(Terminal, match=said):
            asked() if question == "check" else asked(WINDOW)


def test_an_unknown_zone_is_a_misuse(source: PostgresSource) -> None:
    """Before anything is opened."""
    with pytest.raises(Misuse, match="Mars/Olympus"):
        replace(source, time_zone="Mars/Olympus")
