"""What a connector supplies so that the one recipe of `transaction` runs on its database."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, Protocol

from pipeline_framework.interfaces import Staged

LedgerType = Literal["text", "integer", "instant"]


@dataclass(frozen=True, slots=True)
class Table:
    """The table a target fills; `time_field` is the column that decides a row's window."""

    schema: str
    name: str
    time_field: str

    def __str__(self) -> str:
        return f"{self.schema}.{self.name}"


@dataclass(frozen=True, slots=True)
class Pair:
    """A staged column, the column of the table that it fills, and that column's type."""

    staged: str
    column: str
    type: str


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

    def quoted(self, name: str) -> str:
        """An identifier, quoted."""

    def same_name(self, one: str, other: str) -> bool:
        """Whether the database takes two names for the same column."""

    def ledger_types(self) -> Mapping[LedgerType, str]:
        """The database's words for the ledger's columns."""

    def moment(self, instant: datetime, column_type: str) -> str | None:
        """A UTC instant as a literal that compares exactly with a column of that type.

        None for a type that does not hold instants to the microsecond.
        """

    def microseconds(self, column: str) -> str:
        """An instant's microseconds since 1970, UTC, as an expression: an integer needs no driver's zones."""

    def columns(self, table: Table) -> dict[str, str]:
        """Names and types of the table's columns in order; empty where there is no table."""

    def staged_columns(self, staged: Staged) -> dict[str, str]:
        """Staged columns with the types this database gives them; those of unknown type left out."""

    def widens(self, staged_type: str, column_type: str) -> bool:
        """Whether every value of the staged type fits into the column unchanged."""

    def insert(self, table: Table, pairs: Sequence[Pair], staged: Staged) -> int:
        """Insert every staged row; the number of rows inserted."""


def place(dialect: Dialect, table: Table) -> str:
    """The table's name in a statement."""
    return f"{dialect.quoted(table.schema)}.{dialect.quoted(table.name)}"
