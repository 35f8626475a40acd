"""Which rows of a shared table are a pipeline's own: those that carry the values of its scope."""

import json

from implementations.loading.columns import named
from implementations.loading.dialect import Dialect, Table, literal


def predicate(dialect: Dialect, table: Table, present: dict[str, str]) -> str:
    """What narrows a statement to the scope, beginning with AND; empty for the whole table.

    `present` are the table's columns by type. Raises `BadData` for a column that it does not have.
    """
    parts = []
    for name, value in table.scope.items():
        column = named(name, present, dialect, str(table), "scope")
        parts.append(f" AND {dialect.quoted(column)} = {dialect.cast(literal(value), present[column])}")
    return "".join(parts)


def overlap(dialect: Dialect, table: Table, other: str) -> bool:
    """Whether a row may belong to both scopes; `other` is as the ledger keeps it."""
    theirs: dict[str, str | int] = json.loads(other) if other else {}
    return not any(
        _differ(dialect, table, name, value, theirs[name])
        for name, value in table.scope.items()
        if name in theirs
    )


def _differ(dialect: Dialect, table: Table, name: str, one: str | int, other: str | int) -> bool:
    # By the database, in the column's own type: to an integer '01' and 1 are one value.
    kinds = [kind for column, kind in dialect.columns(table).items() if dialect.same_name(column, name)]
    if not kinds:
        return str(one) != str(other)
    mine, theirs = (dialect.cast(literal(value), kinds[0]) for value in (one, other))
    return bool(dialect.rows(f"SELECT {mine} <> {theirs}")[0][0])
