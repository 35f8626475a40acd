"""An open SQLite file, and the words in which the recipe of `loading` is said to it."""

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from implementations.loading.dialect import LedgerType, Pair, Table, constant, definition, literal, place
from implementations.loading.faults import Fault, told
from implementations.loading.plain_rows import batches_of, schema_of
from implementations.sqlite import kinds
from pipeline_framework.errors import BadData, Misuse, Unavailable
from pipeline_framework.interfaces import Staged

_PATIENCE = 60  # seconds to wait for others who write the file
_FAULTS = (
    Fault("^SQLITE_(BUSY|LOCKED|FULL|NOMEM|IOERR|PROTOCOL)", Unavailable, "cannot be used for now: {text}"),
    Fault(
        "^SQLITE_(CANTOPEN|NOTADB|READONLY|PERM|AUTH)",
        Misuse,
        "cannot be opened so: {text}. Correct `path`, or make its folder.",
    ),
    Fault(
        "^SQLITE_(CONSTRAINT|TOOBIG|MISMATCH)",
        BadData,
        "cannot hold what is staged ({text}): correct the rows, or change the table.",
    ),
    Fault(
        "user-defined function raised",
        Misuse,
        "has an integer column that `target.scope` gives a text: correct it.",
    ),
)


@contextmanager
def opened(path: str, mode: str) -> Iterator["Session"]:
    """The file, to be read (`ro`) or written (`rwc`: made where it is missing) by whichever thread."""
    address = f"{Path(path).absolute().as_uri()}?mode={mode}"
    how: dict[str, Any] = {"isolation_level": None, "check_same_thread": False, "uri": True}
    with told_plainly(path):
        connection = sqlite3.connect(address, _PATIENCE, **how)  # begins no transaction of its own accord
        connection.create_function("pipeline_integer", 1, int, deterministic=True)
    try:
        yield Session(connection, path)
    finally:
        connection.close()


@contextmanager
def told_plainly(path: str) -> Iterator[None]:
    """What SQLite raises, as an error of the framework."""
    try:
        yield
    except sqlite3.Error as error:
        name = getattr(error, "sqlite_errorname", type(error).__name__)
        raise told(f"{name}: {error}", f"SQLite file {path}", _FAULTS, BadData) from None


@dataclass(frozen=True, slots=True)
class Session:
    """The dialect of an open file; see `loading.dialect.Dialect`."""

    connection: sqlite3.Connection
    path: str

    @contextmanager
    def transaction(self) -> Iterator[None]:
        self.rows("BEGIN IMMEDIATE")  # one writer at a time
        try:
            yield
            self.rows("COMMIT")
        finally:
            if self.connection.in_transaction:
                self.rows("ROLLBACK")

    def rows(self, statement: str, values: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        with told_plainly(self.path):
            return self.connection.execute(statement, _bound(values)).fetchall()

    def changed(self, statement: str, values: Sequence[object] = ()) -> int:
        with told_plainly(self.path):
            return self.connection.execute(statement, _bound(values)).rowcount

    def queue(self, table: Table) -> None:
        """`transaction` holds the whole file already."""

    def quoted(self, name: str) -> str:
        return '"' + name.replace('"', '""') + '"'

    def same_name(self, one: str, other: str) -> bool:
        return one.encode().lower() == other.encode().lower()  # of bytes: ASCII alone, as SQLite

    def same_table(self, column: str) -> str:
        return f"{column} = ? COLLATE NOCASE"

    def ledger_types(self) -> Mapping[LedgerType, str]:
        return {"name": "TEXT", "text": "TEXT", "integer": "INTEGER", "instant": kinds.INSTANT}

    def moment(self, instant: datetime, column_type: str) -> str | None:
        return literal(kinds.text(instant)) if column_type.upper() == kinds.INSTANT else None

    def cast(self, expression: str, column_type: str) -> str:
        affinity = kinds.affinity(column_type)
        if affinity == "INTEGER":  # to CAST every text without digits is 0
            return f"pipeline_integer({expression})"
        return f"CAST({expression} AS {affinity})"

    def microseconds(self, column: str) -> str:
        return f"strftime('%s', {column}) * 1000000 + substr({column}, 21, 6)"

    def deletion(self, table: Table) -> str:
        return f"DELETE FROM {place(self, table)}"  # noqa: S608

    def columns(self, table: Table) -> dict[str, str]:
        return dict(self.rows("SELECT name, type FROM pragma_table_info(?, ?)", [table.name, table.schema]))

    def staged_columns(self, staged: Staged) -> dict[str, str]:
        return {name: kinds.declared(staged.schema.field(name).type) for name in schema_of(staged).names}

    def make(self, table: Table, columns: Mapping[str, str]) -> None:
        self.rows(definition(self, table, columns))
        lists = ([table.time_field], table.write.key)
        for listed_as, names in {", ".join(names).lower(): names for names in lists if names}.items():
            # With spaces, as indexes share their names with tables.
            index = replace(table, name=f"{table.name} by {listed_as}")
            listed = ", ".join(map(self.quoted, names))
            self.rows(f"CREATE INDEX {place(self, index)} ON {self.quoted(table.name)} ({listed})")

    def incoming(self, table: Table) -> Table:
        columns, version = self.columns(table), table.write.version_by or table.time_field
        for name, kind in columns.items():
            if self.same_name(name, version) and kind.upper().startswith(kinds.UNORDERED):
                raise BadData(
                    f"{table} keeps {name} as {kind}, which has no order: name another `version_by`."
                )
        resting = replace(table, schema="temp", name="pipeline_incoming")
        self.rows(definition(self, resting, columns))
        return resting

    def widens(self, staged_type: str, column_type: str) -> bool:
        return kinds.fits(staged_type, column_type)

    def insert(self, table: Table, pairs: Sequence[Pair], staged: Staged) -> int:
        names = [pair.staged for pair in pairs if pair.staged]
        into = ", ".join(self.quoted(pair.column) for pair in pairs)
        filled = ", ".join("?" if pair.staged else constant(self, pair) for pair in pairs)
        statement, rows = f"INSERT INTO {place(self, table)} ({into}) VALUES ({filled})", 0  # noqa: S608
        for batch in batches_of(staged):
            columns = [kinds.bound(batch.column(name), name) for name in names]
            with told_plainly(self.path):
                rows += self.connection.executemany(statement, zip(*columns, strict=True)).rowcount
        return rows


def _bound(values: Sequence[object]) -> list[object]:
    return [kinds.text(value) if isinstance(value, datetime) else value for value in values]
