"""Snowflake's target keeps the contract, as far as fakesnow can show it; both ways to the staged files."""

import json
import os
import secrets
import signal
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from typing import Any
from unittest.mock import patch

import pyarrow as pa
import pytest

from implementations.loading.dialect import Contract
from implementations.loading.write_modes import Write
from implementations.snowflake.target import SnowflakeTarget
from implementations.snowflake.words import SnowflakeWords
from pipeline_framework.interfaces import Lock, Staged
from pipeline_framework.testing.scope_contract import ScopeContract
from pipeline_framework.testing.staged import processes
from pipeline_framework.testing.target_contract import TargetContract
from pipeline_framework.testing.truth import SCHEMA, TIME_FIELD
from pipeline_framework.testing.write_contract import WriteContract
from tests.services.snowflake import FakeSnowflake

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
        process = processes().Process(target=killed_at, args=(step, target, lock, staged))
        process.start()
        process.join()
        assert process.exitcode in {0, -signal.SIGKILL}
        return process.exitcode != 0


class TestSnowflakeWrite(WriteContract):
    """Tables in which rows of several windows meet."""

    crash = TestSnowflakeTarget.crash  # type: ignore[assignment]
    rows = TestSnowflakeTarget.rows  # type: ignore[assignment]
    # Many loads each, for which the fake takes minutes: docs/guarantees.md says that they are not shown.
    test_upsert_leaves_the_newest_of_each_row_whatever_the_order = None  # type: ignore[assignment]
    test_a_crash_in_a_merge_leaves_all_of_it_or_nothing = None  # type: ignore[assignment]

    @pytest.fixture
    def writing(self, snowflake: FakeSnowflake) -> Callable[..., SnowflakeTarget]:
        self.server, names = snowflake, list[str]()

        def made(
            *, again: bool = False, contract: Contract = "evolve", scope: Any = None, **write: Any
        ) -> SnowflakeTarget:
            if not again:
                names.append(f"met? {secrets.token_hex(4)}")
            more: dict[str, Any] = {"write": Write(**write), "contract": contract, "scope": scope or {}}
            return SnowflakeTarget(snowflake.url(), names[-1], TIME_FIELD, **more)

        return made


class TestSnowflakeScope(ScopeContract):
    """A table that pipelines share."""

    @pytest.fixture
    def scoped(self, snowflake: FakeSnowflake) -> Callable[[Mapping[str, str | int]], SnowflakeTarget]:
        name = f"shared_{secrets.token_hex(4)}"
        return lambda scope: SnowflakeTarget(snowflake.url(), name, TIME_FIELD, scope=scope)


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


def killed_at(step: int, target: SnowflakeTarget, lock: Lock, staged: Staged) -> None:
    """Load, and die in front of the statement of that number, of those that do something."""
    seen = 0

    def dying(run: Callable[..., Any]) -> Callable[..., Any]:
        def counting(words: SnowflakeWords, statement: str, *values: Any) -> Any:
            nonlocal seen
            asks = statement.startswith(("SELECT", "SHOW", "DESCRIBE"))
            if seen == step and not asks:
                os.kill(os.getpid(), signal.SIGKILL)
            seen += not asks
            return run(words, statement, *values)

        return counting

    with ExitStack() as patched:
        for name in ("rows", "changed", "named"):
            patched.enter_context(patch.object(SnowflakeWords, name, dying(getattr(SnowflakeWords, name))))
        target.load(lock, staged)
