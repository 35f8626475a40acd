"""PostgreSQL keeps the contracts of sources and of targets."""

import os
import secrets
import signal
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from typing import Any
from unittest.mock import patch

import pyarrow as pa
import pytest
from adbc_driver_postgresql import dbapi
from pydantic import SecretStr

from implementations.loading.dialect import Contract
from implementations.loading.write_modes import Write
from implementations.postgres.source import PostgresSource
from implementations.postgres.target import PostgresTarget
from implementations.postgres.words import PostgresWords
from pipeline_framework.interfaces import Lock, Staged
from pipeline_framework.testing.scope_contract import ScopeContract
from pipeline_framework.testing.source_contract import SourceContract
from pipeline_framework.testing.staged import processes
from pipeline_framework.testing.target_contract import TargetContract
from pipeline_framework.testing.truth import SCHEMA, TIME_FIELD
from pipeline_framework.testing.write_contract import WriteContract

# Structures become jsonb, and numeric is no unsigned integer.
HELD = [name for name in SCHEMA.names if name != "place"]

pytestmark = pytest.mark.services


class TestPostgresTarget(TargetContract):
    """A table with a difficult name in a database whose own zone is far from UTC."""

    columns = HELD

    @pytest.fixture
    def target(self, postgres_data_url: str) -> PostgresTarget:
        return PostgresTarget(SecretStr(postgres_data_url), f'fl"ights? {secrets.token_hex(4)}', TIME_FIELD)

    def rows(self, target: PostgresTarget) -> pa.Table:  # type: ignore[override]
        return plainly(whole(target))

    def crash(self, target: PostgresTarget, lock: Lock, staged: Staged, step: int) -> bool:  # type: ignore[override]
        process = processes().Process(target=killed_at, args=(step, target, lock, staged))
        process.start()
        process.join()
        assert process.exitcode in {0, -signal.SIGKILL}
        return process.exitcode != 0


class TestPostgresWrite(WriteContract):
    """Tables in which rows of several windows meet."""

    crash = TestPostgresTarget.crash  # type: ignore[assignment]

    def rows(self, target: PostgresTarget) -> pa.Table:  # type: ignore[override]
        return whole(target)

    @pytest.fixture
    def writing(self, postgres_data_url: str) -> Callable[..., PostgresTarget]:
        names: list[str] = []

        def made(
            *, again: bool = False, contract: Contract = "evolve", scope: Any = None, **write: Any
        ) -> PostgresTarget:
            if not again:
                names.append(f'met"{secrets.token_hex(4)}')
            url = SecretStr(postgres_data_url)
            return PostgresTarget(
                url, names[-1], TIME_FIELD, write=Write(**write), contract=contract, scope=scope or {}
            )

        return made


class TestPostgresScope(ScopeContract):
    """A table that pipelines share."""

    @pytest.fixture
    def scoped(self, postgres_data_url: str) -> Callable[[Mapping[str, str | int]], PostgresTarget]:
        url, name = SecretStr(postgres_data_url), f"shared_{secrets.token_hex(4)}"
        return lambda scope: PostgresTarget(url, name, TIME_FIELD, scope=scope)


class TestPostgresSource(SourceContract):
    """A table of timestamptz."""

    columns = tuple(name for name in HELD if name != "unsigned")

    @pytest.fixture
    def filled(self, postgres_data_url: str) -> Callable[[pa.Table], PostgresSource]:
        name = f"arrivals {secrets.token_hex(4)}"

        def fill(table: pa.Table) -> PostgresSource:
            with dbapi.connect(postgres_data_url, autocommit=True) as connection:
                put(connection, name, table)
            return PostgresSource(SecretStr(postgres_data_url), name, TIME_FIELD)

        return fill


def put(connection: dbapi.Connection, name: str, table: pa.Table) -> None:
    """The table as PostgreSQL holds it, decimals with their digits."""
    with connection.cursor() as cursor:
        cursor.execute(f'DROP TABLE IF EXISTS "{name}"')
        cursor.adbc_ingest(name, table, mode="create")
        if "amount" in table.schema.names:
            cursor.execute(f'ALTER TABLE "{name}" ALTER amount TYPE numeric(38, 9)')


def whole(target: PostgresTarget) -> pa.Table:
    """Every row of the target's table, as the driver reads it."""
    name = target.table.replace('"', '""')
    with dbapi.connect(target.url.get_secret_value()) as connection, connection.cursor() as cursor:
        cursor.execute(f'SELECT * FROM public."{name}"')
        return cursor.fetch_arrow_table()


def plainly(table: pa.Table) -> pa.Table:
    """What the driver hands out, in the types of the truth."""
    for place, field in enumerate(table.schema):
        column = (
            pa.chunked_array([chunk.storage for chunk in table[place].chunks], pa.string())
            if isinstance(field.type, pa.BaseExtensionType)
            else table[place]
        )
        kind = SCHEMA.field(field.name).type if field.name in SCHEMA.names else pa.string()
        table = table.set_column(place, field.name, column.cast(kind))
    return table


def killed_at(step: int, target: PostgresTarget, lock: Lock, staged: Staged) -> None:
    """Load, and die in front of the statement of that number."""
    seen = 0

    def dying(run: Callable[..., Any]) -> Callable[..., Any]:
        def counting(*arguments: Any) -> Any:
            nonlocal seen
            if seen == step:
                os.kill(os.getpid(), signal.SIGKILL)
            seen += 1
            return run(*arguments)

        return counting

    with ExitStack() as patched:
        for name in ("rows", "changed", "_copied"):
            patched.enter_context(patch.object(PostgresWords, name, dying(getattr(PostgresWords, name))))
        target.load(lock, staged)
