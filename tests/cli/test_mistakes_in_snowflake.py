"""What can be wrong with Snowflake as target, on a fake of it: one sentence each, nothing half-loaded.

The fake logs in, makes tables and loads them; what it does not refuse is refused by an answer in Snowflake's
own codes and words, which a test prepares.
"""

import re
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.cli.conftest import FIRST, Flights
from tests.cli.mistakes import (
    LOCAL,
    SECRET,
    Mistake,
    pipeline,
    require_empty,
    require_moved_again,
    require_told,
    sentence,
)
from tests.services.processes import free_port
from tests.services.snowflake import PASSWORD, FakeSnowflake

pytestmark = pytest.mark.services
WHERE = "Snowflake tests/TESTS (table public.{table})"
POLICY = "refuses IP/Token 127.0.0.1: let the network policy of this user allow the address of this host."
NONE = "gives its role no %s: correct it in `url`, or grant USAGE on it."


@dataclass(frozen=True)
class Loading:
    """The way into a table of the fake that no other test has."""

    snowflake: FakeSnowflake
    folder: Path
    table: str

    def __call__(self, url: str = "", bucket: dict[str, Any] | None = None, **more: Any) -> Flights:
        """A pipeline that loads into it."""
        address = url or self.snowflake.url().get_secret_value()
        keys = {"type": "snowflake", "url": address, "table": self.table, "time_field": "time_hour", **more}
        return pipeline(self.folder, stage=bucket or LOCAL, target=keys)

    def rows(self, what: str) -> list[tuple[Any, ...]]:
        """What there is in the table, past the framework."""
        return self.snowflake.query(f"SELECT {what} FROM {self.table}")


@pytest.fixture
def loading(snowflake: FakeSnowflake, tmp_path: Path) -> Loading:
    """Into a table that is not there yet."""
    return Loading(snowflake, tmp_path, f"t_{secrets.token_hex(4)}")


LOGINS = {
    "wrong password": ({"password": SECRET}, WHERE + " refuses user or password: correct them in `url`."),
    "wrong account": (
        {"account": "nowhere"},
        WHERE.replace("tests/", "nowhere/") + " is no account of Snowflake: correct the account in `url`.",
    ),
    "no role": ({"role": "NOPE"}, WHERE + " does not let this user take its role: correct `role` in `url`."),
    "no database": ({"database": "NOPE"}, f"{WHERE.replace('TESTS', 'NOPE')} {NONE % 'database'}"),
    "a network policy": ({"user": "stranger"}, f"{WHERE} {POLICY}"),
}


@pytest.mark.parametrize("what", LOGINS)
def test_what_is_wrong_with_an_address_is_told(loading: Loading, what: str) -> None:
    """The account, the table and what of `url` to correct."""
    parts, said = LOGINS[what]
    url = loading.snowflake.url(**parts).get_secret_value()
    require_told(loading(url), Mistake({}, said), table=loading.table)


def with_port(loading: Loading, port: object) -> str:
    """The address but for its port."""
    right = loading.snowflake.address.rpartition(":")[2]
    return loading.snowflake.url().get_secret_value().replace(f"port={right}", f"port={port}")


def test_a_port_that_is_no_number_is_told(loading: Loading) -> None:
    """Before anybody is asked."""
    said = "Snowflake tests/TESTS: the port x is no number: correct it in `url`."
    require_told(loading(with_port(loading, "x")), Mistake({}, said))


def test_a_host_that_does_not_answer_is_told(loading: Loading, monkeypatch: pytest.MonkeyPatch) -> None:
    """It may be there again at the next try."""
    monkeypatch.setattr("implementations.snowflake.account.LOGIN_TIMEOUT", 1)
    said = (
        f"{WHERE} does not answer (250001 Could not connect to Snowflake backend after 2 attempt(s)."
        "Aborting): correct account and host of `url`, or try later."
    )
    require_told(loading(with_port(loading, free_port())), Mistake({}, said, 1), table=loading.table)


def test_a_schema_that_is_not_there_is_told(loading: Loading) -> None:
    """By the name under which a run looks for it; `check` knows that the session has none."""
    moving = loading(schema="NOPE")
    where = f"Snowflake tests/TESTS (table nope.{loading.table})"
    assert moving("check").out.splitlines()[-1] == f"BAD  target: {where} {NONE % 'schema'}"
    said = f"{where} lacks the Schema NOPE, or this role may not use it: correct `url`, `schema` or `stage`."
    require_told(moving, Mistake({}, said, checked=False))


def refused(pattern: str, code: str, message: str, sqlstate: str = "22000") -> dict[str, Any]:
    """An answer of Snowflake's."""
    return {"pattern": pattern, "code": code, "sqlstate": sqlstate, "message": message, "times": 9}


def unheld(said: str) -> Mistake:
    """What shows only when rows move."""
    return Mistake({}, f"{WHERE} {said}", 1, checked=False)


CHANGES = r"^(CREATE|INSERT|UPDATE|DELETE|COPY)\b"
DENIED = "Insufficient privileges to operate on schema 'PUBLIC'"
SHORT = "has too short a column for a value that is staged"
WIDEN = "shorten it at the source, or widen the column, of text to VARCHAR(134217728) at most."
LONG = "String 'xxx' is too long and would be truncated"
LOB = "Max LOB size (16777216) exceeded, actual size of parsed column is 16777217"
RIGHT = f"may not be written by this role (003001 42501 {DENIED}): grant it, or correct `role` in `url`."
FULL = "NULL result in a non-nullable column"
REFUSALS = {
    "no right to write": (refused(CHANGES, "003001", DENIED, "42501"), Mistake({}, f"{WHERE} {RIGHT}")),
    "no warehouse": (
        refused("^COPY", "000606", "No active warehouse selected in the current session.", "57P03"),
        Mistake({}, f"{WHERE} {NONE % 'warehouse'}"),
    ),
    "a session without a database": (
        refused(CHANGES, "090105", "This session does not have a current database."),
        Mistake({}, f"{WHERE} {NONE % 'database'}", checked=False),
    ),
    "a session without a schema": (
        refused(CHANGES, "090106", "This session does not have a current schema."),
        Mistake({}, f"{WHERE} {NONE % 'schema'}", checked=False),
    ),
    "a text too long": (refused("^COPY", "100078", LONG), unheld(f"{SHORT} (100078 22000 {LONG}): {WIDEN}")),
    "a row beyond 16 MB": (refused("^COPY", "100082", LOB), unheld(f"{SHORT} (100082 22000 {LOB}): {WIDEN}")),
    "a column that must be filled": (
        refused("^COPY", "100072", FULL),
        unheld(f"cannot hold what is staged (100072 22000 {FULL}): correct the rows, or change the table."),
    ),
    "something with a password in it": (
        refused("^COPY", "009999", f"Something that was {PASSWORD}", "XX000"),
        Mistake({}, f"{WHERE}: 009999 XX000 Something that was **********", checked=False),
    ),
}


@pytest.mark.parametrize("what", REFUSALS)
def test_what_snowflake_refuses_is_told(loading: Loading, what: str) -> None:
    """The row that was there is as it was."""
    loading.snowflake.query(f"CREATE TABLE {loading.table} (time_hour TIMESTAMP_LTZ(9), n NUMBER(19,0))")
    loading.snowflake.query(f"INSERT INTO {loading.table} VALUES (NULL, 7)")
    answer, mistake = REFUSALS[what]
    loading.snowflake.answer(answer)
    named = {"warehouse": "NOPE"} if what == "no warehouse" else {}
    moving = loading(loading.snowflake.url(**named).get_secret_value())
    require_told(moving, mistake, table=loading.table)
    loading.snowflake.answer()
    assert loading.rows("*") == [(None, 7)]


TABLES = {
    "no time field": (
        "m NUMBER(9,0)",
        Mistake(
            {}, "public.{table} has no column time_hour; the nearest is m. Correct `target.time_field`.", 1
        ),
    ),
    "time of another type": (
        "time_hour VARCHAR(9)",
        Mistake(
            {},
            "The time field time_hour of public.{table} is VARCHAR(9), which does not hold instants to the "
            "microsecond: change the column's type, or name another `target.time_field`.",
            1,
        ),
    ),
    "column of another type": (
        "n DATE, time_hour TIMESTAMP_LTZ(9)",
        Mistake(
            {},
            "Column n of public.{table} is DATE, what is staged for it is NUMBER(19,0) and does not fit "
            "unchanged: cast it at the source, or change the type of the table's column.",
            1,
            checked=False,
        ),
    ),
    "a column too many, frozen": (
        "m NUMBER(9,0), time_hour TIMESTAMP_LTZ(9)",
        Mistake(
            {"contract": "freeze"},
            "public.{table} has no column n, which is staged, and `target.contract: freeze` adds none: add "
            "it, or let the contract `evolve` or `discard` it.",
            1,
            checked=False,
        ),
    ),
}


@pytest.mark.parametrize("what", TABLES)
def test_a_table_says_what_is_wrong_with_it(loading: Loading, what: str) -> None:
    """The column, its type and what can be done."""
    columns, mistake = TABLES[what]
    loading.snowflake.query(f"CREATE TABLE {loading.table} ({columns})")
    require_told(loading(**mistake.keys), mistake, table=loading.table)
    assert loading.rows("count(*)") == [(0,)]


STAGES = {
    "gone": (
        "Snowflake has no external stage gone that this role may use: make one over the pipeline's "
        "`stage.url`, or correct `target.stage`."
    ),
    "astray": (
        "Snowflake's stage astray is over s3://anywhere/, the window is staged in {folder}: let "
        "`target.stage` name one over the pipeline's `stage.url`."
    ),
    None: (
        "Snowflake has no way to {folder}: name `target.stage`, an external stage of Snowflake over the "
        "pipeline's `stage.url`, or for S3 `target.access_key_id` and `target.secret_access_key`."
    ),
}


@pytest.mark.parametrize("name", STAGES)
def test_a_bucket_that_snowflake_does_not_reach_is_told(
    loading: Loading, s3_server: str, fresh_bucket: Callable[[], str], name: str | None
) -> None:
    """Its stage is missing, over another place, or not named: which folder it is, only a run knows."""
    loading.snowflake.query("CREATE STAGE IF NOT EXISTS astray URL = 's3://anywhere/'")
    url = f"s3://{fresh_bucket()}/stage"
    login = {"access_key_id": "tests", "secret_access_key": SECRET, "region": "us-east-1"}
    moving = loading(bucket={"type": "s3", "url": url, "endpoint": s3_server, **login}, stage=name)
    answer = moving("run")
    folder = f"{url}/pipeline=mistaken/window=20130309T050000Z_20130309T060000Z/epoch=N/"
    told = re.sub(r"epoch=\d+", "epoch=N", sentence(answer))
    assert (answer.code, told) == (2, STAGES[name].format(folder=folder))
    assert moving("check").code == int(name == "gone")


def test_no_rows_and_one_huge_row_are_no_mistakes(loading: Loading) -> None:
    """As many bytes as a text has in a column without a length."""
    moving = loading()
    file = loading.folder / "data" / "0.parquet"
    table = pa.table({"time_hour": pa.array([FIRST], pa.timestamp("us", "UTC")), "word": ["x" * 2**24]})
    pq.write_table(table.slice(1), file)
    require_empty(moving)
    pq.write_table(table, file)
    require_moved_again(moving)
    assert loading.rows("length(word)") == [(2**24,)]
