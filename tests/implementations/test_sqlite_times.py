"""Times that SQLite keeps as text, read as those of a table of any database."""

import re
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from pydantic import SecretStr

from implementations.any_database.connecting import Address
from implementations.any_database.source import DatabaseSource
from implementations.sqlite.source import SQLiteSource
from pipeline_framework.errors import BadData
from pipeline_framework.testing.source_contract import table_of
from pipeline_framework.testing.truth import WINDOW
from pipeline_framework.windows import Window
from tests.implementations.test_any_database import START, run


@pytest.fixture
def source(tmp_path: Path) -> DatabaseSource:
    return DatabaseSource(SecretStr(f"sqlite:///{tmp_path}/source.db"), "t", "at")


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("DATETIME", f"'{WINDOW.start:%Y-%m-%dT%H:%M:%S}'"),
        ("DATETIME", f"'{START[:-3]}'"),
        ("DATETIME", f"'{START}+02:00'"),
        ("DATETIME", f"'{START}.'"),
        ("DATETIME", f"'{START}.5+02:00'"),
        ("DATETIME", "1704067200"),
        ("DATETIME", "2460310.5"),
        ("DATE", f"'{START}'"),
    ],
)
def test_times_in_another_form_of_sqlite_are_refused(source: DatabaseSource, kind: str, value: str) -> None:
    """Their order is not that of time, so that windows would miss them; `where` may leave them out."""
    good = START[:10] if kind == "DATE" else START
    run(source, f"CREATE TABLE t (at {kind}, n INTEGER)", f"INSERT INTO t VALUES ('{good}', 1), ({value}, 2)")
    questions: list[Callable[[], object]] = [
        source.check,
        lambda: source.count(WINDOW),
        lambda: source.read(WINDOW),
    ]
    for asked in questions:
        with pytest.raises(BadData, match=r"1 rows of t at .*`type: sqlite`"):
            asked()
    replace(source, where="n = 1").check()


def test_the_view_that_a_refusal_names_is_read_as_sqlite(source: DatabaseSource) -> None:
    """The remedy is one: each row is in the window of its time."""
    run(source, "CREATE TABLE t (at DATETIME)", f"INSERT INTO t VALUES ('{WINDOW.start:%Y-%m-%dT%H:%M:%SZ}')")
    with pytest.raises(BadData) as raised:
        source.check()
    (made,) = re.findall(r"by (strftime\(.+'000Z')", str(raised.value))
    run(source, f"CREATE VIEW v AS SELECT {made} AS at FROM t")
    view = SQLiteSource(Address(source.url).shown, "v", "at")
    assert table_of(view.read(WINDOW))["at"].to_pylist() == [WINDOW.start]


def test_fractions_of_any_length_keep_their_order_in_sqlite(source: DatabaseSource) -> None:
    """Also at an edge within a second."""
    texts = ["05:00:00", "05:00:00.4", "05:00:00.50", "05:00:00.500000", "05:00:00.5000001", "05:00:00.6"]
    run(source, "CREATE TABLE t (at DATETIME)")
    run(source, *(f"INSERT INTO t VALUES ('2024-01-01 {text}')" for text in texts))
    half = datetime(2024, 1, 1, 5, 0, 0, 500_000, tzinfo=UTC)
    windows = [Window(half - timedelta(hours=1), half), Window(half, half + timedelta(hours=1))]
    read = [table_of(source.read(window))["at"].to_pylist() for window in windows]
    assert [len(times) for times in read] == [source.count(window) for window in windows] == [2, 4]
    assert all(at in window for times, window in zip(read, windows, strict=True) for at in times)


def test_a_time_that_no_calendar_has_is_refused(source: DatabaseSource) -> None:
    """In words, whatever the driver raises."""
    run(source, "CREATE TABLE t (at DATETIME)", f"INSERT INTO t VALUES ('{WINDOW.start:%Y-%m-%d} 04:61:00')")
    day = Window(WINDOW.start.replace(hour=0), WINDOW.start.replace(hour=0) + timedelta(days=1))
    with pytest.raises(BadData, match=r"minute must be in 0\.\.59.*source\.where"):
        table_of(source.read(day))
