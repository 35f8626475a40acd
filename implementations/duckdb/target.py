"""A table of a DuckDB file as target; several processes may want the same file."""

import os
import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, TypeVar

import pyarrow as pa
from pydantic import NonNegativeFloat

from implementations.duckdb.file import FAULTS, MEMORY, opened, plainly
from implementations.duckdb.words import DuckDBWords
from implementations.loading import ledger, transaction
from implementations.loading.dialect import Contract, Table
from implementations.loading.faults import told
from implementations.loading.waiting import patiently
from implementations.loading.write_modes import Write
from pipeline_framework.errors import BadData, Misuse
from pipeline_framework.interfaces import Loaded, Lock, Staged, StatePath
from pipeline_framework.windows import Window

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

T = TypeVar("T")


@dataclass(frozen=True)
class DuckDBTarget:
    """One table of a DuckDB file (`type: duckdb`), made from the first window's columns.

    `path`: the file, made by the first load. `table`: made where it is missing. `schema`: where the table is.
    `time_field`: a column of TIMESTAMP (taken as UTC) or TIMESTAMPTZ. `scope`: values by column that mark
    this pipeline's rows of a table shared with others. `write`: what a window's rows do with those that are
    there. `contract`: what a staged column does that the table lacks: it is added (`evolve`), refused
    (`freeze`) or left out (`discard`). `wait_seconds`: how long to wait for another process that has the file
    open.
    """

    path: StatePath
    table: str
    time_field: str
    schema: str = "main"
    scope: Mapping[str, str | int] = field(default_factory=dict)
    write: Write = field(default_factory=Write)
    contract: Contract = "evolve"
    wait_seconds: NonNegativeFloat = 120.0

    def check(self) -> str:
        if not Path(self.path).exists():
            _writable(Path(self.path))
            with opened(":memory:", self.path, read_only=False) as new:
                self._require_schema(DuckDBWords(new))
            return f"{self.path}: the first load makes the file and the table {self._table}"
        # Opened for writing, which proves the right to it.
        kind = self._written(lambda words: transaction.ready(words, self._table))
        return f"{self.path}: can write; the table {self._table} {'is there' if kind else 'will be made'}"

    def count(self, window: Window) -> int | None:
        if not Path(self.path).exists():
            return 0
        return self._patiently(lambda words: transaction.count(words, self._table, window), read_only=True)

    def load(self, lock: Lock, staged: Staged) -> Loaded:
        _storable(staged.schema)
        return self._written(lambda words: transaction.load(words, self._table, lock, staged))

    def loaded(self, lock: Lock) -> Loaded | None:
        if not Path(self.path).exists():
            return None
        return self._patiently(lambda words: ledger.loaded(words, self._table, lock), read_only=True)

    def clear(self, lock: Lock) -> None:
        self._written(lambda words: transaction.clear_window(words, self._table, lock))

    @property
    def _table(self) -> Table:
        return Table(self.schema, self.table, self.time_field, self.scope, self.write, self.contract)

    def _written(self, work: Callable[[DuckDBWords], T]) -> T:
        def in_schema(words: DuckDBWords) -> T:
            self._require_schema(words)
            return work(words)

        return self._patiently(in_schema, read_only=False)

    def _require_schema(self, words: DuckDBWords) -> None:
        if not words.has_schema(self.schema):
            raise Misuse(f"{self.path} has no schema {self.schema}: correct `schema`, or create it.")

    def _patiently(self, work: Callable[[DuckDBWords], T], *, read_only: bool) -> T:
        # Opened late and closed at once, as an open file keeps every other process out.
        return patiently(lambda: self._opened(work, read_only=read_only), self.wait_seconds)

    def _opened(self, work: Callable[[DuckDBWords], T], *, read_only: bool) -> T:
        where = f"{self.path} (table {self._table})"
        with plainly(where):
            _made(Path(self.path))
        with opened(self.path, where, read_only=read_only) as connection:
            return _with_room(connection, lambda: work(DuckDBWords(connection)))


def _made(path: Path) -> None:
    """The file, whole: DuckDB writes a new one bit by bit, and another process would find half of it."""
    import duckdb

    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists():
        with TemporaryDirectory(prefix=".", dir=path.parent) as draft:
            duckdb.connect(Path(draft, path.name)).close()
            with suppress(
                OSError
            ):  # somebody was faster; or a disk without links, where DuckDB makes it in place
                os.link(Path(draft, path.name), path)


def _storable(schema: pa.Schema) -> None:
    for column in schema:
        if found := re.search(r"decimal\d+\((39|[4-7]\d)", str(column.type)):
            raise BadData(
                f"Column {column.name} is {column.type} with {found[1]} digits, DuckDB holds 38: "
                "cast it at the source to decimal128 or text."
            )


def _with_room(connection: "DuckDBPyConnection", work: Callable[[], T]) -> T:
    import duckdb

    for megabytes in MEMORY[:-1]:
        connection.execute(f"SET memory_limit = '{megabytes}MB'")
        with suppress(duckdb.OutOfMemoryException):
            return work()
    connection.execute(f"SET memory_limit = '{MEMORY[-1]}MB'")
    return work()


def _writable(path: Path) -> None:
    folder = next(parent for parent in path.absolute().parents if parent.exists())
    if not os.access(folder, os.W_OK | os.X_OK, effective_ids=True):
        raise told("Permission denied", str(path), FAULTS, Misuse)
