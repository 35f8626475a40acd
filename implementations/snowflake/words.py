"""The recipe's dialect on an open session of Snowflake."""

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from implementations.loading import ledger
from implementations.loading.dialect import LedgerType, Pair, Table, definition, place
from implementations.loading.waiting import Busy
from implementations.snowflake import kinds, names
from implementations.snowflake.copying import copied, copies
from implementations.snowflake.session import Session
from implementations.snowflake.stages import Reached
from pipeline_framework.interfaces import Staged

_DEFINES = re.compile(r"(CREATE|ALTER|DROP)\b")  # such statements commit, and end a transaction
GUARD, _INCOMING = "pipeline_guard", "pipeline_incoming"


@dataclass(slots=True)
class SnowflakeWords(Session):
    """A session that also knows the recipe's words; loads of `table` take turns at its guard row."""

    table: Table
    name: str = ""  # of transactions
    reached: Reached | None = None
    begun: str | None = None
    known: dict[str, dict[str, str]] = field(default_factory=dict)  # columns, until something is defined

    def prepare(self) -> None:
        """Make the guard row and the ledger where they are missing; outside of a transaction.

        Snowflake enforces no keys, so there may be two guard rows of a table: whoever is second to make
        one sees the other's, and a turn takes all that it sees.
        """
        if not self.columns(self._guard):
            kind = self.ledger_types()
            columns = f"{self.quoted('target')} {kind['text']}, {self.quoted('turn')} {kind['integer']}"
            self.rows(f"CREATE TABLE IF NOT EXISTS {place(self, self._guard)} ({columns})")
        same = self.same_table(self.quoted("target"))
        there = f"SELECT 1 FROM {place(self, self._guard)} WHERE {same}"  # noqa: S608
        if not self.rows(there, [str(self.table)]):
            self.rows(f"INSERT INTO {place(self, self._guard)} VALUES (?, 0)", [str(self.table)])  # noqa: S608
            self.rows("COMMIT")
        ledger.prepare(self, self.table)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        self.known.clear()
        self.rows(f"BEGIN NAME {self.name}")
        self.begun = self._current()
        try:
            self._take_turn()
            yield
            self._require_own()
            self.rows("COMMIT")
        except BaseException:
            try:
                self._require_own()  # what was said outside of the transaction means nothing
            finally:
                self._undo()
            raise

    def rows(self, statement: str, values: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        if _DEFINES.match(statement):
            self.begun = None
            self.known.clear()
        return Session.rows(self, statement, values)

    def queue(self, table: Table) -> None:
        pass  # the guard row is taken when a transaction begins

    def quoted(self, name: str) -> str:
        return names.quoted(name)

    def same_name(self, one: str, other: str) -> bool:
        return names.same(one, other)

    def same_table(self, column: str) -> str:
        # The table's own name is in lower case where it is plain; others are as they are.
        return f"IFF(REGEXP_LIKE({column}, '^[A-Za-z0-9_$.]+$'), LOWER({column}), {column}) = ?"

    def ledger_types(self) -> Mapping[LedgerType, str]:
        text, instant = "VARCHAR", "TIMESTAMP_LTZ(6)"
        return {"name": text, "text": text, "integer": "NUMBER(38,0)", "instant": instant}

    def moment(self, instant: datetime, column_type: str) -> str | None:
        if not kinds.is_instant(column_type):
            return None
        shown = instant.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S.%f")
        zone = "" if "_NTZ" in column_type else " +00:00"
        return f"'{shown}{zone}'::{column_type}"

    def cast(self, expression: str, column_type: str) -> str:
        return f"CAST({expression} AS {kinds.assigned(column_type)})"

    def microseconds(self, column: str) -> str:
        return f"DATEDIFF(microsecond, '1970-01-01 00:00:00 +00:00'::TIMESTAMP_LTZ, {column})"

    def deletion(self, table: Table) -> str:
        return f"DELETE FROM {place(self, table)}"  # noqa: S608

    def columns(self, table: Table) -> dict[str, str]:
        if str(table) not in self.known:
            self.known[str(table)] = self._described(table)
        return self.known[str(table)]

    def staged_columns(self, staged: Staged) -> dict[str, str]:
        found = ((column.name, kinds.kind_of(column)) for column in staged.schema)
        return {name: kind for name, kind in found if kind is not None}

    def make(self, table: Table, columns: Mapping[str, str]) -> None:
        self.rows(definition(self, table, columns))

    def incoming(self, table: Table) -> Table:
        made = Table(table.schema, _INCOMING, table.time_field)
        nothing = f"SELECT * FROM {place(self, table)} WHERE FALSE"  # noqa: S608
        self.rows(f"CREATE OR REPLACE TEMPORARY TABLE {place(self, made)} AS {nothing}")
        return made

    def widens(self, staged_type: str, column_type: str) -> bool:
        return kinds.widens(staged_type, column_type)

    def insert(self, table: Table, pairs: Sequence[Pair], staged: Staged) -> int:
        assert self.reached, "a load says where its files are"
        inserted = 0
        for files, statement in copies(self, table, pairs, staged, self.reached):
            inserted += copied(files, self.named(statement), str(table))
        return inserted

    def _take_turn(self) -> None:
        same, turn = self.same_table(self.quoted("target")), self.quoted("turn")
        taken = f"UPDATE {place(self, self._guard)} SET {turn} = {turn} + 1 WHERE {same}"  # noqa: S608
        if not self.changed(taken, [str(self.table)]):
            raise Busy(f"The guard row of {self.table} in {self._guard} was taken away; it is made again.")

    def _described(self, table: Table) -> dict[str, str]:
        from snowflake.connector.errors import ProgrammingError

        try:
            described = self.named(f"DESCRIBE TABLE {place(self, table)}")
        except ProgrammingError as error:
            if error.errno == 2003 and not re.search("(Database|Schema) '", str(error.msg)):
                return {}
            raise
        return {names.written(row["name"]): row["type"] for row in described}

    def _require_own(self) -> None:
        if self.begun and self._current() != self.begun:
            raise Busy(f"The load of {self.table} was ended by a newer one of the same window.")

    def _undo(self) -> None:
        """Roll back what was not committed; a session that is lost does so by itself."""
        from snowflake.connector.errors import Error

        with suppress(Error):
            self.rows("ROLLBACK")

    def _current(self) -> str | None:
        """The session's transaction, None outside of one."""
        return self.rows("SELECT CURRENT_TRANSACTION()")[0][0]  # type: ignore[no-any-return]

    @property
    def _guard(self) -> Table:
        return Table(self.table.schema, GUARD, "")
