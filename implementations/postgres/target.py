"""A table of PostgreSQL as target; any number of processes may load into it at once."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from pydantic import NonNegativeFloat, SecretStr

from implementations.loading import ledger, transaction
from implementations.loading.dialect import Contract, Table, place
from implementations.loading.waiting import patiently
from implementations.loading.write_modes import Write
from implementations.postgres.session import Address, application_name, end_overtaken, opened, plainly
from implementations.postgres.words import PostgresWords
from pipeline_framework.errors import Misuse
from pipeline_framework.interfaces import Loaded, Lock, Staged
from pipeline_framework.windows import Window

T = TypeVar("T")
# A right on a table that is not there yet is the right to make it.
_LACKING = """
    SELECT name FROM (
        SELECT format('%s on %s', right_, table_), coalesce(
            has_table_privilege(to_regclass(table_), right_), has_schema_privilege(?, 'CREATE'))
        FROM (VALUES (?, 'SELECT'), (?, 'INSERT'), (?, 'DELETE'),
                     (?, 'SELECT'), (?, 'INSERT'), (?, 'UPDATE')) AS needed (table_, right_)
        UNION ALL
        SELECT format('TEMPORARY on database %s', current_database()),
               has_database_privilege(current_database(), 'TEMPORARY')
    ) AS rights (name, given) WHERE NOT given
"""


@dataclass(frozen=True)
class PostgresTarget:
    """One table of PostgreSQL 15 or newer (`type: postgres`), made from the first window's columns.

    `url`: `postgresql://user:password@host:5432/database`, or in its place `conn_id`, the name of a
    connection; to the server itself, as a pooler takes the session away between two statements. `table`: made
    where it is missing. `schema`: where the table is. `time_field`: a column of timestamptz, or of timestamp
    (taken as UTC). `scope`: values by column that mark this pipeline's rows of a table shared with others.
    `wait_seconds`: how long to wait for locks of others. `write`: what a window's rows do with those that are
    there. `contract`: what a staged column does that the table lacks: it is added (`evolve`), refused
    (`freeze`) or left out (`discard`).
    """

    url: SecretStr
    table: str
    time_field: str
    schema: str = "public"
    scope: Mapping[str, str | int] = field(default_factory=dict)
    write: Write = field(default_factory=Write)
    contract: Contract = "evolve"
    wait_seconds: NonNegativeFloat = 120.0

    def check(self) -> str:
        there = "is there" if self._asked(self._ready) else "will be made"
        return f"{self._address.shown}: can write; the table {self._table} {there}"

    def count(self, window: Window) -> int | None:
        return self._asked(lambda words: transaction.count(words, self._table, window))

    def load(self, lock: Lock, staged: Staged) -> Loaded:
        return self._held(lock, lambda words: transaction.load(words, self._table, lock, staged))

    def loaded(self, lock: Lock) -> Loaded | None:
        return self._asked(lambda words: ledger.loaded(words, self._table, lock))

    def clear(self, lock: Lock) -> None:
        self._held(lock, lambda words: transaction.clear_window(words, self._table, lock))

    @property
    def _table(self) -> Table:
        return Table(self.schema, self.table, self.time_field, self.scope, self.write, self.contract)

    @property
    def _address(self) -> Address:
        return Address(self.url)

    def _asked(self, work: Callable[[PostgresWords], T]) -> T:
        with opened(self._address, str(self._table), "pipeline") as session:
            return work(PostgresWords(session.connection))

    def _held(self, lock: Lock, work: Callable[[PostgresWords], T]) -> T:
        where = str(self._table)
        with opened(self._address, where, application_name(self._table, lock)) as session:
            words = PostgresWords(session.connection)

            def turn() -> T:
                with plainly(self._address, where):
                    return work(words)

            return patiently(turn, self.wait_seconds, lambda: end_overtaken(session, self._table, lock))

    def _ready(self, words: PostgresWords) -> bool:
        table, loads = place(words, self._table), place(words, Table(self.schema, ledger.NAME, ""))
        if lacking := words.rows(_LACKING, [self.schema, *[table] * 3, *[loads] * 3]):
            rights = ", ".join(name for (name,) in lacking)
            raise Misuse(f"{self._address.shown} (table {self._table}) may not be written: grant {rights}.")
        return transaction.ready(words, self._table)
