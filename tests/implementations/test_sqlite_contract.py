"""SQLite files keep the contracts of a source and of a target."""

import sqlite3
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pytest

from implementations.sqlite import kinds
from implementations.sqlite.source import SQLiteSource
from implementations.sqlite.target import SQLiteTarget
from pipeline_framework.interfaces import Lock, Staged, Target
from pipeline_framework.testing import ScopeContract, SourceContract, TargetContract, WriteContract, killed
from pipeline_framework.testing.source_contract import Fill
from pipeline_framework.testing.truth import SCHEMA, TIME_FIELD
from tests.implementations.tables import writing

# Not held unchanged: above 63 bits a decimal's text, -0.0, and nested values as JSON.
HELD = [name for name in SCHEMA.names if name not in {"unsigned", "ratio", "tags", "place"}]

SPOKEN = [f"implementations.sqlite.session.Session.{name}" for name in ("rows", "changed", "insert")]
SPOKEN += ["implementations.sqlite.kinds.bound"]


def table_in(path: Path, name: str = "events") -> pa.Table:
    """A table of the file, by this test's own reading of it."""
    with closing(sqlite3.connect(path)) as connection:
        columns = connection.execute("SELECT name, type FROM pragma_table_info(?)", [name]).fetchall()
        rows = connection.execute(f"SELECT * FROM {name}").fetchall()
    fields = [pa.field(column, kinds.arrow(kind)) for column, kind in columns]
    arrays = [kinds.array([row[place] for row in rows], field.type) for place, field in enumerate(fields)]
    return pa.table(arrays, schema=pa.schema(fields))


class InAFile:
    """What the contracts of a target ask for."""

    def rows(self, target: Target) -> pa.Table:
        assert isinstance(target, SQLiteTarget)
        return table_in(Path(target.path), target.table)

    def crash(self, target: Target, lock: Lock, staged: Staged, step: int) -> bool:
        return killed(SPOKEN, target, lock, staged, step)


class TestSQLiteSource(SourceContract):
    columns = HELD

    @pytest.fixture
    def filled(self, tmp_path: Path) -> Fill:
        path = tmp_path / "source.sqlite"

        def fill(table: pa.Table) -> SQLiteSource:
            path.unlink(missing_ok=True)
            listed = ", ".join(f"{field.name} {kinds.declared(field.type)}" for field in table.schema)
            rows = zip(*(kinds.bound(c.combine_chunks(), "") for c in table.columns), strict=True)
            with closing(sqlite3.connect(path)) as connection, connection:
                connection.execute(f"CREATE TABLE events ({listed})")
                connection.executemany(
                    f"INSERT INTO events VALUES ({', '.join('?' * len(table.columns))})", rows
                )
            return SQLiteSource(str(path), "events", TIME_FIELD)

        return fill


class TestSQLiteTarget(InAFile, TargetContract):
    columns = HELD

    @pytest.fixture
    def target(self, tmp_path: Path) -> SQLiteTarget:
        return SQLiteTarget(str(tmp_path / "target.sqlite"), "events", TIME_FIELD)


class TestSQLiteScope(ScopeContract):
    @pytest.fixture
    def scoped(self, tmp_path: Path) -> Callable[[Mapping[str, str | int]], Target]:
        return lambda scope: SQLiteTarget(str(tmp_path / "target.sqlite"), "events", TIME_FIELD, scope)

    def other_spelling(self, target: Target) -> Target:
        assert isinstance(target, SQLiteTarget)
        return replace(target, table="Events")


class TestSQLiteWrite(InAFile, WriteContract):
    @pytest.fixture
    def writing(self, tmp_path: Path) -> Callable[..., Target]:
        path = str(tmp_path / "target.sqlite")
        return writing(lambda name, **how: SQLiteTarget(path, name, TIME_FIELD, **how), "events_")

    def add_defaulted(self, target: Target, column: str) -> None:
        assert isinstance(target, SQLiteTarget)
        with closing(sqlite3.connect(target.path)) as connection:
            connection.execute(f"ALTER TABLE {target.table} ADD COLUMN {column} BIGINT DEFAULT 7")
