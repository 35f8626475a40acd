"""What only a real Snowflake account can show; not collected unless PIPELINE_TEST_SNOWFLAKE_URL names one.

PIPELINE_TEST_SNOWFLAKE_URL: as `target.url`, of a schema of its own. PIPELINE_TEST_SNOWFLAKE_PRIVATE_KEY and
_PASSPHRASE: as `target.private_key`. PIPELINE_TEST_SNOWFLAKE_STAGE: an external stage of Snowflake over
PIPELINE_TEST_SNOWFLAKE_STAGE_URL, a bucket that boto3 may write to with the AWS variables.
"""

import os
import secrets
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pydantic import SecretStr

from implementations.snowflake.session import opened, transaction_name
from implementations.snowflake.target import SnowflakeTarget
from implementations.snowflake.words import SnowflakeWords
from pipeline_framework.interfaces import Staged
from pipeline_framework.testing.scope_contract import ScopeContract
from pipeline_framework.testing.staged import load, processes, staged_in
from pipeline_framework.testing.target_contract import TargetContract
from pipeline_framework.testing.truth import TIME_FIELD, WINDOW, lock_for, rows_of, truth
from tests.implementations.test_snowflake_contract import TestSnowflakeTarget, table_of

pytestmark = [pytest.mark.services, pytest.mark.snowflake_account]


@pytest.fixture
def account() -> Iterator[Callable[..., SnowflakeTarget]]:
    """Makes targets of new tables, which are dropped at the end."""
    made: list[SnowflakeTarget] = []

    def target(name: str = "", **more: Any) -> SnowflakeTarget:
        table = name or f"pipeline_test_{secrets.token_hex(4)}"
        made.append(SnowflakeTarget(SecretStr(named("URL")), table, TIME_FIELD, **proof(), **more))
        return made[-1]

    yield target
    for each in made:
        asked(each, f"DROP TABLE IF EXISTS {SnowflakeWords(None, each._table).quoted(each.table)}")  # type: ignore[arg-type]


def named(what: str) -> str:
    """A variable of this suite; empty where it is not set."""
    return os.environ.get(f"PIPELINE_TEST_SNOWFLAKE_{what}", "")


def proof() -> dict[str, Any]:
    """What proves who logs in, where it is not in the address."""
    keys = {"private_key": named("PRIVATE_KEY"), "private_key_passphrase": named("PASSPHRASE")}
    return {name: SecretStr(value) for name, value in keys.items() if value}


def asked(target: SnowflakeTarget, statement: str) -> list[tuple[Any, ...]]:
    """Rows, past the recipe."""
    with opened(target._account, target._table, {}) as session:
        return session.rows(statement)


class TestRealTarget(TargetContract):
    """The contract, by PUT and COPY, with keys that nobody enforces and locks that are waited for."""

    crash = TestSnowflakeTarget.crash  # type: ignore[assignment]

    @pytest.fixture
    def target(self, account: Callable[..., SnowflakeTarget]) -> SnowflakeTarget:
        return account(f"fl ights? {secrets.token_hex(4)}")

    def rows(self, target: SnowflakeTarget) -> pa.Table:  # type: ignore[override]
        words = SnowflakeWords(None, target._table)  # type: ignore[arg-type]  # for its quotes alone
        with opened(target._account, target._table, {}) as session:
            name = words.quoted(target.table)
            names = [str(row["name"]).lower() for row in session.named(f"DESCRIBE TABLE {name}")]
            return table_of(names, session.rows(f"SELECT * FROM {name}"))


class TestRealScope(ScopeContract):
    """A table that pipelines share."""

    @pytest.fixture
    def scoped(
        self, account: Callable[..., SnowflakeTarget]
    ) -> Callable[[Mapping[str, str | int]], SnowflakeTarget]:
        name = f"pipeline_test_{secrets.token_hex(4)}"
        return lambda scope: account(name, scope=scope)


def test_two_sessions_race_for_an_empty_window(
    account: Callable[..., SnowflakeTarget], tmp_path: Path
) -> None:
    """Neither table, ledger row nor guard row are there: one row of each afterwards, and no row twice."""
    for attempt in range(5):
        target, staged = account(), staged_in(tmp_path / str(attempt), truth())
        jobs = [(target, lock_for(epoch=epoch, owner=f"run {epoch}"), staged) for epoch in (1, 2)]
        with ProcessPoolExecutor(2, processes()) as pool:
            assert 60 in list(pool.map(load, jobs))
        ledger = f"SELECT epoch FROM pipeline_loads WHERE target LIKE '%.{target.table}'"
        assert (target.count(WINDOW), asked(target, ledger)) == (60, [(2,)])


def test_a_transaction_of_an_overtaken_owner_is_aborted(
    account: Callable[..., SnowflakeTarget], tmp_path: Path
) -> None:
    """SYSTEM$ABORT_TRANSACTION frees its locks, and nothing that it says afterwards lasts."""
    target, staged = account(), staged_in(tmp_path / "staged", truth())
    target.load(lock_for(), staged)
    table = target._table
    with opened(target._account, table, {}) as session:
        words = SnowflakeWords(session.connection, table, transaction_name(table, lock_for(epoch=2)))
        words.rows(f"BEGIN NAME {words.name}")
        words.rows(f"DELETE FROM {target.table}")
        assert target.load(lock_for(epoch=3), staged_in(tmp_path / "newer", truth(rows=9))).rows == 9
    assert target.count(WINDOW) == 9


def test_files_of_the_bucket_are_copied_by_snowflake(
    account: Callable[..., SnowflakeTarget], tmp_path: Path
) -> None:
    """By a stage over the bucket: every value as it was staged, and the load's tag in the history."""
    if not named("STAGE"):
        pytest.fail("PIPELINE_TEST_SNOWFLAKE_STAGE names no stage.")
    target = account(stage=named("STAGE"))
    staged = in_bucket(staged_in(tmp_path / "staged", truth()), named("STAGE_URL"))
    assert target.load(lock_for(), staged).rows == 60
    assert rows_of(TestRealTarget().rows(target)) == rows_of(truth())
    recent = "SELECT count(*) FROM TABLE(information_schema.query_history_by_user()) WHERE query_tag LIKE "
    assert asked(target, f'{recent} \'%"pipeline": "contract"%\'')[0][0] > 0


def in_bucket(staged: Staged, url: str) -> Staged:
    """The same files in the bucket, in a folder that no load has read."""
    import boto3

    bucket, _, prefix = url.removeprefix("s3://").partition("/")
    folder = f"{prefix.strip('/')}/pipeline=test/{secrets.token_hex(8)}".strip("/")
    for path in staged.paths:
        boto3.client("s3").upload_file(path, bucket, f"{folder}/{Path(path).name}")
    return replace(staged, paths=[f"s3://{bucket}/{folder}/{Path(path).name}" for path in staged.paths])
