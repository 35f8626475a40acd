"""A table of an SQLite file as target."""

from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Annotated

from pydantic import Field

from implementations.loading import ledger, transaction
from implementations.loading.dialect import Contract, Table
from implementations.loading.write_modes import Write
from implementations.sqlite.session import Session, opened
from pipeline_framework.interfaces import Loaded, Lock, Staged, StatePath
from pipeline_framework.windows import Window


@dataclass(frozen=True)
class SQLiteTarget:
    """A table of an SQLite file, which the first load makes, with the ledger beside it.

    Times are text `YYYY-MM-DDTHH:MM:SS.ffffffZ`, decimals and integers above 63 bits text, nested values
    JSON; the column's type says so (`TEXT TIMESTAMP`, `TEXT DECIMAL(12,2)`, …). -0.0 is kept as 0.0.
    `path`: the file, made where it is missing. `table`: the table, made by the first load. `time_field`: the
    column that decides a row's window, of the type `TEXT TIMESTAMP`. `scope`: values by column that the rows
    of this pipeline carry, where several share the table. `write`: what a window's rows do with those that
    are there. `contract`: what a new column does: it is added (`evolve`), refused (`freeze`) or left out
    (`discard`).
    """

    path: Annotated[StatePath, Field(examples=["flights.sqlite"])]
    table: str
    time_field: str
    scope: Mapping[str, str | int] = field(default_factory=dict)
    write: Write = field(default_factory=Write)
    contract: Contract = "evolve"

    def check(self) -> str:
        with self._session() as session, session.transaction():  # proves the right to write
            there = transaction.ready(session, self._table)
        return f"{self.table} of {self.path} {'is there' if there else 'will be made by the first load'}"

    def count(self, window: Window) -> int | None:
        with self._session() as session:
            return transaction.count(session, self._table, window)

    def load(self, lock: Lock, staged: Staged) -> Loaded:
        with self._session() as session:
            return transaction.load(session, self._table, lock, staged)

    def loaded(self, lock: Lock) -> Loaded | None:
        with self._session() as session:
            return ledger.loaded(session, self._table, lock)

    def clear(self, lock: Lock) -> None:
        with self._session() as session:
            transaction.clear_window(session, self._table, lock)

    @property
    def _table(self) -> Table:
        return Table("main", self.table, self.time_field, self.scope, self.write, self.contract)

    def _session(self) -> AbstractContextManager[Session]:
        return opened(self.path, "rwc")
