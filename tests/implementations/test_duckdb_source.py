"""A table of a DuckDB file as source."""

import secrets
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest

from implementations.duckdb import DuckDBSource
from pipeline_framework.errors import BadData, Misuse, Terminal, Unavailable
from pipeline_framework.testing.source_contract import SourceContract, table_of
from pipeline_framework.testing.truth import TIME_FIELD, WINDOW
from pipeline_framework.windows import Window
from tests.implementations.holding import holder

START = WINDOW.start.isoformat()


class TestDuckDBSource(SourceContract):
    """A table with a difficult name."""

    @pytest.fixture
    def filled(self, tmp_path: Path) -> Callable[[pa.Table], DuckDBSource]:
        name, path = f'arr"ivals {secrets.token_hex(4)}', str(tmp_path / "source.duckdb")
        quoted = name.replace('"', '""')

        def fill(table: pa.Table) -> DuckDBSource:
            with duckdb.connect(path) as connection:
                connection.register("given", table)
                connection.execute(f'CREATE OR REPLACE TABLE "{quoted}" AS FROM given')
            return DuckDBSource(path, name, TIME_FIELD)

        return fill


@pytest.fixture
def source(tmp_path: Path) -> DuckDBSource:
    return DuckDBSource(str(tmp_path / "source.duckdb"), "t", "at", wait_seconds=0)


def run(source: DuckDBSource, *statements: str) -> None:
    with duckdb.connect(source.path) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        for statement in statements:
            connection.execute(statement)


@pytest.mark.parametrize(
    ("value", "kind", "read"),
    [
        ("1::HUGEINT << 100", "decimal128(38, 0)", Decimal(2**100)),
        ("[1::HUGEINT << 100]", "string", f"[{2**100}]"),
        ("'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'::UUID", "string", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"),
        ("INTERVAL 1 DAY", "string", "1 day"),
        ("'a'::ENUM('a', 'b')", "string", "a"),
        ("'101'::BIT", "string", "101"),
        ("""'{"a": 1}'::JSON""", "string", '{"a": 1}'),
        ("MAP {'a': 1}", "map<string, int32>", [("a", 1)]),
        ("union_value(a := 1)", "string", "1"),
        ("12::DECIMAL(30, 2)", "decimal128(30, 2)", Decimal("12.00")),
    ],
)
def test_types_that_parquet_lacks_come_as_text(
    source: DuckDBSource, value: str, kind: str, read: Any
) -> None:
    """And nothing loses a digit."""
    run(source, f"CREATE TABLE t AS SELECT TIMESTAMPTZ '{START}' AS at, {value} AS v")
    table = table_of(source.read(WINDOW))
    assert (str(table.schema.field("v").type), table["v"].to_pylist()) == (kind, [read])


@pytest.mark.parametrize("kind", ["TIMESTAMP", "TIMESTAMP_S", "TIMESTAMP_MS", "TIMESTAMP_NS"])
@pytest.mark.parametrize("zone", ["America/New_York", "UTC"])
def test_local_times_are_in_one_window_each(source: DuckDBSource, kind: str, zone: str) -> None:
    """Also those of the hour that New York repeats: they mean the second of the two."""
    run(
        source,
        f"CREATE TABLE t AS SELECT (TIMESTAMP '2013-11-02 20:00' + INTERVAL (10 * n) MINUTE)::{kind} AS at, "
        "n FROM range(144) r(n)",
    )
    local = replace(source, time_zone=zone)
    first, half = datetime(2013, 11, 3, 3, tzinfo=UTC), timedelta(minutes=30)
    windows = [Window(first + half * n, first + half * (n + 1)) for n in range(12)]
    read = [table_of(local.read(window)) for window in windows]
    assert [table.num_rows for table in read] == [local.count(window) for window in windows]
    numbers = [number for table in read for number in table["n"].to_pylist()]
    assert len(numbers) == len(set(numbers)) > 20
    for table, window in zip(read, windows, strict=True):
        assert all(at in window for at in table["at"].to_pylist())


def test_a_date_is_its_midnight_in_the_zone(source: DuckDBSource) -> None:
    """The instant that the day begins there; infinite times are in no window."""
    dates = """(VALUES (DATE '2013-11-03'), (DATE '2013-11-04'), (DATE 'infinity')) v("at")"""
    run(source, f"CREATE TABLE t AS FROM {dates}")
    window = Window(datetime(2013, 11, 3, 4, tzinfo=UTC), datetime(2013, 11, 4, 5, tzinfo=UTC))
    assert table_of(replace(source, time_zone="America/New_York").read(window))["at"].to_pylist() == [
        window.start
    ]


def test_a_file_that_another_process_writes_is_waited_for(source: DuckDBSource) -> None:
    """As long as `wait_seconds`; then the message names the process."""
    run(source, f"CREATE TABLE t AS SELECT TIMESTAMPTZ '{START}' AS at")
    with holder(source.path) as process, ThreadPoolExecutor(1) as pool:
        with pytest.raises(Unavailable, match=rf"process {process.pid}\b"):
            source.count(WINDOW)
        waiting = pool.submit(replace(source, wait_seconds=30).count, WINDOW)
        process.kill()
        assert waiting.result(30) == 1


def test_a_reading_holds_writers_of_other_processes_off(source: DuckDBSource) -> None:
    """From its first batch until it is over."""
    run(source, f"CREATE TABLE t AS SELECT TIMESTAMPTZ '{START}' AS at FROM range(200000)")
    writer = [sys.executable, "-c", "import duckdb, sys; duckdb.connect(sys.argv[1])", source.path]
    reading = source.read(WINDOW)
    next(reading.batches)
    refused = subprocess.run(writer, capture_output=True, text=True, check=False)
    assert "Conflicting lock is held" in refused.stderr
    assert sum(batch.num_rows for batch in reading.batches) > 0
    subprocess.run(writer, check=True)


def test_a_reading_that_nobody_uses_holds_no_file(source: DuckDBSource) -> None:
    """It goes with its last reference."""
    run(source, f"CREATE TABLE t AS SELECT TIMESTAMPTZ '{START}' AS at FROM range(200000)")
    reading = source.read(WINDOW)
    assert next(reading.batches).num_rows < 200000
    del reading
    run(source, "DROP TABLE t")


def test_chosen_columns_and_rows(source: DuckDBSource) -> None:
    """`columns` and `where`; the time field always comes along. A view will do."""
    run(
        source,
        f"""CREATE VIEW t AS SELECT TIMESTAMPTZ '{START}' AS at, n AS "a b", n AS c FROM range(1, 10) r(n)""",
    )
    chosen = replace(source, columns=["a b"], where='c > 4 OR "a b" = 1')
    table = table_of(chosen.read(WINDOW))
    assert (table.column_names, sorted(table["a b"].to_pylist())) == (["at", "a b"], [1, 5, 6, 7, 8, 9])
    assert chosen.count(WINDOW) == 6


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"table": "nowhere"}, "not there"),
        ({"path": "/nowhere/x.duckdb"}, "not there"),
        ({"time_field": "att"}, "nearest is at"),
        ({"columns": ["m"]}, "nearest is n"),
        ({"time_field": "n"}, "is INTEGER, not a time"),
        ({"where": "broken ="}, "yntax"),
    ],
)
def test_settings_that_do_not_fit_are_told(source: DuckDBSource, change: dict[str, Any], said: str) -> None:
    """What is wrong, and what is there instead."""
    run(source, 'CREATE TABLE t ("at" TIMESTAMP, n INTEGER)')
    for question in ("check", "count", "read"):
        asked: Any = getattr(replace(source, **change), question)
        with pytest.raises(Terminal, match=said):
            asked() if question == "check" else asked(WINDOW)


def test_a_huge_integer_that_no_decimal_holds_is_refused(source: DuckDBSource) -> None:
    """Rather than rounded."""
    run(source, f"CREATE TABLE t AS SELECT TIMESTAMPTZ '{START}' AS at, '{2**127 - 1}'::HUGEINT AS v")
    with pytest.raises(BadData, match="DECIMAL"):
        table_of(source.read(WINDOW))


def test_an_unknown_zone_is_a_misuse(source: DuckDBSource) -> None:
    """Before anything is opened."""
    with pytest.raises(Misuse, match="Mars/Olympus"):
        replace(source, time_zone="Mars/Olympus")
