"""What is particular to MySQL and MariaDB as source: types, zones, zero dates, one snapshot."""

import secrets
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from unittest.mock import patch

import pytest
from pydantic import SecretStr

from implementations.mysql.source import MySQLRows, MySQLSource
from pipeline_framework.errors import BadData, Misuse, Terminal
from pipeline_framework.testing.source_contract import table_of
from pipeline_framework.testing.truth import WINDOW
from pipeline_framework.windows import Window
from tests.services.mariadb import execute

pytestmark = pytest.mark.services


@pytest.fixture
def source(mariadb_data_url: str) -> MySQLSource:
    return MySQLSource(SecretStr(mariadb_data_url), f"arrivals_{secrets.token_hex(4)}", "at")


@pytest.fixture
def ask(source: MySQLSource) -> Callable[..., list[tuple[Any, ...]]]:
    """Runs statements about the source's table; the rows of the last one."""
    url = source.url.get_secret_value()
    return lambda *said: execute(url, *(statement.replace("TABLE_", source.table) for statement in said))


Ask = Callable[..., list[tuple[Any, ...]]]
START = f"{WINDOW.start:%Y-%m-%d %H:%M:%S}"

VALUES: list[tuple[str, str, str, Any]] = [
    ("tinyint(1)", "1", "bool", True),
    ("tinyint(4)", "-128", "int8", -128),
    ("smallint unsigned", "65535", "uint16", 65535),
    ("mediumint", "-8388608", "int32", -8388608),
    ("int(9) zerofill", "7", "uint32", 7),
    ("bigint unsigned", "18446744073709551615", "uint64", 2**64 - 1),
    ("bit(64)", "18446744073709551615", "uint64", 2**64 - 1),
    ("year", "2013", "int16", 2013),
    ("decimal(10,3)", "-1.5", "decimal128(10, 3)", Decimal("-1.500")),
    ("decimal(65,9)", "'" + "9" * 56 + ".5'", "decimal256(65, 9)", Decimal("9" * 56 + ".500000000")),
    ("float", "0.1", "float", 0.10000000149011612),
    ("double", "1.7976931348623157e308", "double", 1.7976931348623157e308),
    ("double", "5e-324", "double", 5e-324),
    ("date", "'9999-12-31'", "date32[day]", date(9999, 12, 31)),
    ("datetime", "'2013-11-03 01:30:00'", "timestamp[us]", datetime(2013, 11, 3, 1, 30)),  # noqa: DTZ001
    (
        "timestamp(3)",
        "'2013-11-03 01:30:00.125'",
        "timestamp[us, tz=UTC]",
        datetime(2013, 11, 3, 1, 30, 0, 125000, UTC),
    ),
    ("time(3)", "'-838:59:59'", "string", "-838:59:59.000"),
    ("varchar(50)", "'a,\"b\"\\r\\n\\tc\\0'", "string", 'a,"b"\r\n\tc\0'),
    ("varchar(50)", "''", "string", ""),
    ("varchar(50)", "NULL", "string", None),
    ("char(3) CHARACTER SET latin1", "'é'", "string", "é"),
    ("varchar(9) COLLATE utf8mb4_unicode_ci", "'日本🛫'", "string", "日本🛫"),
    ("text", "'NULL'", "string", "NULL"),
    ("longtext CHARACTER SET latin1", "'é'", "string", "é"),
    ("json", "'{\"a\": [1, null]}'", "string", '{"a": [1, null]}'),
    ("enum('a','b')", "'b'", "string", "b"),
    ("set('a','b')", "'a,b'", "string", "a,b"),
    ("binary(3)", "x'00ff'", "binary", b"\x00\xff\x00"),
    ("varbinary(9)", "x'225c'", "binary", b'"\\'),
    ("longblob", "''", "binary", b""),
    ("uuid", "'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'", "string", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"),
    ("inet6", "'::1'", "string", "::1"),
]


@pytest.mark.parametrize(("column", "value", "kind", "read"), VALUES)
def test_values_come_as_they_are(
    source: MySQLSource, ask: Ask, column: str, value: str, kind: str, read: Any
) -> None:
    """Every type, with a NULL and a large column beside it."""
    ask(f"CREATE TABLE TABLE_ (at datetime(6), n int, big longtext, v {column}) CHARACTER SET utf8mb4")
    ask(f"INSERT INTO TABLE_ VALUES ('{START}', NULL, 'x', {value})")
    found = table_of(source.read(WINDOW))
    assert str(found.schema.field("v").type) == kind
    assert found.to_pylist() == [{"at": WINDOW.start, "n": None, "big": "x", "v": read}]


def test_tinyint1_may_be_a_number(source: MySQLSource, ask: Ask) -> None:
    """A 7 is no boolean: it is refused, or read as what it is."""
    ask("CREATE TABLE TABLE_ (at datetime(6), v tinyint(1))", f"INSERT INTO TABLE_ VALUES ('{START}', 7)")
    with pytest.raises(BadData, match=r"Column v .*bool"):
        table_of(source.read(WINDOW))
    assert table_of(replace(source, tinyint1="number").read(WINDOW))["v"].to_pylist() == [7]


@pytest.mark.parametrize("kind", ["datetime(6)", "timestamp NULL", "date"])
def test_zero_dates_are_no_times(source: MySQLSource, ask: Ask, kind: str) -> None:
    """They belong to no window, as NULL does; in other columns they are refused."""
    ask(f"CREATE TABLE TABLE_ (at {kind}, v date)", "INSERT INTO TABLE_ VALUES (0, NULL), (NULL, NULL)")
    for question in (source.check, lambda: source.count(WINDOW)):
        with pytest.raises(BadData, match="2 rows"):
            question()
    lenient = replace(source, null_time="ignore")
    assert "2 rows" in lenient.check()
    ask(f"INSERT INTO TABLE_ VALUES ('{WINDOW.start:%Y-%m-%d}', 0)")
    day = Window(datetime(2013, 11, 3, tzinfo=UTC), datetime(2013, 11, 4, tzinfo=UTC))
    with pytest.raises(BadData, match=r"Column v .*date32"):
        table_of(lenient.read(day))


def windows_of_a_night() -> list[Window]:
    """Half hours around the hour that New York repeats, 2013-11-03 01:00 to 02:00."""
    first, half = datetime(2013, 11, 3, 3, tzinfo=UTC), timedelta(minutes=30)
    return [Window(first + half * n, first + half * (n + 1)) for n in range(12)]


@pytest.mark.parametrize("zone", ["America/New_York", "Asia/Kathmandu", "UTC"])
def test_local_times_are_in_one_window_each(source: MySQLSource, ask: Ask, zone: str) -> None:
    """Also those of the repeated hour: they mean the second of the two."""
    ask("CREATE TABLE TABLE_ (at datetime, n int)")
    ask(
        "INSERT INTO TABLE_ SELECT TIMESTAMP'2013-11-02 20:00:00' + INTERVAL 10 * seq MINUTE, seq "
        "FROM seq_0_to_143"
    )
    local = replace(source, time_zone=zone)
    read = [table_of(local.read(window)) for window in windows_of_a_night()]
    assert [table.num_rows for table in read] == [local.count(window) for window in windows_of_a_night()]
    numbers = [number for table in read for number in table["n"].to_pylist()]
    assert len(numbers) == len(set(numbers)) > 20
    for table, window in zip(read, windows_of_a_night(), strict=True):
        assert all(at in window for at in table["at"].to_pylist())


def test_a_timestamp_is_an_instant_whatever_the_zone(source: MySQLSource, ask: Ask) -> None:
    """`time_zone` is for times that carry none."""
    ask("CREATE TABLE TABLE_ (at timestamp(6))", f"INSERT INTO TABLE_ VALUES ('{START}')")
    local = replace(source, time_zone="America/New_York")
    assert table_of(local.read(WINDOW))["at"].to_pylist() == [WINDOW.start]


def test_a_date_is_its_midnight_in_the_zone(source: MySQLSource, ask: Ask) -> None:
    """The instant that the day begins there."""
    ask("CREATE TABLE TABLE_ (at date)", "INSERT INTO TABLE_ VALUES ('2013-11-03'), ('2013-11-04')")
    days = replace(source, time_zone="America/New_York")
    window = Window(datetime(2013, 11, 3, 4, tzinfo=UTC), datetime(2013, 11, 4, 5, tzinfo=UTC))
    assert table_of(days.read(window))["at"].to_pylist() == [window.start]
    assert days.count(window) == 1


@pytest.mark.parametrize("kind", ["timestamp(6)", "datetime", "date"])
def test_the_index_of_the_time_field_is_used(source: MySQLSource, ask: Ask, kind: str) -> None:
    """The condition is on the column itself, whatever its type."""
    ask(f"CREATE TABLE TABLE_ (at {kind} NOT NULL, v char(200), KEY (at))")
    ask("INSERT INTO TABLE_ SELECT '2001-01-01' + INTERVAL seq DAY, '' FROM seq_0_to_999")
    local = replace(source, time_zone="America/New_York")
    week = Window(datetime(2001, 3, 1, tzinfo=UTC), datetime(2001, 3, 8, tzinfo=UTC))
    with local.open_table() as rows:
        ((_, _, _, how, _, key, *_),) = rows.words.rows(f"EXPLAIN SELECT v FROM {rows._inside(week)}")
    assert (how, key) == ("range", "at")


def test_count_and_rows_are_of_one_snapshot(source: MySQLSource, ask: Ask) -> None:
    """What comes between counting and reading is in neither."""
    inserted = f"INSERT INTO TABLE_ VALUES ('{START}')"
    ask("CREATE TABLE TABLE_ (at datetime(6))", inserted)
    count = MySQLRows.count

    def counting(*arguments: Any) -> int:
        counted = count(*arguments)
        ask(inserted)
        return counted

    with patch.object(MySQLRows, "count", counting):
        reading = source.read(WINDOW)
    assert (reading.count, table_of(reading).num_rows, source.count(WINDOW)) == (1, 1, 2)


def test_a_reading_that_nobody_uses_holds_no_connection(source: MySQLSource, ask: Ask) -> None:
    """It goes with its last reference, whether nothing was taken of it or a part; the rest stays away."""
    ask("CREATE TABLE TABLE_ (at datetime(6), v char(200))")
    ask(f"INSERT INTO TABLE_ SELECT '{START}', seq FROM seq_1_to_50000")
    before = sessions(ask)
    for taken in (0, 1):
        reading = source.read(WINDOW)
        for _ in range(taken):
            next(reading.batches)
        assert sessions(ask) == before + 1
        del reading
        for _ in range(100):
            if sessions(ask) == before:
                break
        assert sessions(ask) == before


def sessions(ask: Ask) -> int:
    """How many the server has."""
    ((number,),) = ask("SELECT count(*) FROM information_schema.processlist WHERE command <> 'Daemon'")
    return int(number)


def test_chosen_columns_and_rows(source: MySQLSource, ask: Ask) -> None:
    """`columns` and `where`; the time field always comes along."""
    ask("CREATE TABLE TABLE_ (at datetime(6), `a b` int, c int)")
    ask(f"INSERT INTO TABLE_ SELECT '{START}', seq, seq FROM seq_1_to_9")
    chosen = replace(source, columns=["a b"], where="c > 4 OR `a b` = 1")
    table = table_of(chosen.read(WINDOW))
    assert (table.column_names, sorted(table["a b"].to_pylist())) == (["at", "a b"], [1, 5, 6, 7, 8, 9])
    assert chosen.count(WINDOW) == 6


def test_large_values_make_small_batches(
    source: MySQLSource, ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Memory is bounded by bytes, not by rows alone."""
    monkeypatch.setattr("implementations.mysql.reading.BYTES", 10**6)
    ask("CREATE TABLE TABLE_ (at datetime(6), v longtext)")
    ask(f"INSERT INTO TABLE_ SELECT '{START}', repeat('x', 10000) FROM seq_1_to_1000")
    sizes = [batch.num_rows for batch in source.read(WINDOW).batches]
    assert (sum(sizes), max(sizes)) == (1000, 100)


def test_a_row_that_is_longer_than_a_server_may_put_together_is_refused(
    source: MySQLSource, ask: Ask
) -> None:
    """It would come as NULL; the message names the setting."""
    many = ", ".join(f"v{n} text" for n in range(20))
    ask(f"CREATE TABLE TABLE_ (at datetime(6), {many})")
    ask(f"INSERT INTO TABLE_ VALUES ('{START}'{', repeat(0, 65000)' * 20})")
    ask("SET GLOBAL max_allowed_packet = 1048576")
    try:
        with pytest.raises(BadData, match="max_allowed_packet"):
            table_of(source.read(WINDOW))
    finally:
        ask("SET GLOBAL max_allowed_packet = 16777216")
    assert table_of(source.read(WINDOW)).num_rows == 1


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"table": "nowhere"}, "not there"),
        ({"time_field": "att"}, "nearest is at"),
        ({"columns": ["m"]}, "nearest is n"),
        ({"time_field": "n"}, "is int, not a time"),
        ({"where": "broken ="}, "syntax"),
        ({"where": "n = 'x'"}, "x"),
    ],
)
def test_settings_that_do_not_fit_are_told(
    source: MySQLSource, ask: Ask, change: dict[str, Any], said: str
) -> None:
    """What is wrong, and what is there instead."""
    ask("CREATE TABLE TABLE_ (at datetime(6), n int)", f"INSERT INTO TABLE_ VALUES ('{START}', 1)")
    for question in ("check", "count", "read"):
        asked: Any = getattr(replace(source, **change), question)
        with pytest.raises(Terminal, match=said):
            asked() if question == "check" else asked(WINDOW)


def test_an_unknown_zone_is_a_misuse(source: MySQLSource) -> None:
    """Before anything is opened."""
    with pytest.raises(Misuse, match="Mars/Olympus"):
        replace(source, time_zone="Mars/Olympus")
