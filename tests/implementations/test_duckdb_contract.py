"""The DuckDB target keeps the contract."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest

from implementations.duckdb import DuckDBTarget
from pipeline_framework.interfaces import Lock, Staged
from pipeline_framework.testing import ScopeContract, TargetContract, WriteContract, killed
from pipeline_framework.testing.truth import TIME_FIELD
from tests.implementations.tables import writing

SPOKEN = ["implementations.duckdb.words.DuckDBWords.rows"]


class TestDuckDB(TargetContract):
    """A table of a file in a folder with a difficult name."""

    @pytest.fixture
    def target(self, tmp_path: Path) -> DuckDBTarget:
        return DuckDBTarget(str(tmp_path / "it's [1]" / "w.duckdb"), 'fl"ights', TIME_FIELD, wait_seconds=60)

    def rows(self, target: DuckDBTarget) -> pa.Table:  # type: ignore[override]
        with duckdb.connect(target.path, read_only=True) as connection:
            connection.execute("SET TimeZone = 'UTC'")
            return connection.sql('FROM "fl""ights"').to_arrow_table()

    def crash(self, target: DuckDBTarget, lock: Lock, staged: Staged, step: int) -> bool:  # type: ignore[override]
        return killed(SPOKEN, target, lock, staged, step)


class TestDuckDBWrite(WriteContract):
    """Tables, each of a file, which rows of several windows meet in."""

    rows = TestDuckDB.rows  # type: ignore[assignment]
    crash = TestDuckDB.crash  # type: ignore[assignment]

    def add_defaulted(self, target: DuckDBTarget, column: str) -> None:  # type: ignore[override]
        with duckdb.connect(target.path) as connection:
            connection.execute(f'ALTER TABLE "fl""ights" ADD COLUMN {column} BIGINT DEFAULT 7')

    @pytest.fixture
    def writing(self, tmp_path: Path) -> Callable[..., DuckDBTarget]:
        def make(name: str, **how: Any) -> DuckDBTarget:
            return DuckDBTarget(str(tmp_path / name), 'fl"ights', TIME_FIELD, wait_seconds=60, **how)

        return writing(make)


class TestDuckDBScope(ScopeContract):
    """A table that pipelines share."""

    @pytest.fixture
    def scoped(self, tmp_path: Path) -> Callable[[Mapping[str, str | int]], DuckDBTarget]:
        return lambda scope: DuckDBTarget(str(tmp_path / "w.duckdb"), "flights", TIME_FIELD, scope=scope)

    def other_spelling(self, target: DuckDBTarget) -> DuckDBTarget:  # type: ignore[override]
        return replace(target, schema="Main", table="Flights")
