"""PostgreSQL keeps the contracts of sources and of targets."""

import secrets
from collections.abc import Callable, Mapping

import pyarrow as pa
import pytest
from adbc_driver_postgresql import dbapi
from pydantic import SecretStr

from implementations.postgres.source import PostgresSource
from implementations.postgres.target import PostgresTarget
from pipeline_framework.interfaces import Lock, Staged
from pipeline_framework.testing import ScopeContract, SourceContract, TargetContract, WriteContract, killed
from pipeline_framework.testing.truth import SCHEMA, TIME_FIELD
from tests.implementations.tables import writing

# Structures become jsonb, and numeric is no unsigned integer.
HELD = [name for name in SCHEMA.names if name != "place"]
SPOKEN = [f"implementations.postgres.words.PostgresWords.{name}" for name in ("rows", "changed", "_copied")]

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
        return killed(SPOKEN, target, lock, staged, step)


class TestPostgresWrite(WriteContract):
    """Tables in which rows of several windows meet."""

    crash = TestPostgresTarget.crash  # type: ignore[assignment]

    def rows(self, target: PostgresTarget) -> pa.Table:  # type: ignore[override]
        return whole(target)

    def add_defaulted(self, target: PostgresTarget, column: str) -> None:  # type: ignore[override]
        name = target.table.replace('"', '""')
        url = target.url.get_secret_value()
        with dbapi.connect(url, autocommit=True) as connection, connection.cursor() as cursor:
            cursor.execute(f'ALTER TABLE "{name}" ADD COLUMN {column} BIGINT DEFAULT 7')

    @pytest.fixture
    def writing(self, postgres_data_url: str) -> Callable[..., PostgresTarget]:
        url = SecretStr(postgres_data_url)
        return writing(lambda name, **how: PostgresTarget(url, name, TIME_FIELD, **how), 'met"')


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
