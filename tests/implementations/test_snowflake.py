"""What a load says to Snowflake, what must come back, and what is asked after a connection is lost."""

import json
import re
import secrets
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pytest
from pydantic import SecretStr

from implementations.snowflake import account, copying, names
from implementations.snowflake.session import opened, transaction_name
from implementations.snowflake.stages import Reached, _below
from implementations.snowflake.target import SnowflakeTarget
from implementations.snowflake.words import SnowflakeWords
from pipeline_framework.errors import BadData, Misuse, StageLost, Unavailable
from pipeline_framework.interfaces import Staged, StagedFile
from pipeline_framework.testing.staged import staged_in
from pipeline_framework.testing.truth import INSTANT, TIME_FIELD, WINDOW, lock_for, truth
from tests.services.s3 import KEYS, client
from tests.services.snowflake import FakeSnowflake

pytestmark = pytest.mark.services
Put = Callable[..., Staged]


@pytest.fixture
def target(snowflake: FakeSnowflake) -> SnowflakeTarget:
    """A table with a plain name."""
    return SnowflakeTarget(snowflake.url(), f"t_{secrets.token_hex(4)}", TIME_FIELD, wait_seconds=20)


@pytest.fixture
def put(tmp_path: Path) -> Put:
    """Stages columns beside the time field, as files of this host."""

    def staged(rows: int = 3, folder: str = "staged", **columns: pa.Array) -> Staged:
        times = truth(rows=rows)[TIME_FIELD]
        return staged_in(tmp_path / folder, pa.table({TIME_FIELD: times, **columns}))

    return staged


def described(server: FakeSnowflake, target: SnowflakeTarget) -> dict[str, str]:
    """The table's columns by type."""
    return {row[0]: row[1] for row in server.query(f"DESCRIBE TABLE {target.table}")}


def test_a_load_is_one_guarded_transaction(
    snowflake: FakeSnowflake, target: SnowflakeTarget, put: Put
) -> None:
    """Guard row, fence, DELETE, COPY, count, ledger, COMMIT: after every definition, with nothing between."""
    target.load(lock_for(), put())
    snowflake.sent()
    target.load(lock_for(epoch=2), put(folder="again"))
    statements = snowflake.statements()
    last = max(number for number, each in enumerate(statements) if each.startswith("BEGIN"))
    assert not [each for each in statements[last:] if re.match("CREATE|ALTER|DROP|PUT", each)]
    verbs = [each.split(" ")[0] for each in statements[last:]]
    changes = [verb for verb in verbs if verb not in {"SELECT", "DESCRIBE"}]
    assert changes == ["BEGIN", "UPDATE", "UPDATE", "DELETE", "COPY", "UPDATE", "COMMIT"]
    assert "PIPELINE_GUARD" in statements[last + 2]
    assert re.fullmatch(r"BEGIN NAME PIPELINE_[0-9A-F]{12}_2", statements[last])


def test_copy_names_its_files_and_takes_all_or_nothing(
    snowflake: FakeSnowflake, target: SnowflakeTarget, put: Put
) -> None:
    """What fakesnow does not look at is said to Snowflake all the same."""
    target.load(lock_for(), put())
    (copy,) = [each for each in snowflake.statements() if each.startswith("COPY")]
    assert "FILES = ('part-00000.parquet')" in copy
    for option in (
        "ON_ERROR = ABORT_STATEMENT",
        "USE_LOGICAL_TYPE = TRUE",
        "BINARY_AS_TEXT = FALSE",
        "FORCE",
    ):
        assert option in copy
    assert f'$1:"{TIME_FIELD}"::TIMESTAMP_TZ(9)' in copy


def test_a_session_is_in_utc_tagged_and_bounded(
    snowflake: FakeSnowflake, target: SnowflakeTarget, put: Put
) -> None:
    """The settings come with the login, so that no statement runs without them."""
    replace(target, statement_timeout_seconds=77).load(lock_for(epoch=5), put())
    login = next(each["login"] for each in snowflake.sent() if "login" in each)
    settings = login["SESSION_PARAMETERS"]
    assert (settings["TIMEZONE"], settings["STATEMENT_TIMEOUT_IN_SECONDS"]) == ("UTC", 77)
    assert (settings["LOCK_TIMEOUT"], settings["AUTOCOMMIT"]) == (10, False)
    assert settings["QUOTED_IDENTIFIERS_IGNORE_CASE"] is False
    tag = {"pipeline": "contract", "mapping": "", "window": str(WINDOW), "epoch": 5}
    assert json.loads(settings["QUERY_TAG"]) == tag


def test_files_of_a_bucket_are_read_by_a_stage_of_snowflake(
    snowflake: FakeSnowflake,
    target: SnowflakeTarget,
    put: Put,
    s3_server: str,
    fresh_bucket: Callable[[], str],
) -> None:
    """By the stage that is named, or one of the session with the credentials; no file passes this host."""
    bucket = fresh_bucket()
    staged = in_bucket(put(), s3_server, bucket)
    snowflake.query(f"CREATE STAGE {bucket.replace('-', '_')} URL = 's3://{bucket}/a/'")
    snowflake.sent()
    named = replace(target, stage=f"tests.public.{bucket.replace('-', '_')}")
    assert named.load(lock_for(), staged).rows == 3
    secrets_of_s3 = {name: SecretStr(value) for name, value in KEYS.items()}
    by_keys = replace(target, **secrets_of_s3)  # type: ignore[arg-type]  # by name
    assert by_keys.load(lock_for(epoch=2), staged).rows == 3
    statements = snowflake.statements()
    copies = [each for each in statements if each.startswith("COPY")]
    assert f"FILES = ('b c/d=1/{staged.manifest.files[0].name}')" in copies[0]
    assert not [each for each in statements if each.startswith("PUT")]
    (made,) = [each for each in statements if each.startswith("CREATE TEMPORARY STAGE")]
    assert f"URL = 's3://{bucket}/a/b c/d=1/'" in made


@pytest.mark.parametrize(
    ("stage", "sentence"),
    [
        (None, r"no way to s3://nowhere/.*`target.stage`"),
        ("no_such", "no external stage no_such"),
        ("elsewhere", r"is over s3://other/.*`stage.url`"),
    ],
)
def test_a_bucket_that_snowflake_cannot_reach_is_told_beforehand(
    snowflake: FakeSnowflake, target: SnowflakeTarget, put: Put, stage: str | None, sentence: str
) -> None:
    """No stage, an unknown one, one over another place; nothing is begun."""
    snowflake.query("CREATE STAGE IF NOT EXISTS elsewhere URL = 's3://other/x/'")
    staged = replace(put(), paths=["s3://nowhere/a/part-00000.parquet"])
    with pytest.raises(Misuse, match=sentence):
        replace(target, stage=stage).load(lock_for(), staged)
    assert target.count(WINDOW) == 0


@pytest.mark.parametrize(
    ("url", "folder", "below"),
    [
        ("gcs://b/x", "gs://b/x/y/", "y/"),
        ("azure://acc.blob.core.windows.net/con/x/", "az://con/x/y/z/", "y/z/"),
        ("s3compat://b/", "s3://b/y/", "y/"),
    ],
)
def test_stages_of_every_cloud_are_recognised(url: str, folder: str, below: str) -> None:
    """Snowflake spells the addresses of buckets in its own way."""
    assert _below(url, folder, "s") == below
    with pytest.raises(Misuse):
        _below(url.replace("/x", "/xx").replace("b/", "bb/"), folder, "s")


@pytest.mark.parametrize("report", [[], [{"file": "a/part-0", "status": "LOAD_SKIPPED", "rows_loaded": 0}],
                                    [{"file": "a/part-0", "status": "LOADED", "rows_loaded": 8}],
                                    [{"file": "a/part-1", "status": "LOADED", "rows_loaded": 9}],
                                    [{"status": "Copy executed with 0 files processed."}]])  # fmt: skip
def test_every_file_must_be_reported_with_its_rows(report: list[dict[str, object]]) -> None:
    """Skipped, short, another file, or nothing at all."""
    files = [StagedFile("part-0", 9, 1)]
    with pytest.raises(StageLost, match=r"part-0.*says 9"):
        copying.copied(files, report, "t")
    assert copying.copied(files, [{"file": "s3://b/part-0", "status": "LOADED", "rows_loaded": 9}], "t") == 9


def test_more_files_than_a_statement_takes_are_several(target: SnowflakeTarget, put: Put) -> None:
    """A FILES list has a thousand at most; files without rows are left out."""
    files = [StagedFile(f"part-{number}", number % 2, 1) for number in range(4002)]
    staged = replace(put(), manifest=replace(put().manifest, files=files))
    words = SnowflakeWords(None, target._table)  # type: ignore[arg-type]  # nothing is asked
    said = list(copying.copies(words, target._table, [], staged, Reached("s", "f/")))
    assert [len(some) for some, _ in said] == [1000, 1000, 1]
    assert said[2][1].count("'f/part-") == 1


TYPES = {
    "i8": (pa.array([127, -128, None], pa.int8()), "NUMBER(3,0)"),
    "i64": (pa.array([2**63 - 1, -(2**63), None], pa.int64()), "NUMBER(19,0)"),
    "u64": (pa.array([2**64 - 1, 2**63, 0], pa.uint64()), "NUMBER(20,0)"),
    "most": (pa.array([Decimal("9" * 37 + ".9"), Decimal("-" + "9" * 37), None], pa.decimal128(38, 1)), ""),
    "fine": (pa.array([Decimal("0." + "0" * 36 + "1"), Decimal(9), None], pa.decimal128(38, 37)), ""),
    "f": (pa.array([5e-324, -0.0, 1.7976931348623157e308]), "FLOAT"),
    "text": (pa.array(["日本語 🛫 é", 'it\'s "x"\n\\', None]).dictionary_encode(), "VARCHAR(16777216)"),
    "raw": (pa.array([b"\x00\xff", b"", None]), "BINARY(8388608)"),
    "yes": (pa.array([True, False, None]), "BOOLEAN"),
    "naive": (pa.array([0, 1, None], pa.timestamp("us")), "TIMESTAMP_NTZ(9)"),
    "nested": (pa.array([{"a": [1, None]}, {"a": []}, None]), "VARIANT"),
    "list": (pa.array([["a", "ü"], [], None]), "VARIANT"),
    "nothing": (pa.nulls(3), None),
}


@pytest.mark.parametrize("name", TYPES)
def test_values_of_a_new_column_arrive_unchanged(
    snowflake: FakeSnowflake, target: SnowflakeTarget, put: Put, name: str
) -> None:
    """Edges of 64 bits, 38 digits, unicode, nested values, NULL; a column of nothing but NULL waits."""
    values, kind = TYPES[name]
    target.load(lock_for(), put(value=values))
    if kind is None:
        assert "VALUE" not in described(snowflake, target)
        return
    assert described(snowflake, target)["VALUE"] == (kind or f"NUMBER(38,{values.type.scale})")
    found = [row[0] for row in snowflake.query(f"SELECT value FROM {target.table} ORDER BY {TIME_FIELD}")]
    nested = pa.types.is_nested(values.type)
    assert [json.loads(each) if nested and each else each for each in found] == values.to_pylist()
    assert repr(found[1]) != "0.0"


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        ("NUMBER(38,0)", pa.array([2**63 - 1, None, -1], pa.int64())),
        ("NUMBER(38,9)", pa.array([Decimal("1.5"), None, Decimal(0)], pa.decimal128(10, 2))),
        ("VARCHAR(9)", pa.array(["a", None, "b"])),
        ("FLOAT", pa.array([0.5, None, 1.0], pa.float32())),
        ("TIMESTAMP_NTZ(9)", pa.array([0, None, 1], INSTANT)),
    ],
)
def test_values_go_into_a_wider_column(
    snowflake: FakeSnowflake, target: SnowflakeTarget, put: Put, kind: str, values: pa.Array
) -> None:
    """A table that somebody else has made keeps its types."""
    snowflake.query(f"CREATE TABLE {target.table} ({TIME_FIELD} TIMESTAMP_NTZ(9), value {kind})")
    assert target.load(lock_for(), put(value=values)).rows == 3
    found = [row[0] for row in snowflake.query(f"SELECT value FROM {target.table} ORDER BY {TIME_FIELD}")]
    without_zone = [
        value.replace(tzinfo=None) if hasattr(value, "hour") else value for value in values.to_pylist()
    ]
    assert found == without_zone


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        ("NUMBER(10,0)", pa.array([1, 2, 3], pa.int64())),
        ("NUMBER(38,1)", pa.array([Decimal("0.55")] * 3, pa.decimal128(4, 2))),
        ("FLOAT", pa.array([1, 2, 3], pa.int64())),
        ("NUMBER(38,0)", pa.array(["1", "2", "3"])),
        ("DATE", pa.array([0, 1, 2], INSTANT)),
        ("VARIANT", pa.array(["1", "2", "3"])),
    ],
)
def test_values_that_might_change_are_refused(
    snowflake: FakeSnowflake, target: SnowflakeTarget, put: Put, kind: str, values: pa.Array
) -> None:
    """Narrower numbers, rounded digits, cut times; the column is named and nothing is loaded."""
    snowflake.query(f"CREATE TABLE {target.table} ({TIME_FIELD} TIMESTAMP_NTZ(9), value {kind})")
    with pytest.raises(BadData, match="Column value"):
        target.load(lock_for(), put(value=values))
    assert target.count(WINDOW) == 0


def test_a_column_of_nothing_but_null_is_not_the_default(
    snowflake: FakeSnowflake, target: SnowflakeTarget, put: Put
) -> None:
    """Parquet has no type for it; where the table has one, NULL arrives as NULL."""
    nothing = pa.nulls(3)
    target.load(lock_for(), put(number=nothing))
    snowflake.query(f"ALTER TABLE {target.table} ADD COLUMN number NUMBER(38,0) DEFAULT 7")
    target.load(lock_for(epoch=2), put(folder="again", number=nothing))
    assert snowflake.query(f"SELECT number FROM {target.table}") == [(None,)] * 3


def test_more_digits_than_snowflake_has_are_refused(target: SnowflakeTarget, put: Put) -> None:
    """Before anything is made."""
    wide = pa.array([Decimal(1)] * 3, pa.decimal256(40, 0))
    with pytest.raises(BadData, match=r"value is decimal256.*38 digits"):
        target.load(lock_for(), put(value=wide))


def test_names_are_as_people_write_them(snowflake: FakeSnowflake, target: SnowflakeTarget, put: Put) -> None:
    """Plain ones need no quotes afterwards; others are kept letter by letter."""
    target.load(lock_for(), put(**{"Kind": pa.array(["a"] * 3), "@odd name": pa.array(["b"] * 3)}))
    assert list(described(snowflake, target)) == ["HAPPENED_AT", "KIND", "@odd name"]
    assert snowflake.query(f'SELECT DISTINCT kind, "@odd name" FROM {target.table}') == [("a", "b")]


@pytest.mark.parametrize(
    ("name", "quoted", "shown"),
    [("at", '"AT"', "at"), ('"at"', '"at"', '"at"'), ("a b", '"a b"', "a b"), ('x"y', '"x""y"', 'x"y')],
)
def test_a_name_and_its_quotes(name: str, quoted: str, shown: str) -> None:
    """What Snowflake stores is written so that it means the same again."""
    assert names.quoted(name) == quoted
    assert names.written(names.stored(name)) == shown
    assert names.quoted(names.written(names.stored(name))) == quoted


@pytest.mark.parametrize("done", ["before", "after"])
def test_a_lost_commit_is_asked_for_and_not_doubled(
    snowflake: FakeSnowflake, target: SnowflakeTarget, put: Put, monkeypatch: pytest.MonkeyPatch, done: str
) -> None:
    """The reply to the load's COMMIT is lost, and the session with it: it was done, or it was not."""
    monkeypatch.setattr(account, "NETWORK_TIMEOUT", 2)
    staged = put()
    target.load(lock_for(), put(rows=2, folder="earlier"))
    passed = {"pattern": "^COMMIT$", "message": "pass", "times": 1}
    snowflake.answer(passed, {"pattern": "^COMMIT$", "message": f"lost {done}", "times": 1})
    snowflake.sent()
    loaded = target.load(lock_for(epoch=2), staged)
    assert (loaded.epoch, loaded.rows, target.count(WINDOW)) == (2, 3, 3)
    statements = snowflake.statements()
    assert len([each for each in statements if each.startswith("COPY")]) == (1 if done == "after" else 2)
    assert [each.startswith("SELECT SYSTEM$ABORT") for each in statements].count(True) == (done == "before")


def test_an_overtaken_owner_is_ended_and_writes_nothing(
    snowflake: FakeSnowflake, target: SnowflakeTarget, put: Put
) -> None:
    """Its transaction, whose session hangs, keeps the guard row; a newer epoch takes it away."""
    target.load(lock_for(), put())
    table, newer = target._table, put(rows=2, folder="newer")

    def overtaken() -> None:
        with opened(target._account, table, {}) as session:
            words = SnowflakeWords(session.connection, table, transaction_name(table, lock_for(epoch=2)))
            with words.transaction():
                words.changed(f"DELETE FROM {target.table}")
                assert target.load(lock_for(epoch=3), newer).rows == 2
                words.changed(f"DELETE FROM {target.table}")

    with pytest.raises(Unavailable, match="ended by a newer"):
        overtaken()
    assert target.count(WINDOW) == 2


def test_a_lock_of_another_is_waited_for(snowflake: FakeSnowflake, target: SnowflakeTarget, put: Put) -> None:
    """Another window's load has the guard row: it is tried again until `wait_seconds` are over."""
    locked = {
        "pattern": 'UPDATE "PUBLIC"."PIPELINE_GUARD"',
        "message": "Statement 'x' has locked table 'T' in transaction 1, which is not yet released.",
        "code": "000625",
        "sqlstate": "57014",
    }
    snowflake.answer(locked | {"times": 2})
    assert target.load(lock_for(), put()).rows == 3
    snowflake.answer(locked | {"times": 99})
    with pytest.raises(Unavailable, match="is locked"):
        replace(target, wait_seconds=1).load(lock_for(epoch=2), put())


def test_a_guard_row_is_one_row(snowflake: FakeSnowflake, target: SnowflakeTarget, put: Put) -> None:
    """Made by the first load, updated by each transaction, and never made again, however it is spelled."""
    target.load(lock_for(), put())
    for table in ("pipeline_guard", "pipeline_loads"):
        mine = f"LOWER(target) = 'public.{target.table}'"
        snowflake.query(f"UPDATE {table} SET target = 'PUBLIC.{target.table.title()}' WHERE {mine}")
    assert target.loaded(lock_for()) == replace(target, table=target.table.upper()).loaded(lock_for())
    for epoch in (2, 3):
        target.load(lock_for(epoch=epoch), put())
    turns = snowflake.query(f"SELECT turn FROM pipeline_guard WHERE LOWER(target) LIKE '%{target.table}'")
    assert turns == [(6,)]
    assert target.loaded(lock_for()) is not None


@pytest.mark.parametrize(("one", "other"), [("{}", '"{}"'), ('"{}A"', '"{}a"')])
def test_a_name_in_quotes_is_a_table_of_its_own(
    target: SnowflakeTarget, put: Put, one: str, other: str
) -> None:
    """Letter by letter, by the ledger: the fake does not hold both tables."""
    loaded, never = (replace(target, table=name.format(target.table)) for name in (one, other))
    assert loaded.load(lock_for(), put()).rows == 3
    assert never.loaded(lock_for()) is None


def in_bucket(staged: Staged, server: str, bucket: str) -> Staged:
    """The same files in a bucket, in a folder with difficult names."""
    names = [f"a/b c/d=1/{Path(path).name}" for path in staged.paths]
    for name, path in zip(names, staged.paths, strict=True):
        client(server).put_object(Bucket=bucket, Key=name, Body=Path(path).read_bytes())
    return replace(staged, paths=[f"s3://{bucket}/{name}" for name in names])
