"""What is particular to DuckDB: one writer per file, its types, its memory."""

import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest

from implementations.duckdb import DuckDBTarget
from pipeline_framework.errors import BadData, Fenced, Misuse, PipelineError, StageLost, Unavailable
from pipeline_framework.interfaces import Lock, Staged
from pipeline_framework.testing.staged import staged_in
from pipeline_framework.testing.truth import AFTER, INSTANT, TICK, TIME_FIELD, WINDOW, edges, lock_for, truth
from pipeline_framework.windows import Window
from tests.implementations.holding import holder


@pytest.fixture
def target(tmp_path: Path) -> DuckDBTarget:
    return DuckDBTarget(str(tmp_path / "w.duckdb"), "flights", TIME_FIELD, wait_seconds=0.5)


def put(target: DuckDBTarget, table: pa.Table | None = None) -> Staged:
    return staged_in(Path(target.path).parent / "staged", truth() if table is None else table)


def ask(target: DuckDBTarget, query: str) -> list[tuple[Any, ...]]:
    with duckdb.connect(target.path) as connection:
        return connection.execute(query).fetchall()


def test_asking_makes_no_file(target: DuckDBTarget) -> None:
    """Count, check and ledger answer where there is no file, and leave none."""
    assert (target.count(WINDOW), target.loaded(lock_for())) == (0, None)
    assert "makes the file" in target.check()
    assert not Path(target.path).parent.joinpath("w.duckdb").exists()


def test_a_new_file_appears_whole(target: DuckDBTarget, monkeypatch: pytest.MonkeyPatch) -> None:
    """DuckDB never writes a file from nothing in the place where others look for it."""
    connect, opened = duckdb.connect, []

    def connecting(path: Any, **settings: Any) -> duckdb.DuckDBPyConnection:
        opened.append((Path(path) == Path(target.path), Path(path).exists()))
        return connect(path, **settings)

    monkeypatch.setattr(duckdb, "connect", connecting)
    target.clear(lock_for())
    assert opened == [(False, False), (True, True)]
    assert [path.name for path in Path(target.path).parent.iterdir()] == ["w.duckdb"]


@pytest.mark.parametrize("stopped", [False, True])
def test_a_file_held_for_ever_names_the_process(target: DuckDBTarget, stopped: bool) -> None:
    """A stopped process holds it like a busy one; whoever waits says for whom."""
    target.load(lock_for(), put(target))
    with holder(target.path) as process:
        if stopped:
            process.send_signal(signal.SIGSTOP)
        for ask_it in (
            lambda: target.count(WINDOW),
            lambda: target.load(lock_for(epoch=2), put(target)),
            lambda: target.loaded(lock_for()),
            target.check,
        ):
            with pytest.raises(Unavailable, match=f"process {process.pid} "):
                ask_it()
    assert target.count(WINDOW) == 60


def test_waiting_for_a_writer_ends_when_it_lets_go(target: DuckDBTarget) -> None:
    """Count and load come through as soon as the other process is gone."""
    target.load(lock_for(), put(target))
    patient = DuckDBTarget(target.path, "flights", TIME_FIELD, wait_seconds=30)
    with holder(target.path) as process, ThreadPoolExecutor(2) as pool:
        counted = pool.submit(patient.count, WINDOW)
        loaded = pool.submit(patient.load, lock_for(AFTER), put(target, truth(AFTER)))
        assert not counted.done()
        process.kill()
        assert (counted.result(30), loaded.result(30).rows) == (60, 60)


def test_counting_shares_the_file_with_readers(target: DuckDBTarget) -> None:
    """A person who looks at the table in another process stops no count."""
    target.load(lock_for(), put(target))
    with holder(target.path, writing=False):
        assert target.count(WINDOW) == 60


def test_threads_of_one_process_load_windows_at_once(target: DuckDBTarget) -> None:
    """Conflicts between threads are waited out, and no row is lost."""
    patient = DuckDBTarget(target.path, "flights", TIME_FIELD, wait_seconds=60)
    hour = timedelta(hours=2)
    windows = [Window(WINDOW.start + hour * n, WINDOW.end + hour * n) for n in range(8)]
    jobs = [(lock_for(window), put(target, truth(window))) for window in windows]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda job: patient.load(*job), jobs))
        assert list(pool.map(patient.count, windows)) == [60] * 8


def test_threads_at_one_window_leave_the_newest_epoch(target: DuckDBTarget) -> None:
    """Whoever comes late is fenced, whoever meets another waits, and no row is doubled."""
    patient = DuckDBTarget(target.path, "flights", TIME_FIELD, wait_seconds=60)
    jobs = [(lock_for(epoch=epoch), put(target, truth(rows=epoch))) for epoch in range(10, 26)]

    def attempt(job: tuple[Lock, Staged]) -> None:
        with suppress(Fenced):
            patient.load(*job)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(attempt, jobs))
    assert patient.count(WINDOW) == 25


def test_the_ledger_needs_no_zones_of_a_driver(target: DuckDBTarget, monkeypatch: pytest.MonkeyPatch) -> None:
    """DuckDB hands out TIMESTAMPTZ only where pytz is installed, which it does not ask for."""
    monkeypatch.setitem(sys.modules, "pytz", None)
    loaded = target.load(lock_for(), put(target))
    assert target.loaded(lock_for()) == loaded


def test_a_process_killed_after_its_commit_has_loaded(target: DuckDBTarget) -> None:
    """What was committed is found by the next one to open the file, though it was never closed."""
    target.load(lock_for(), put(target))
    program = (
        "import duckdb, os, sys; c = duckdb.connect(sys.argv[1]);"
        "c.execute('DELETE FROM flights WHERE number = 0'); os.kill(os.getpid(), 9)"
    )
    subprocess.run([sys.executable, "-c", program, target.path], check=False)
    assert Path(target.path + ".wal").exists()
    assert target.count(WINDOW) == 50


@pytest.mark.parametrize("content", [b"no database" * 1000, b""])
def test_a_file_that_is_no_database(target: DuckDBTarget, content: bytes) -> None:
    """It is left as it is."""
    Path(target.path).write_bytes(content)
    for ask_it in (lambda: target.count(WINDOW), lambda: target.load(lock_for(), put(target))):
        with pytest.raises(Misuse, match="no DuckDB database"):
            ask_it()
    assert Path(target.path).read_bytes() == content


def test_a_folder_is_no_database(tmp_path: Path) -> None:
    """A slip in the path is one sentence."""
    with pytest.raises(PipelineError, match="directory"):
        DuckDBTarget(str(tmp_path), "t", TIME_FIELD).count(WINDOW)


def test_no_permission(others_folder: Path, unprivileged: None) -> None:
    """Neither to make the file nor to open it."""
    fresh = DuckDBTarget(str(others_folder / "w.duckdb"), "t", TIME_FIELD)
    with pytest.raises(Misuse, match="permission"):
        fresh.check()
    existing = DuckDBTarget(str(others_folder / "a.csv"), "t", TIME_FIELD)
    for ask_it in (existing.check, lambda: existing.count(WINDOW)):
        with pytest.raises(Misuse, match="permission"):
            ask_it()


@pytest.mark.parametrize("kind", ["TIMESTAMP", "TIMESTAMPTZ"])
@pytest.mark.parametrize("zone", ["UTC", "Asia/Kolkata"])
def test_a_table_that_was_there_before(
    target: DuckDBTarget, kind: str, zone: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With or without a zone its times are UTC, whatever clock the machine shows; names have no case."""
    monkeypatch.setenv("TZ", zone)
    ask(
        target, f"CREATE TABLE flights (Happened_AT {kind}, NUMBER BIGINT NOT NULL, note VARCHAR DEFAULT 'x')"
    )
    target.load(lock_for(Window(WINDOW.start - TICK, AFTER.end)), put(target, edges()))
    assert target.count(WINDOW) == 3
    first = int(WINDOW.start.timestamp() * 10**6) - 1
    found = ask(target, "SELECT count(*), sum(number), min(epoch_us(happened_at)), min(note) FROM flights")
    assert found == [(6, 3, first, "x")]


@pytest.mark.parametrize("kind", ["DATE", "TIMESTAMP_S", "TIMESTAMP_MS", "VARCHAR", "BIGINT"])
def test_a_time_column_that_holds_no_microseconds(target: DuckDBTarget, kind: str) -> None:
    """Rounding would move rows to another window, so it is refused, with the type."""
    ask(target, f"CREATE TABLE flights ({TIME_FIELD} {kind})")
    for ask_it in (lambda: target.count(WINDOW), lambda: target.load(lock_for(), put(target))):
        with pytest.raises(BadData, match=f"{TIME_FIELD}.*{kind}"):
            ask_it()


def test_a_table_without_the_time_field_names_the_nearest(target: DuckDBTarget) -> None:
    """A slip in the configuration."""
    ask(target, "CREATE TABLE flights (hapened_at TIMESTAMP)")
    with pytest.raises(BadData, match="nearest is hapened_at"):
        target.count(WINDOW)


WIDENING = [
    (pa.int32(), "BIGINT", True),
    (pa.int64(), "INTEGER", False),
    (pa.uint32(), "BIGINT", True),
    (pa.uint64(), "BIGINT", False),
    (pa.int8(), "UTINYINT", False),
    (pa.uint64(), "HUGEINT", True),
    (pa.int32(), "DOUBLE", True),
    (pa.int64(), "DOUBLE", False),
    (pa.int32(), "FLOAT", False),
    (pa.float32(), "DOUBLE", True),
    (pa.float64(), "FLOAT", False),
    (pa.float64(), "DECIMAL(38,9)", False),
    (pa.int16(), "DECIMAL(7,2)", True),
    (pa.int16(), "DECIMAL(6,2)", False),
    (pa.decimal128(10, 2), "DECIMAL(12,4)", True),
    (pa.decimal128(10, 2), "DECIMAL(12,1)", False),
    (pa.decimal128(10, 2), "DOUBLE", False),
    (pa.decimal128(10, 0), "BIGINT", False),
    (pa.string(), "INTEGER", False),
    (pa.int64(), "VARCHAR", False),
    (pa.bool_(), "INTEGER", False),
    (pa.timestamp("us"), "TIMESTAMP WITH TIME ZONE", True),
    (pa.timestamp("us", "UTC"), "TIMESTAMP", True),
    (pa.date32(), "TIMESTAMP", False),
]


@pytest.mark.parametrize(("staged", "column", "fits"), WIDENING, ids=str)
def test_only_what_fits_unchanged_goes_in(
    target: DuckDBTarget, staged: pa.DataType, column: str, fits: bool
) -> None:
    """Wider numbers and both forms of UTC; anything else names the column and both types."""
    ask(target, f"CREATE TABLE flights ({TIME_FIELD} TIMESTAMPTZ, v {column})")
    table = pa.table({TIME_FIELD: pa.array([WINDOW.start], INSTANT), "v": pa.nulls(1, staged)})
    if fits:
        assert target.load(lock_for(), put(target, table)).rows == 1
        return
    with pytest.raises(
        BadData, match=rf"Column v of main\.flights is {re.escape(column)}, .* staged for it is"
    ):
        target.load(lock_for(), put(target, table))


def test_numbers_that_widen_keep_their_values(target: DuckDBTarget) -> None:
    """At the ends of their range."""
    ask(target, f"CREATE TABLE flights ({TIME_FIELD} TIMESTAMPTZ, a HUGEINT, b DECIMAL(20,4), c DOUBLE)")
    values = {
        "a": pa.array([2**64 - 1, 0], pa.uint64()),
        "b": pa.array([Decimal("-99999999.99"), Decimal("99999999.99")], pa.decimal128(10, 2)),
        "c": pa.array([-(2**31), 2**31 - 1], pa.int32()),
    }
    target.load(
        lock_for(), put(target, pa.table({TIME_FIELD: pa.array([WINDOW.start] * 2, INSTANT)} | values))
    )
    assert ask(target, "SELECT a, b, c FROM flights") == [
        (2**64 - 1, Decimal("-99999999.9900"), -(2.0**31)),
        (0, Decimal("99999999.9900"), 2.0**31 - 1),
    ]


def test_a_column_of_nothing_but_null_waits_for_its_type(target: DuckDBTarget) -> None:
    """It is added when a window knows what it holds."""
    time = pa.array([WINDOW.start], INSTANT)
    target.load(
        lock_for(), put(target, pa.table({TIME_FIELD: time, "v": pa.nulls(1), "w": pa.array([[None]])}))
    )
    assert ask(target, "SELECT column_name FROM duckdb_columns() WHERE table_name = 'flights'") == [
        (TIME_FIELD,)
    ]
    target.load(lock_for(epoch=2), put(target, pa.table({TIME_FIELD: time, "v": ["x"], "w": [[1]]})))
    target.load(lock_for(epoch=3), put(target, pa.table({TIME_FIELD: time, "v": pa.nulls(1), "w": [[2]]})))
    assert ask(target, "SELECT v, w FROM flights") == [(None, [2])]


def test_a_list_of_nothing_is_one_where_the_table_has_the_column(target: DuckDBTarget) -> None:
    """Not the default, and not NULL: its type is the table's."""
    ask(
        target, f"CREATE TABLE flights ({TIME_FIELD} TIMESTAMPTZ, v VARCHAR[] DEFAULT ['x'], w STRUCT(a INT))"
    )
    nothing, column = [[], None, [None]], pa.array([WINDOW.start] * 3, INSTANT)
    rows = {TIME_FIELD: column, "v": pa.array(nothing, pa.list_(pa.null())), "w": [{"a": None}] * 3}
    target.load(lock_for(), put(target, pa.table(rows)))
    assert ask(target, "SELECT v, w FROM flights") == [(each, {"a": None}) for each in nothing]


def test_a_list_of_nothing_is_no_number(target: DuckDBTarget) -> None:
    """Told as any other value that the table's type does not hold."""
    ask(target, f"CREATE TABLE flights ({TIME_FIELD} TIMESTAMPTZ, v BIGINT)")
    rows = pa.table({TIME_FIELD: pa.array([WINDOW.start], INSTANT), "v": pa.array([[]], pa.list_(pa.null()))})
    with pytest.raises(BadData, match=r"correct the rows, or change the table"):
        target.load(lock_for(), put(target, rows))


def test_a_member_of_nothing_but_null_takes_no_other_member_along(target: DuckDBTarget) -> None:
    """It is text where the table is made, and what the table says where it is there; the others are kept."""

    def loaded(epoch: int, *place: dict[str, Any], name: str = "place") -> list[tuple[Any, ...]]:
        rows = pa.table({TIME_FIELD: pa.array([WINDOW.start] * len(place), INSTANT), name: place})
        target.load(lock_for(epoch=epoch), put(target, rows))
        return ask(target, f"SELECT {name} FROM flights")

    unknown, known = {"near": None, "tags": [None], "n": 1}, {"near": "x", "tags": ["y"], "n": 2}
    assert loaded(1, unknown) == [(unknown,)]
    assert loaded(2, known) == [(known,)]
    assert loaded(3, unknown) == [(unknown,)]
    assert loaded(4, unknown, name="added") == [(unknown,)]
    ask(target, "ALTER TABLE flights ADD COLUMN numbered STRUCT(near DOUBLE, tags DATE[], n BIGINT)")
    assert loaded(5, unknown, name="numbered") == [(unknown,)]
    with pytest.raises(BadData, match="does not fit unchanged"):
        loaded(6, {"near": None, "tags": ["y"], "n": 1}, name="numbered")


def test_a_scope_of_nothing_but_null_is_filled_in(target: DuckDBTarget) -> None:
    """Whether the table has the column or not: there is no other value that it could carry."""
    scoped = replace(target, scope={"carrier": "AA"})
    for epoch in (1, 2):
        rows = pa.table({TIME_FIELD: pa.array([WINDOW.start], INSTANT), "carrier": pa.nulls(1)})
        assert scoped.load(lock_for(epoch=epoch), put(target, rows)).rows == 1
    assert ask(target, "SELECT carrier FROM flights") == [("AA",)]


def test_decimals_that_would_become_doubles_are_refused(target: DuckDBTarget) -> None:
    """DuckDB reads more than 38 digits as a double without a word."""
    wide = pa.table({TIME_FIELD: pa.array([WINDOW.start], INSTANT), "v": pa.nulls(1, pa.decimal256(39, 2))})
    with pytest.raises(BadData, match=r"Column v .* 39 digits"):
        target.load(lock_for(), put(target, wide))


def test_columns_that_differ_in_case_alone_are_refused(target: DuckDBTarget) -> None:
    """They are one column to DuckDB."""
    twins = pa.table({TIME_FIELD: pa.array([WINDOW.start], INSTANT), "Name": ["a"], "name": ["b"]})
    with pytest.raises(BadData, match="Name and name are one"):
        target.load(lock_for(), put(target, twins))


def test_a_constraint_of_the_table_is_told(target: DuckDBTarget) -> None:
    """NOT NULL and keys are the table's own; the window is unchanged and a replacement may repeat keys."""
    ask(target, f"CREATE TABLE flights ({TIME_FIELD} TIMESTAMPTZ, number BIGINT PRIMARY KEY)")
    numbers = pa.table({TIME_FIELD: pa.array([WINDOW.start] * 3, INSTANT), "number": [1, 2, 3]})
    target.load(lock_for(), put(target, numbers))
    target.load(lock_for(epoch=2), put(target, numbers))
    doubled = numbers.set_column(1, "number", pa.array([1, 1, 2]))
    with pytest.raises(BadData, match=r"(?i)constraint|duplicate"):
        target.load(lock_for(epoch=3), put(target, doubled))
    assert target.count(WINDOW) == 3


def test_a_view_is_told(target: DuckDBTarget) -> None:
    """In one sentence, with the name."""
    ask(target, f"CREATE VIEW flights AS SELECT now() AS {TIME_FIELD}")
    with pytest.raises(BadData, match="flights"):
        target.load(lock_for(), put(target))


def test_a_schema_that_is_missing_is_the_users_matter(target: DuckDBTarget) -> None:
    """Told by `check` before there is a file, and after; once it is made, the load goes on."""
    elsewhere = replace(target, schema="nowhere")
    writes = (lambda: elsewhere.load(lock_for(), put(target)), lambda: elsewhere.clear(lock_for()))
    for ask_it in (elsewhere.check, *writes, elsewhere.check):
        with pytest.raises(Misuse, match=r"w.duckdb has no schema nowhere: .* create it"):
            ask_it()
    assert (elsewhere.count(WINDOW), elsewhere.loaded(lock_for())) == (0, None)
    ask(target, "CREATE SCHEMA Nowhere")
    assert "will be made" in elsewhere.check()
    assert elsewhere.load(lock_for(), put(target)).rows == 60


@pytest.mark.parametrize("name", ["day1.parquet", "No space left", "held in x (PID 1)"])
def test_a_value_that_reads_like_a_file_is_a_value(target: DuckDBTarget, name: str) -> None:
    """A double key is the rows' fault, whatever it is called."""
    ask(target, f"CREATE TABLE flights ({TIME_FIELD} TIMESTAMPTZ, name VARCHAR PRIMARY KEY)")
    times = pa.array([WINDOW.start] * 2, INSTANT)
    with pytest.raises(BadData, match="correct the rows"):
        target.load(lock_for(), put(target, pa.table({TIME_FIELD: times, "name": [name] * 2})))


def test_a_path_is_no_pattern(target: DuckDBTarget, tmp_path: Path) -> None:
    """A folder of brackets is not the folder that they would match."""
    staged_in(tmp_path / "stage1", truth(rows=5))
    staged = staged_in(tmp_path / "stage[1]", truth())
    assert target.load(lock_for(), staged).rows == 60


@pytest.mark.parametrize("damage", ["gone", "cut", "empty"])
def test_staged_files_that_cannot_be_read(target: DuckDBTarget, damage: str) -> None:
    """The window is staged again, the target is as it was."""
    target.load(lock_for(), put(target))
    staged = put(target)
    path = Path(staged.paths[0])
    if damage == "gone":
        path.unlink()
    else:
        path.write_bytes(path.read_bytes()[: -50 if damage == "cut" else 0])
    with pytest.raises(StageLost, match="staged again"):
        target.load(lock_for(epoch=2), staged)
    assert target.count(WINDOW) == 60


@pytest.mark.parametrize("error", [StageLost("The part is gone."), Unavailable("The bucket is away.")])
def test_an_error_of_a_stage_elsewhere_comes_out_as_it_is(target: DuckDBTarget, error: PipelineError) -> None:
    """DuckDB would make a text of it, and of the transaction that it ends another."""
    staged = put(target)

    def batches() -> pa.RecordBatchReader:
        def rows() -> Iterator[pa.RecordBatch]:
            yield from truth().to_batches()
            raise error

        return pa.RecordBatchReader.from_batches(staged.schema, rows())

    with pytest.raises(type(error), match=str(error)):
        target.load(lock_for(), replace(staged, paths=["s3://nowhere/part.parquet"], batches=batches))
    assert target.count(WINDOW) == 0


def test_rows_too_wide_for_the_first_memory_limit(target: DuckDBTarget) -> None:
    """DuckDB is given more memory rather than the load given up."""
    columns = {f"c{n}": pa.array([f"{n}{row}" * 80 for row in range(4_000)]) for n in range(60)}
    time = pa.array([WINDOW.start] * 4_000, INSTANT)
    assert target.load(lock_for(), put(target, pa.table({TIME_FIELD: time} | columns))).rows == 4_000


def test_a_window_loaded_often_does_not_fill_the_disk(target: DuckDBTarget) -> None:
    """The room of replaced rows is used again."""
    rows = truth(rows=20_000)
    for epoch in range(1, 4):
        target.load(lock_for(epoch=epoch), put(target, rows))
    size = Path(target.path).stat().st_size
    for epoch in range(4, 14):
        target.load(lock_for(epoch=epoch), put(target, rows))
    assert Path(target.path).stat().st_size < 2 * size
