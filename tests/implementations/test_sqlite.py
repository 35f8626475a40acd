"""What SQLite would do silently is refused in a sentence, and what it cannot hold is text that says so."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pytest

from implementations.loading.write_modes import Write
from implementations.sqlite.source import SQLiteSource
from implementations.sqlite.target import SQLiteTarget
from pipeline_framework.errors import BadData, Misuse, Unavailable
from pipeline_framework.interfaces import Staged
from pipeline_framework.testing.staged import staged_in
from pipeline_framework.testing.truth import AFTER, TIME_FIELD, WINDOW, lock_for, rows_of, truth

Put = Callable[..., Staged]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "it's 100% #1?.sqlite"


@pytest.fixture
def target(path: Path) -> SQLiteTarget:
    return SQLiteTarget(str(path), "events", TIME_FIELD)


@pytest.fixture
def put(tmp_path: Path) -> Put:
    """Stages columns beside the time."""

    def staged(**columns: pa.Array) -> Staged:
        rows = len(next(iter(columns.values())))
        times = pa.array([WINDOW.start] * rows, pa.timestamp("us", "UTC"))
        return staged_in(tmp_path / "staged", pa.table({TIME_FIELD: times, **columns}))

    return staged


def run(path: Path, *statements: str) -> list[tuple[object, ...]]:
    """The rows of the last statement."""
    found: list[tuple[object, ...]] = []
    with closing(sqlite3.connect(path)) as connection, connection:
        for statement in statements:
            found = connection.execute(statement).fetchall()
    return found


@pytest.mark.parametrize(
    ("made", "code"),
    [
        ("'x'", "SQLITE_MISMATCH: datatype mismatch"),
        ("length(zeroblob(2000000000))", "SQLITE_TOOBIG: string or blob too big"),
    ],
)
def test_what_a_trigger_makes_of_a_row_and_sqlite_refuses_is_told(
    path: Path, target: SQLiteTarget, put: Put, made: str, code: str
) -> None:
    """In SQLite's words, and nothing is loaded."""
    target.load(lock_for(), put(n=pa.array([1])))
    note = f"CREATE TRIGGER noting AFTER INSERT ON events BEGIN INSERT INTO notes VALUES ({made}); END"
    run(path, "CREATE TABLE notes (id INTEGER PRIMARY KEY)", note)
    with pytest.raises(BadData) as refused:
        target.load(lock_for(epoch=2), put(n=pa.array([2, 3])))
    cannot = f"cannot hold what is staged ({code}): correct the rows, or change the table."
    assert str(refused.value) == f"SQLite file {path} {cannot}"
    assert run(path, "SELECT n FROM events") == [(1,)]


def test_what_it_cannot_hold_is_text_and_the_type_says_so(path: Path, target: SQLiteTarget, put: Put) -> None:
    """Times, decimals, integers above 63 bits and nested values."""
    wide = pa.array([Decimal("0.000000001")], pa.decimal128(38, 9))
    target.load(
        lock_for(), put(wide=wide, big=pa.array([2**64 - 1], pa.uint64()), tags=pa.array([["é", None]]))
    )
    assert run(path, "SELECT * FROM events") == [
        ("2013-11-03T05:00:00.000000Z", "0.000000001", "18446744073709551615", '["é", null]')
    ]
    kinds = [kind for (kind,) in run(path, "SELECT type FROM pragma_table_info('events')")]
    assert kinds == ["TEXT TIMESTAMP", "TEXT DECIMAL(38,9)", "TEXT DECIMAL(20,0)", "TEXT JSON"]


def test_what_the_target_wrote_the_source_reads(path: Path, target: SQLiteTarget, put: Put) -> None:
    """Values and types, decimals and times among them."""
    table = truth().drop_columns(["unsigned", "ratio", "tags", "place"])
    target.load(lock_for(), put(**dict(zip(table.column_names, table.columns, strict=True))))
    found = SQLiteSource(str(path), "events", TIME_FIELD).read(WINDOW)
    assert rows_of(pa.Table.from_batches(found.batches, found.schema)) == rows_of(table)


def test_nan_is_refused_as_it_would_become_null(target: SQLiteTarget, put: Put) -> None:
    """The message names the column, and infinity is no trouble."""
    with pytest.raises(BadData, match=r"ratio.*NaN"):
        target.load(lock_for(), put(ratio=pa.array([1.5, float("nan")])))
    assert target.load(lock_for(epoch=2), put(ratio=pa.array([float("inf")]))).rows == 1


def test_a_scope_of_letters_is_no_zero(target: SQLiteTarget, put: Put) -> None:
    """`CAST('AA' AS INTEGER)` is 0 to SQLite, which would count and delete the rows of 0."""
    target.load(lock_for(), put(number=pa.array([0])))
    with pytest.raises(Misuse, match=r"target\.scope"):
        replace(target, scope={"number": "AA"}).count(WINDOW)
    assert replace(target, scope={"number": 0}).count(WINDOW) == 1


def test_a_scope_of_zero_is_filled_in(path: Path, target: SQLiteTarget, put: Put) -> None:
    """Where it is not staged."""
    replace(target, scope={"number": 0}).load(lock_for(), put(text=pa.array(["x"])))
    assert run(path, "SELECT number, text FROM events") == [(0, "x")]


def test_a_merge_refuses_rows_of_another_scope(path: Path, target: SQLiteTarget, put: Put) -> None:
    """Rows that carry other values than the scope's are not this pipeline's: nothing is changed."""
    merging = replace(target, scope={"side": "mine"}, write=Write("upsert", ["id"]))
    merging.load(lock_for(), put(id=pa.array([1])))
    with pytest.raises(BadData, match="side"):
        merging.load(lock_for(epoch=2), put(id=pa.array([2]), side=pa.array(["theirs"])))
    assert run(path, "SELECT id, side FROM events") == [(1, "mine")]


def test_names_differ_by_more_than_the_case_of_ascii(path: Path, target: SQLiteTarget, put: Put) -> None:
    """NUMBER fills the column number; É and é are two."""
    target.load(lock_for(), put(number=pa.array([1])))
    again = put(NUMBER=pa.array([2]), É=pa.array([3]), é=pa.array([4]))
    target.load(lock_for(epoch=2), again)
    assert run(path, "SELECT number, É, é FROM events") == [(2, 3, 4)]


def test_rows_of_a_window_and_of_a_key_are_found_by_an_index(
    path: Path, target: SQLiteTarget, put: Put
) -> None:
    """The first load makes both, also where keys of deleted rows are kept."""
    merging = replace(target, write=Write("upsert", ["id"], deleted_by="gone"))
    merging.load(lock_for(), put(id=pa.array([1]), gone=pa.array([False])))
    for table in ("events", "events_deleted"):
        for where in ("happened_at >= 'a' AND happened_at < 'b'", "id = 1"):
            plan = str(run(path, f"EXPLAIN QUERY PLAN SELECT rowid FROM {table} WHERE {where}"))
            assert f"INDEX {table} by " in plan


def test_overwriting_sees_windows_of_the_table_in_another_spelling(target: SQLiteTarget, put: Put) -> None:
    """They would be thrown away."""
    target.load(lock_for(), put(number=pa.array([1])))
    spelled = replace(target, table="EVENTS", write=Write("overwrite"))
    with pytest.raises(Misuse, match="throw away"):
        spelled.load(lock_for(AFTER), put(number=pa.array([2])))
    assert target.count(WINDOW) == 1


def test_indexes_take_no_name_of_a_table(path: Path, target: SQLiteTarget, put: Put) -> None:
    """Nor of each other, where the time is the key in another spelling."""
    run(path, "CREATE TABLE events_by_happened_at (x)")
    keyed = replace(target, write=Write("upsert", [TIME_FIELD.upper()], "number"))
    assert keyed.load(lock_for(), put(number=pa.array([1]))).rows == 1
    assert len(run(path, "SELECT * FROM pragma_index_list('events')")) == 1


@pytest.mark.parametrize("kind", [pa.uint64(), pa.decimal128(21, 1)])
def test_a_version_without_an_order_is_refused(target: SQLiteTarget, put: Put, kind: pa.DataType) -> None:
    """As text, 9 is more than 10."""
    rows = put(id=pa.array([1, 1]), version=pa.array([9, 10]).cast(kind))
    with pytest.raises(BadData, match=r"no order.*version_by"):
        replace(target, write=Write("upsert", ["id"], "version")).load(lock_for(), rows)


@pytest.mark.parametrize("time", ["'2013-11-03 05:30:00'", "'2013-11-03T05:30:00Z'", "1383456600", "x'00'"])
def test_times_of_another_form_are_refused(path: Path, time: str) -> None:
    """They would be compared as text and fall into a wrong window, or into none."""
    run(path, "CREATE TABLE events (happened_at)", f"INSERT INTO events VALUES ({time})")
    source = SQLiteSource(str(path), "events", TIME_FIELD)
    for ask in (source.count, source.read, lambda _: source.check()):
        with pytest.raises(BadData, match=r"1 rows.*strftime"):
            ask(WINDOW)


def test_the_view_that_the_message_proposes_works(path: Path) -> None:
    """Times as SQLite's own functions write them are read through it."""
    view = "SELECT strftime('%Y-%m-%dT%H:%M:%f', at) || '000Z' AS happened_at FROM events"
    put = "INSERT INTO events VALUES ('2013-11-03 05:30:00.25')"
    run(path, "CREATE TABLE events (at DATETIME)", put, f"CREATE VIEW seen AS {view}")
    assert SQLiteSource(str(path), "seen", TIME_FIELD).count(WINDOW) == 1


@pytest.mark.parametrize(("kind", "value"), [("INTEGER", "'x'"), ("REAL", "'x'"), ("TEXT DATE", "'2013'")])
def test_a_value_that_its_column_does_not_promise_is_named(path: Path, kind: str, value: str) -> None:
    """SQLite takes any value in any column; Arrow does not."""
    made = f"CREATE TABLE events (happened_at TEXT, odd {kind})"
    run(path, made, f"INSERT INTO events VALUES ('2013-11-03T05:30:00.000000Z', {value})")
    with pytest.raises(BadData, match="Column odd of events"):
        list(SQLiteSource(str(path), "events", TIME_FIELD).read(WINDOW).batches)


def test_a_file_that_is_none_is_the_users_matter(path: Path) -> None:
    """Not there as source, in no folder as target, or not SQLite; no file is made to be read."""
    source = SQLiteSource(str(path), "events", TIME_FIELD)
    for ask in (source.count, source.read, lambda _: source.check()):
        with pytest.raises(Misuse, match="path"):
            ask(WINDOW)
    assert not path.exists()
    with pytest.raises(Misuse, match="make its folder"):
        SQLiteTarget(str(path / "t.sqlite"), "events", TIME_FIELD).check()
    path.write_text("no database " * 100)
    with pytest.raises(Misuse, match="not a database"):
        SQLiteTarget(str(path), "events", TIME_FIELD).check()


def test_a_file_that_somebody_writes_is_worth_another_try(
    path: Path, target: SQLiteTarget, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After the wait."""
    monkeypatch.setattr("implementations.sqlite.session._PATIENCE", 0)
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        with pytest.raises(Unavailable, match="locked"):
            target.clear(lock_for())


def test_a_reading_is_of_one_moment(path: Path, target: SQLiteTarget, put: Put) -> None:
    """What is committed between its count and its batches is not in it."""
    target.load(lock_for(), put(number=pa.array([1, 2])))
    run(path, "PRAGMA journal_mode = WAL")  # else the writer waits for the reader
    reading = SQLiteSource(str(path), "events", TIME_FIELD).read(WINDOW)
    target.clear(lock_for(epoch=2))
    assert reading.count == sum(batch.num_rows for batch in reading.batches) == 2
    assert SQLiteSource(str(path), "events", TIME_FIELD).count(WINDOW) == 0


def test_a_reading_lets_go_of_its_file(
    path: Path, target: SQLiteTarget, put: Put, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After its last batch, and when it is thrown away unread: else no writer could go on."""
    monkeypatch.setattr("implementations.sqlite.session._PATIENCE", 0)
    target.load(lock_for(), put(number=pa.array([1])))
    source = SQLiteSource(str(path), "events", TIME_FIELD)
    reading = source.read(WINDOW)
    with pytest.raises(Unavailable):
        target.clear(lock_for(epoch=2))
    assert len(list(reading.batches)) == 1
    target.clear(lock_for(epoch=3))
    source.read(WINDOW)
    target.clear(lock_for(epoch=4))


def test_a_text_in_the_place_of_an_instant_is_refused(path: Path, target: SQLiteTarget) -> None:
    """A table of the user's own names its times `TEXT TIMESTAMP`."""
    run(path, "CREATE TABLE events (happened_at TEXT)")
    with pytest.raises(BadData, match=r"happened_at of main.events is TEXT"):
        target.check()
