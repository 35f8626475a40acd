"""MySQL and MariaDB keep the contracts of sources and of targets, tried on a MariaDB."""

import secrets
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pydantic import SecretStr

from implementations.loading.dialect import Pair, Table
from implementations.mysql.address import Address
from implementations.mysql.session import opened
from implementations.mysql.source import MySQLSource
from implementations.mysql.target import MySQLTarget
from implementations.mysql.words import MySQLWords
from pipeline_framework.interfaces import Lock, Staged
from pipeline_framework.testing import ScopeContract, SourceContract, TargetContract, WriteContract, killed
from pipeline_framework.testing.staged import staged_in
from pipeline_framework.testing.truth import SCHEMA, TIME_FIELD
from tests.implementations.tables import writing
from tests.services.mariadb import databases, execute

# Lists and structures become JSON, and MariaDB makes 0.0 of -0.0.
HELD = [name for name in SCHEMA.names if name not in {"place", "tags", "ratio"}]
SPOKEN = [f"implementations.mysql.words.MySQLWords.{name}" for name in ("rows", "changed", "sent")]

pytestmark = pytest.mark.services


class TestMySQLTarget(TargetContract):
    """A table with a difficult name, by LOAD DATA, on a server that is neither strict nor UTC nor utf8mb4."""

    columns = HELD

    @pytest.fixture
    def target(self, mariadb_data_url: str) -> MySQLTarget:
        return MySQLTarget(SecretStr(mariadb_data_url), f"fl`ig'hts? %s {secrets.token_hex(4)}", TIME_FIELD)

    def rows(self, target: MySQLTarget) -> pa.Table:  # type: ignore[override]
        name, url = target.table.replace("`", "``"), target.url.get_secret_value()
        names = [column for column, *_ in execute(url, f"SHOW COLUMNS FROM `{name}`")]
        found = execute(url, f"SELECT * FROM `{name}`")
        columns = {name: [row[place] for row in found] for place, name in enumerate(names)}
        return pa.table({name: typed(name, values) for name, values in columns.items()})

    def crash(self, target: MySQLTarget, lock: Lock, staged: Staged, step: int) -> bool:  # type: ignore[override]
        return killed(SPOKEN, target, lock, staged, step)


class TestMySQLWrite(WriteContract):
    """Tables in which rows of several windows meet."""

    rows = TestMySQLTarget.rows  # type: ignore[assignment]
    crash = TestMySQLTarget.crash  # type: ignore[assignment]

    def add_defaulted(self, target: MySQLTarget, column: str) -> None:  # type: ignore[override]
        name = target.table.replace("`", "``")
        execute(target.url.get_secret_value(), f"ALTER TABLE `{name}` ADD COLUMN {column} BIGINT DEFAULT 7")

    @pytest.fixture
    def writing(self, mariadb_data_url: str) -> Callable[..., MySQLTarget]:
        url = SecretStr(mariadb_data_url)
        return writing(lambda name, **how: MySQLTarget(url, name, TIME_FIELD, **how), "met`")


class TestMySQLScope(ScopeContract):
    """A table that pipelines share."""

    @pytest.fixture
    def scoped(self, mariadb_data_url: str) -> Callable[[Mapping[str, str | int]], MySQLTarget]:
        url, name = SecretStr(mariadb_data_url), f"shared_{secrets.token_hex(4)}"
        return lambda scope: MySQLTarget(url, name, TIME_FIELD, scope=scope)


class TestMySQLScopeWithoutCase(TestMySQLScope):
    """On a server that keeps the names of tables in lower case."""

    @pytest.fixture
    def mariadb_data_url(self, mariadb_without_case: str) -> Iterator[str]:
        with databases(mariadb_without_case) as make:
            yield make()

    def other_spelling(self, target: MySQLTarget) -> MySQLTarget:  # type: ignore[override]
        return replace(target, table=target.table.upper())


class TestMySQLSource(SourceContract):
    """A table of DATETIME(6) that the target made."""

    columns = HELD

    @pytest.fixture
    def filled(self, mariadb_data_url: str, tmp_path: Path) -> Callable[[pa.Table], MySQLSource]:
        name = f"arrivals % {secrets.token_hex(4)}"

        def fill(table: pa.Table) -> MySQLSource:
            execute(mariadb_data_url, f"DROP TABLE IF EXISTS `{name}`")
            put(SecretStr(mariadb_data_url), name, table, tmp_path)
            return MySQLSource(SecretStr(mariadb_data_url), name, TIME_FIELD)

        return fill


def put(url: SecretStr, name: str, table: pa.Table, folder: Path) -> None:
    """The table as MariaDB holds it, by its own files."""
    with opened(Address(url), name) as session:
        words, staged = MySQLWords(session.connection), staged_in(folder, table)
        place = Table(Address(url).database, name, TIME_FIELD)
        kinds = words.staged_columns(staged)
        words.make(place, kinds)
        words.insert(place, [Pair(column, kind, column) for column, kind in kinds.items()], staged)


def typed(name: str, values: list[Any]) -> pa.Array:
    """What the driver hands out, in the types of the truth."""
    kinds = {"id": pa.int64(), "gone": pa.bool_(), **dict(zip(SCHEMA.names, SCHEMA.types, strict=True))}
    kind = kinds.get(name, pa.string())
    if pa.types.is_boolean(kind):
        values = [None if value is None else bool(value) for value in values]
    if pa.types.is_decimal(kind):
        values = [None if value is None else Decimal(value) for value in values]
    return pa.array(values, kind)
