"""The DuckDB target keeps the contract."""

import os
import signal
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any
from unittest.mock import patch

import duckdb
import pyarrow as pa
import pytest

from implementations.duckdb import DuckDBTarget, DuckDBWords
from implementations.loading.dialect import Contract
from implementations.loading.write_modes import Write
from pipeline_framework.interfaces import Lock, Staged
from pipeline_framework.testing.scope_contract import ScopeContract
from pipeline_framework.testing.staged import processes
from pipeline_framework.testing.target_contract import TargetContract
from pipeline_framework.testing.truth import TIME_FIELD
from pipeline_framework.testing.write_contract import WriteContract


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
        process = processes().Process(target=killed_at, args=(step, target, lock, staged))
        process.start()
        process.join()
        assert process.exitcode in {0, -signal.SIGKILL}
        return process.exitcode != 0


class TestDuckDBWrite(WriteContract):
    """Tables of one file, which rows of several windows meet in."""

    rows = TestDuckDB.rows  # type: ignore[assignment]
    crash = TestDuckDB.crash  # type: ignore[assignment]

    @pytest.fixture
    def writing(self, tmp_path: Path) -> Callable[..., DuckDBTarget]:
        made_before: list[Path] = []

        def made(
            *, again: bool = False, contract: Contract = "evolve", scope: Any = None, **write: Any
        ) -> DuckDBTarget:
            if not again:
                made_before.append(tmp_path / f"{len(made_before)}.duckdb")
            return DuckDBTarget(
                str(made_before[-1]),
                'fl"ights',
                TIME_FIELD,
                write=Write(**write),
                contract=contract,
                wait_seconds=60,
                scope=scope or {},
            )

        return made


class TestDuckDBScope(ScopeContract):
    """A table that pipelines share."""

    @pytest.fixture
    def scoped(self, tmp_path: Path) -> Callable[[Mapping[str, str | int]], DuckDBTarget]:
        return lambda scope: DuckDBTarget(str(tmp_path / "w.duckdb"), "flights", TIME_FIELD, scope=scope)


def killed_at(step: int, target: DuckDBTarget, lock: Lock, staged: Staged) -> None:
    """Load, and die in front of the statement of that number after BEGIN."""
    run, seen = DuckDBWords.rows, 0

    def counting(words: DuckDBWords, statement: str, values: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        nonlocal seen
        if seen == step + 1:
            os.kill(os.getpid(), signal.SIGKILL)
        seen += 1
        return run(words, statement, values)

    with patch.object(DuckDBWords, "rows", counting):
        target.load(lock, staged)
