"""What is particular to MySQL and MariaDB as target: types, rights, errors, files that a server asks for."""

import secrets
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pyarrow as pa
import pytest
from pydantic import SecretStr

from implementations.loading.write_modes import Write
from implementations.mysql.address import Address
from implementations.mysql.session import opened
from implementations.mysql.source import MySQLSource
from implementations.mysql.target import MySQLTarget
from implementations.mysql.words import MySQLWords
from pipeline_framework.errors import BadData, Misuse, PipelineError, StageLost, Transient, Unavailable
from pipeline_framework.interfaces import Staged
from pipeline_framework.testing.staged import staged_in
from pipeline_framework.testing.truth import INSTANT, TICK, TIME_FIELD, WINDOW, lock_for, rows_of, truth
from pipeline_framework.windows import Window
from tests.services.addresses import elsewhere, refused
from tests.services.mariadb import execute

pytestmark = pytest.mark.services
Put = Callable[..., Staged]


@pytest.fixture
def target(mariadb_data_url: str) -> MySQLTarget:
    return MySQLTarget(SecretStr(mariadb_data_url), f"flights_{secrets.token_hex(4)}", TIME_FIELD)


@pytest.fixture(params=["files", "statements"])
def either_way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows go in by LOAD DATA, then by INSERT."""
    monkeypatch.setattr(MySQLWords, "takes_files", lambda _: request.param == "files")


@pytest.fixture
def put(tmp_path: Path) -> Put:
    """Stages one row of the window's start, or of `times`, with these columns."""

    def staged(times: Any = None, **columns: Any) -> Staged:
        stamps = pa.array([WINDOW.start], INSTANT) if times is None else times
        return staged_in(tmp_path / "staged", pa.table({TIME_FIELD: stamps, **columns}))

    return staged


def ask(target: MySQLTarget | MySQLSource, *statements: str) -> list[tuple[Any, ...]]:
    """The rows of the last statement."""
    return execute(
        target.url.get_secret_value(),
        *(statement.replace("TABLE_", target.table) for statement in statements),
    )


def test_a_server_without_files_is_given_statements(target: MySQLTarget, tmp_path: Path) -> None:
    """`check` says so, and every row arrives unchanged."""
    held = [TIME_FIELD, "number", "unsigned", "amount", "text", "raw", "day", "local"]
    rows = truth().select(held)
    ask(target, "SET GLOBAL local_infile = 0")
    try:
        assert "by INSERT" in target.check()
        assert target.load(lock_for(), staged_in(tmp_path / "staged", rows)).rows == 60
    finally:
        ask(target, "SET GLOBAL local_infile = 1")
    found = ask(target, f"SELECT {', '.join(f'`{name}`' for name in held)} FROM TABLE_")
    columns = zip(*found, strict=True)
    read = {
        name: pa.array(list(values), rows.schema.field(name).type)
        for name, values in zip(held, columns, strict=True)
    }
    assert rows_of(pa.table(read)) == rows_of(rows)
    assert "INSERT" not in target.check()


def test_long_statements_are_cut_between_rows(
    target: MySQLTarget, put: Put, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As many rows as there are, however few a statement holds."""
    monkeypatch.setattr(MySQLWords, "takes_files", lambda _: False)
    monkeypatch.setattr("implementations.mysql.words.STATEMENT", 100)
    rows = put(pa.array([WINDOW.start] * 50, INSTANT), n=list(range(50)))
    assert target.load(lock_for(), rows).rows == 50
    assert sorted(ask(target, "SELECT n FROM TABLE_")) == [(n,) for n in range(50)]


VALUES: list[tuple[str, pa.Array, Any]] = [
    ("bigint", pa.array([7], pa.int16()), 7),
    ("bigint unsigned", pa.array([2**64 - 1], pa.uint64()), 2**64 - 1),
    ("double", pa.array([7], pa.int32()), 7.0),
    ("double", pa.array([5e-324]), 5e-324),
    ("double", pa.array([1.7976931348623157e308]), 1.7976931348623157e308),
    ("double", pa.array([1 / 3]), 1 / 3),
    ("double", pa.array([0.5], pa.float32()), 0.5),
    ("decimal(40,9)", pa.array([Decimal("0.000000001")], pa.decimal128(20, 9)), Decimal("0.000000001")),
    (
        "decimal(65,9)",
        pa.array([Decimal("9" * 56 + ".5")], pa.decimal256(65, 9)),
        Decimal("9" * 56 + ".500000000"),
    ),
    ("varchar(3)", pa.array(["abc"]), "abc"),
    ("char(3)", pa.array(["ab"]), "ab"),
    ("text", pa.array(["\\N"]), "\\N"),
    ("text", pa.array(["NULL"]), "NULL"),
    ("text", pa.array([""]), ""),
    ("text", pa.array([None], pa.string()), None),
    ("text", pa.array(["a\\\tb\nc\\"]), "a\\\tb\nc\\"),
    ("text", pa.array(["\0\x1a\r'\"` ? %s"]), "\0\x1a\r'\"` ? %s"),
    ("longtext", pa.array(["🛫 é"], pa.large_string()), "🛫 é"),
    ("enum('a','b')", pa.array(["b"]).dictionary_encode(), "b"),
    ("varbinary(9)", pa.array([b"\\\t\n\x00\xff'"]), b"\\\t\n\x00\xff'"),
    ("blob", pa.array([b""]), b""),
    ("tinyint(1)", pa.array([True]), 1),
    ("timestamp(6)", pa.array([WINDOW.start + TICK], INSTANT), (WINDOW.start + TICK).replace(tzinfo=None)),
    ("time(6)", pa.array([1], pa.time64("us")), timedelta(microseconds=1)),
    ("json", pa.array([{"a": [1, None], "at": date(2013, 1, 1)}]), '{"a": [1, null], "at": "2013-01-01"}'),
    ("json", pa.array([['x\\"y', None]]), '["x\\\\\\"y", null]'),
]


@pytest.mark.parametrize(("kind", "column", "value"), VALUES)
@pytest.mark.usefixtures("either_way")
def test_values_go_into_a_column_that_holds_them(
    target: MySQLTarget, put: Put, kind: str, column: pa.Array, value: Any
) -> None:
    """Unchanged, whatever marks the file or the statement has for ends, NULL and escapes."""
    ask(target, f"CREATE TABLE TABLE_ ({TIME_FIELD} datetime(6), v {kind}) CHARACTER SET utf8mb4")
    assert target.load(lock_for(), put(v=column)).rows == 1
    assert ask(target, "SELECT v FROM TABLE_") == [(value,)]


REFUSED: list[tuple[str, pa.Array]] = [
    ("double", pa.array([7], pa.int64())),
    ("bigint", pa.array([0.5])),
    ("bigint", pa.array([2**64 - 1], pa.uint64())),
    ("int", pa.array([2**31], pa.int64())),
    ("bigint", pa.array([WINDOW.start], INSTANT)),
    ("decimal(10,2)", pa.array([Decimal("1.555")], pa.decimal128(10, 3))),
    ("datetime", pa.array([WINDOW.start], INSTANT)),
    ("datetime(3)", pa.array([WINDOW.start], INSTANT)),
    ("timestamp(6)", pa.array([datetime(2200, 1, 1, tzinfo=UTC)], INSTANT)),
    ("varchar(3)", pa.array(["abcd"])),
    ("char(3)", pa.array(["ab "])),
    ("varchar(9) CHARACTER SET latin1", pa.array(["日本"])),
    ("enum('a','b')", pa.array(["c"])),
    ("json", pa.array(["no json"])),
    ("binary(9)", pa.array([b"short"])),
    ("varbinary(2)", pa.array([b"long"])),
    ("double", pa.array([float("nan")])),
    ("double", pa.array([float("-inf")])),
    ("bigint NOT NULL", pa.array([None], pa.int64())),
    ("bigint CHECK (v < 5)", pa.array([7], pa.int64())),
    ("text", pa.array([1], pa.duration("s"))),
]


@pytest.mark.parametrize(("kind", "column"), REFUSED)
@pytest.mark.usefixtures("either_way")
def test_values_that_would_change_are_refused(
    target: MySQLTarget, put: Put, kind: str, column: pa.Array
) -> None:
    """Where a lenient server, or LOAD DATA LOCAL on any, would only warn; nothing is changed."""
    ask(target, f"CREATE TABLE TABLE_ ({TIME_FIELD} datetime(6), v {kind})")
    with pytest.raises(BadData):
        target.load(lock_for(), put(v=column))
    assert (target.count(WINDOW), target.loaded(lock_for())) == (0, None)


@pytest.mark.usefixtures("either_way")
def test_a_unique_index_of_the_table_is_kept(target: MySQLTarget, put: Put) -> None:
    """A row that it refuses is bad data; LOAD DATA LOCAL would leave it out."""
    ask(target, f"CREATE TABLE TABLE_ ({TIME_FIELD} datetime(6), v bigint UNIQUE)")
    with pytest.raises(BadData, match="Duplicate"):
        target.load(lock_for(), put(pa.array([WINDOW.start] * 2, INSTANT), v=[1, 1]))
    assert target.count(WINDOW) == 0


def test_names_that_the_ledger_does_not_hold_are_told(target: MySQLTarget, put: Put) -> None:
    """Which of them, and how long it may be; an owner, which is in no key, may be longer."""
    lock = lock_for(owner="run " + "x" * 900)
    assert target.load(lock, put()) == target.loaded(lock)
    wide = replace(target, scope={"side": "x" * 200})
    pipeline, mapping = replace(lock, pipeline_id="p" * 191), replace(lock, mapping_name="m" * 191)
    keys = [
        (target, pipeline, "pipeline_id"),
        (target, mapping, "mapping_name"),
        (wide, lock, r"target\.scope"),
    ]
    for held, by, name in keys:
        with pytest.raises(Misuse, match=f"`{name}` has .* holds 190"):
            held.load(by, put())
        with pytest.raises(Misuse, match=f"`{name}` has .* holds 190"):
            held.clear(by)


def test_keys_are_found_by_an_index(target: MySQLTarget, put: Put) -> None:
    """Those of deleted rows too, which only grow in number."""
    merging = replace(target, write=Write("upsert", ["id"], deleted_by="gone"), scope={"side": "mine"})
    merging.load(lock_for(), put(id=[1], gone=[False]))
    for table in ("TABLE_", "TABLE__deleted"):
        ((_, made),) = ask(target, f"SHOW CREATE TABLE {table}")
        assert "(`side`,`id`)" in made


def test_a_merge_looks_keys_up_instead_of_reading_the_table(target: MySQLTarget, put: Put) -> None:
    """A DELETE of one table would look at every row, and wait for those of other loads."""
    explained: list[tuple[Any, ...]] = []
    changed = MySQLWords.changed

    def explaining(words: MySQLWords, statement: str, *values: Any) -> int:
        if "newest" in statement and statement.startswith("DELETE"):
            explained.extend(words.rows(f"EXPLAIN {statement}"))
        return changed(words, statement, *values)

    merging = replace(target, write=Write("upsert", ["id"], deleted_by="gone"))
    merging.load(lock_for(), put(id=[1], gone=[False]))
    for table in ("TABLE_", "TABLE__deleted"):
        ask(target, f"INSERT INTO {table} (id, {TIME_FIELD}) SELECT seq, '2001-01-01' FROM seq_2_to_5000")
        ask(target, f"ANALYZE TABLE {table}")
    with patch.object(MySQLWords, "changed", explaining):
        merging.load(lock_for(epoch=2), put(id=[1], gone=[True]))
    read = {table: (how, key) for _, _, table, how, _, key, *_ in explained}
    assert [read[target.table], read[f"{target.table}_deleted"]] == [("ref", "id")] * 2


def test_a_new_table_has_the_types_of_what_is_staged(target: MySQLTarget, put: Put) -> None:
    """Decimals with their digits, structures as JSON, instants to the microsecond with an index, InnoDB."""
    some: dict[str, pa.Array] = {
        "amount": pa.array([Decimal(1)], pa.decimal128(12, 3)),
        "unsigned": pa.array([1], pa.uint64()),
        "good": pa.array([True]),
        "place": pa.array([{"a": 1}]),
        "kind": pa.array(["x"]).dictionary_encode(),
        "nothing": pa.nulls(1),
    }
    target.load(lock_for(), put(**some))
    assert {name: kind for name, kind, *_ in ask(target, "SHOW COLUMNS FROM TABLE_")} == {
        TIME_FIELD: "datetime(6)",
        "amount": "decimal(12,3)",
        "unsigned": "bigint(20) unsigned",
        "good": "tinyint(1)",
        "place": "longtext",
        "kind": "longtext",
    }
    ((_, made),) = ask(target, "SHOW CREATE TABLE TABLE_")
    assert f"KEY `{TIME_FIELD}`" in made
    assert "json_valid(`place`)" in made
    assert "ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin" in made


@pytest.mark.parametrize(
    "column", [pa.array([1], pa.decimal256(66, 0)), pa.array([0], pa.decimal128(38, 31))]
)
def test_decimals_that_no_column_holds_are_refused(target: MySQLTarget, put: Put, column: pa.Array) -> None:
    """Before there is a table."""
    with pytest.raises(BadData, match="65 and 30"):
        target.load(lock_for(), put(v=column))


@pytest.mark.usefixtures("either_way")
@pytest.mark.parametrize("zone", ["UTC", None])
def test_nanoseconds_are_cut_off_never_rounded(target: MySQLTarget, put: Put, zone: str | None) -> None:
    """A row 400 ns before the end of its window stays in it, also before 1970."""
    end = datetime(1969, 12, 31, 23, tzinfo=UTC)
    window, last = Window(end - timedelta(hours=1), end), int(end.timestamp()) * 10**9 - 400
    target.load(lock_for(window), put(pa.array([last], pa.timestamp("ns", zone))))
    assert ask(target, f"SELECT {TIME_FIELD} FROM TABLE_") == [((end - TICK).replace(tzinfo=None),)]


@pytest.mark.parametrize("kind", ["datetime", "datetime(3)", "timestamp", "date", "text"])
def test_time_fields_that_do_not_hold_microseconds_are_refused(
    target: MySQLTarget, put: Put, kind: str
) -> None:
    """They round, and a row would go into the next window."""
    ask(target, f"CREATE TABLE TABLE_ ({TIME_FIELD} {kind})")
    for ask_it in (target.check, lambda: target.load(lock_for(), put()), lambda: target.count(WINDOW)):
        with pytest.raises(BadData):
            ask_it()


def test_a_table_that_cannot_take_a_change_back_is_refused(target: MySQLTarget, put: Put) -> None:
    """MyISAM keeps what was inserted, whatever is rolled back."""
    ask(target, f"CREATE TABLE TABLE_ ({TIME_FIELD} datetime(6)) ENGINE = MyISAM")
    for ask_it in (target.check, lambda: target.load(lock_for(), put())):
        with pytest.raises(Misuse, match=r"MyISAM.*ENGINE = InnoDB"):
            ask_it()


def test_names_that_differ_in_case_are_two_tables(target: MySQLTarget, put: Put) -> None:
    """On a server that tells them apart, as on Linux, each has its own pipeline."""
    target.load(lock_for(), put())
    spelled = replace(target, table=target.table.upper())
    assert spelled.loaded(lock_for()) is None
    assert spelled.load(lock_for(mapping_name="other"), put()).rows == 1


def test_definitions_take_turns_in_whatever_spelling(target: MySQLTarget) -> None:
    """Where names have no case, two sessions would make one table."""
    address, table = Address(target.url), target._table
    with opened(address, "one") as one, opened(address, "other") as other:
        MySQLWords(one.connection).queue(table)
        with pytest.raises(Unavailable, match="being defined"):
            MySQLWords(other.connection).queue(replace(table, name=table.name.upper()))


def test_names_that_are_one_column_to_mysql_are_refused(target: MySQLTarget, put: Put) -> None:
    """Case and accents aside; and a name longer than it keeps."""
    with pytest.raises(BadData, match="rename one"):
        target.load(lock_for(), put(cafe=[1], CAFÉ=[1]))
    with pytest.raises(BadData, match="64 letters"):
        target.load(lock_for(), put(**{"é" * 65: ["x"]}))


def test_text_in_a_scope_is_compared_letter_by_letter(target: MySQLTarget, put: Put) -> None:
    """Whatever the table's collation takes for the same."""
    ask(target, f"CREATE TABLE TABLE_ ({TIME_FIELD} datetime(6), c varchar(9)) COLLATE latin1_swedish_ci")
    scopes = [replace(target, scope={"c": value}) for value in ("aa", "AA", "a\\'")]
    for number, scoped in enumerate(scopes):
        scoped.load(lock_for(mapping_name=str(number)), put())
    assert [scoped.count(WINDOW) for scoped in scopes] == [1, 1, 1]
    assert sorted(ask(target, "SELECT c FROM TABLE_")) == [("AA",), ("a\\'",), ("aa",)]


def test_a_scope_that_is_no_number_is_refused(target: MySQLTarget, put: Put) -> None:
    """A lenient cast would make 0 of it."""
    replace(target, scope={"n": 0}).load(lock_for(), put())
    with pytest.raises(BadData, match="abc"):
        replace(target, scope={"n": "abc"}).count(WINDOW)


def test_an_error_of_the_stage_comes_out_as_it_is(target: MySQLTarget, put: Put) -> None:
    """The file is ended, and what came of it rolled back."""

    def breaking() -> Iterator[pa.RecordBatch]:
        yield from staged.batches()
        raise StageLost("The stage is gone.")

    staged = put()
    with pytest.raises(StageLost, match="stage is gone"):
        target.load(lock_for(), replace(staged, batches=breaking))
    assert target.count(WINDOW) == 0


def test_a_server_gets_no_other_file_than_the_stage(target: MySQLTarget, put: Put, tmp_path: Path) -> None:
    """A statement that names a file of this host is not answered with it."""
    secret = tmp_path / "secret"
    secret.write_text("2013-11-03 05:00:00\n")
    target.load(lock_for(), put())
    address = Address(target.url)
    with opened(address, "t") as session, pytest.raises(RuntimeError, match="LOAD_LOCAL"):
        session.rows(f"LOAD DATA LOCAL INFILE '{secret}' INTO TABLE `{target.table}`")
    assert target.count(WINDOW) == 1


@pytest.mark.parametrize(
    ("parts", "kind", "said"),
    [
        ({"password": "s3cr%20et"}, Misuse, "refuses the login"),
        ({"password": "s3cr日"}, Misuse, "refuses the login"),
        ({"database": "nowhere"}, Misuse, "does not exist"),
        ({"database": ""}, Misuse, "names no database"),
        ({"database": "x?sslmode=require"}, Misuse, "option sslmode"),
        ({"server": "127.0.0.1:1"}, Unavailable, "127.0.0.1:1"),
        ({"server": "127.0.0.1:9z"}, Misuse, "cannot be read"),
        ({"server": "[::1"}, Misuse, "cannot be read"),
        ({"server": "no-such-host.invalid"}, Unavailable, "no-such-host"),
    ],
)
def test_errors_of_connecting(
    mariadb_data_url: str, parts: dict[str, str], kind: type[PipelineError], said: str
) -> None:
    """Transient where waiting may help, else terminal; in no case with the password."""
    url = elsewhere(mariadb_data_url, **parts)
    for system in (MySQLTarget(url, "t", "at"), MySQLSource(url, "t", "at")):
        refused(system, kind, said)


def test_something_else_that_listens_is_not_waited_for(
    mariadb_data_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A port that takes connections and does not greet."""
    monkeypatch.setattr("implementations.mysql.session.CONNECT", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = elsewhere(mariadb_data_url, server=f"127.0.0.1:{silent.getsockname()[1]}")
        with pytest.raises(Unavailable):
            MySQLTarget(url, "t", "at").count(WINDOW)


def test_another_kind_of_database_is_a_misuse() -> None:
    """Before anything is opened."""
    with pytest.raises(Misuse, match="mysql://"):
        MySQLTarget(SecretStr("postgresql://anna:secret@db/data"), "t", "at").check()


@contextmanager
def user(target: MySQLTarget, *grants: str) -> Iterator[MySQLTarget]:
    """The target as a user with these rights only."""
    name, place = f"user_{secrets.token_hex(4)}", target.url.get_secret_value().rpartition("@")[2]
    ask(target, f"CREATE USER {name} IDENTIFIED BY 'pw'", *(f"GRANT {grant} TO {name}" for grant in grants))
    try:
        yield replace(target, url=SecretStr(f"mysql://{name}:pw@{place}"))
    finally:
        ask(target, f"DROP USER {name}")


def test_check_names_the_rights_that_lack(target: MySQLTarget, put: Put) -> None:
    """All of them at once; with them a load succeeds."""
    target.load(lock_for(), put())
    with user(target, "SELECT ON TABLE_", "SELECT ON pipeline_loads") as reader:
        with pytest.raises(
            Misuse, match=rf"grant INSERT on .*{target.table}.*DELETE on.*UPDATE on .*pipeline_loads"
        ):
            reader.check()
        with pytest.raises(Misuse, match="permission"):
            reader.load(lock_for(epoch=2), put())
    rights = ("SELECT, INSERT, DELETE ON TABLE_", "SELECT, INSERT, UPDATE ON pipeline_loads")
    with user(target, *rights) as writer:
        assert "can write" in writer.check()
        assert writer.load(lock_for(epoch=3), put()).rows == 1
    strange = replace(target, table=f"new_{target.table}")
    most = user(strange, "SELECT, INSERT, UPDATE, DELETE ON *")
    with most as stranger, pytest.raises(Misuse, match="grant CREATE on"):
        stranger.check()
    assert ask(strange, "SHOW TABLES LIKE 'TABLE_'") == []


def test_a_server_that_only_reads_is_a_misuse(target: MySQLTarget, put: Put) -> None:
    """As a replica is; who holds only the usual rights is told to name the one that writes."""
    target.load(lock_for(), put())
    with user(target, "ALL ON *") as usual:
        ask(target, "SET GLOBAL read_only = 1")
        try:
            for ask_it in (usual.check, lambda: usual.load(lock_for(epoch=2), put())):
                with pytest.raises(Misuse, match="only reads"):
                    ask_it()
        finally:
            ask(target, "SET GLOBAL read_only = 0")


def test_what_the_server_does_to_a_session_is_transient(target: MySQLTarget, put: Put) -> None:
    """A session that an administrator ends may be tried again."""

    def ending() -> Iterator[pa.RecordBatch]:
        yield from staged.batches()
        ids = [row[0] for row in ask(target, "SHOW FULL PROCESSLIST") if "/* contract " in str(row[7])]
        ask(target, *(f"KILL {number}" for number in ids))
        yield from staged.batches()

    staged = put()
    with pytest.raises(Transient):
        target.load(lock_for(), replace(staged, batches=ending))
    assert target.count(WINDOW) == 0
