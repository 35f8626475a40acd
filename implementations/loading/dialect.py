"""What a connector supplies so that the one recipe of `transaction` runs on its database."""

import json
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, Protocol

from implementations.loading.write_modes import Write
from pipeline_framework.interfaces import Staged

Contract = Literal["evolve", "freeze", "discard"]
LedgerType = Literal["name", "text", "integer", "instant"]  # a name is text that an index holds


@dataclass(frozen=True, slots=True)
class Table:
    """The table a target fills; `time_field` is the column that decides a row's window.

    `scope` narrows it to the rows that carry these values by column: others are not seen or touched.
    `contract` says what a staged column does that the table lacks: it is added, refused or left out.
    """

    schema: str
    name: str
    time_field: str
    scope: Mapping[str, str | int] = field(default_factory=dict)
    write: Write = field(default_factory=Write)
    contract: Contract = "evolve"

    def __str__(self) -> str:
        return f"{self.schema}.{self.name}"

    @property
    def scope_text(self) -> str:
        """The scope as the ledger keeps it; empty for the whole table."""
        return json.dumps(dict(self.scope), sort_keys=True, ensure_ascii=False) if self.scope else ""


@dataclass(frozen=True, slots=True)
class Pair:
    """A column of the table, its type, and what fills it: a staged column, or one value for all rows.

    With neither it is NULL, and not the default of the table.
    """

    column: str
    type: str
    staged: str = ""
    value: str | int | None = None


class Dialect(Protocol):
    """An open session of one database, in whose words the recipe is said.

    Whatever the database raises comes out as an error of the framework.
    """

    def transaction(self) -> AbstractContextManager[None]:
        """Begin; commit at the end, roll back when something is raised."""

    def rows(self, statement: str, values: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        """The rows of a query, none for a definition; `?` stands for each value."""

    def changed(self, statement: str, values: Sequence[object] = ()) -> int:
        """Rows that a DELETE, INSERT or UPDATE changed."""

    def queue(self, table: Table) -> None:
        """Until the transaction ends, let nobody else give time of this table away or define it."""

    def quoted(self, name: str) -> str:
        """An identifier, quoted."""

    def same_name(self, one: str, other: str) -> bool:
        """Whether the database takes two names for the same column."""

    def same_table(self, column: str) -> str:
        """The condition that a column names the table whose name is given, in whatever spelling."""

    def ledger_types(self) -> Mapping[LedgerType, str]:
        """The database's words for the ledger's columns."""

    def moment(self, instant: datetime, column_type: str) -> str | None:
        """A UTC instant as a literal that compares exactly with a column of that type.

        None for a type that does not hold instants to the microsecond.
        """

    def cast(self, expression: str, column_type: str) -> str:
        """The expression as a value of that column type, to be compared exactly with such a column."""

    def microseconds(self, column: str) -> str:
        """An instant's microseconds since 1970, UTC, as an expression: an integer needs no driver's zones."""

    def deletion(self, table: Table) -> str:
        """The beginning of a DELETE, up to WHERE, of rows whose key is met in a query there."""

    def columns(self, table: Table) -> dict[str, str]:
        """Names and types of the table's columns in order; empty where there is no table."""

    def staged_columns(self, staged: Staged) -> dict[str, str]:
        """Staged columns with the types this database gives them; those of unknown type left out."""

    def make(self, table: Table, columns: Mapping[str, str]) -> None:
        """Create the table with these columns by type, and what finds the rows of a window or key quickly."""

    def incoming(self, table: Table) -> Table:
        """An empty temporary table of this session with the columns of `table`.

        Asked for before the transaction that loads, as there are databases that commit at every definition.
        """

    def widens(self, staged_type: str, column_type: str) -> bool:
        """Whether every value of the staged type fits into the column unchanged."""

    def insert(self, table: Table, pairs: Sequence[Pair], staged: Staged) -> int:
        """Insert every staged row; the number of rows inserted."""


def place(dialect: Dialect, table: Table) -> str:
    """The table's name in a statement."""
    return f"{dialect.quoted(table.schema)}.{dialect.quoted(table.name)}"


def literal(value: str | int) -> str:
    """A value in a statement, as text that a CAST brings to the column's type."""
    return "'" + str(value).replace("'", "''") + "'"


def definition(dialect: Dialect, table: Table, columns: Mapping[str, str]) -> str:
    """The statement that creates the table with these columns by type."""
    listed = ", ".join(f"{dialect.quoted(name)} {kind}" for name, kind in columns.items())
    return f"CREATE TABLE {place(dialect, table)} ({listed})"


def insertion(dialect: Dialect, table: Table, pairs: Sequence[Pair], relation: str) -> str:
    """The statement that inserts the rows of a relation, each column cast to the table's type."""
    into = ", ".join(dialect.quoted(pair.column) for pair in pairs)
    filled = ", ".join(
        dialect.cast(dialect.quoted(pair.staged), pair.type) if pair.staged else constant(dialect, pair)
        for pair in pairs
    )
    return f"INSERT INTO {place(dialect, table)} ({into}) SELECT {filled} FROM {relation}"  # noqa: S608


def constant(dialect: Dialect, pair: Pair) -> str:
    """What fills a column in all rows, as an expression."""
    return "NULL" if pair.value is None else dialect.cast(literal(pair.value), pair.type)
