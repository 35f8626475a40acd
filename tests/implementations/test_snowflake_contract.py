"""Snowflake's target keeps the contract, as far as fakesnow can show it; both ways to the staged files."""

import json
import secrets
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import pyarrow as pa
import pytest

from implementations.snowflake.target import SnowflakeTarget
from pipeline_framework.interfaces import Lock, Staged
from pipeline_framework.testing import ScopeContract, TargetContract, WriteContract, killed
from pipeline_framework.testing.truth import SCHEMA, TIME_FIELD
from tests.implementations.tables import writing
from tests.services.snowflake import FakeSnowflake

SPOKEN = [f"implementations.snowflake.words.SnowflakeWords.{name}" for name in ("rows", "changed", "named")]

pytestmark = pytest.mark.services


class TestSnowflakeTarget(TargetContract):
    """A table with a difficult name, filled by PUT and COPY."""

    @pytest.fixture
    def target(self, snowflake: FakeSnowflake) -> SnowflakeTarget:
        self.server = snowflake
        return SnowflakeTarget(snowflake.url(), f"fl ights? {secrets.token_hex(4)}", TIME_FIELD)

    def rows(self, target: SnowflakeTarget) -> pa.Table:  # type: ignore[override]
        with self.server.connected() as cursor:
            cursor.execute(f'SELECT * FROM PUBLIC."{target.table}"')
            names = [column.name.lower() for column in cursor.description]
            return table_of(names, cursor.fetchall())

    def crash(self, target: SnowflakeTarget, lock: Lock, staged: Staged, step: int) -> bool:  # type: ignore[override]
        return killed(SPOKEN, target, lock, staged, step, which=acts)


class TestSnowflakeWrite(WriteContract):
    """Tables in which rows of several windows meet."""

    crash = TestSnowflakeTarget.crash  # type: ignore[assignment]
    rows = TestSnowflakeTarget.rows  # type: ignore[assignment]
    # Many loads each, for which the fake takes minutes: docs/guarantees.md says that they are not shown.
    test_upsert_leaves_the_newest_of_each_row_whatever_the_order = None  # type: ignore[assignment]
    test_a_crash_in_a_merge_leaves_all_of_it_or_nothing = None  # type: ignore[assignment]

    @pytest.fixture
    def writing(self, snowflake: FakeSnowflake) -> Callable[..., SnowflakeTarget]:
        self.server, url = snowflake, snowflake.url()
        return writing(lambda name, **how: SnowflakeTarget(url, name, TIME_FIELD, **how), "met? ")


class TestSnowflakeScope(ScopeContract):
    """A table that pipelines share."""

    @pytest.fixture
    def scoped(self, snowflake: FakeSnowflake) -> Callable[[Mapping[str, str | int]], SnowflakeTarget]:
        name = f"shared_{secrets.token_hex(4)}"
        return lambda scope: SnowflakeTarget(snowflake.url(), name, TIME_FIELD, scope=scope)

    def other_spelling(self, target: SnowflakeTarget) -> SnowflakeTarget:  # type: ignore[override]
        return replace(target, schema="public", table=f'"{target.table.upper()}"')


def table_of(names: list[str], rows: list[tuple[Any, ...]]) -> pa.Table:
    """What a cursor handed out, in the types of the truth; nested values are JSON text in Snowflake."""
    columns = {}
    for place, name in enumerate(names):
        kind = SCHEMA.field(name).type if name in SCHEMA.names else None
        values = [row[place] for row in rows]
        if kind is not None and pa.types.is_nested(kind):
            values = [None if value is None else json.loads(value) for value in values]
        columns[name] = pa.array(values, kind)
    return pa.table(columns)


def acts(words: object, statement: str, *values: object) -> bool:
    """Whether a statement does something, where the fake takes its time for each."""
    return not statement.startswith(("SELECT", "SHOW", "DESCRIBE"))
