"""Staged columns against the table's: create it, add what is new, refuse what does not fit."""

from collections.abc import Iterable
from difflib import get_close_matches

from implementations.loading.dialect import Dialect, Pair, Table, place
from implementations.loading.plain_rows import unknown
from pipeline_framework.errors import BadData
from pipeline_framework.interfaces import Staged


def matched(dialect: Dialect, table: Table, staged: Staged) -> list[Pair]:
    """Where a staged column goes; the table is made or widened by what it lacks, as its contract has it.

    Columns of the table that are not staged get their default, as a rule NULL. Raises `BadData` for a
    staged type that does not fit unchanged, and for a missing time field.
    """
    incoming, present = dialect.staged_columns(staged), dialect.columns(table)
    named(table.time_field, incoming, dialect, f"What is staged for {table}", "time_field")
    _apart(dialect, table, staged.schema.names)
    pairs = [_pair(dialect, table, name, kind, present) for name, kind in incoming.items()]
    pairs += _scope(dialect, table, incoming, present)
    filled = {pair.column for pair in pairs}
    pairs += _untyped(dialect, staged, {name: kind for name, kind in present.items() if name not in filled})
    for name in table.write.key:  # a table that is made has an index of it
        named(name, (pair.column for pair in pairs), dialect, f"What is staged for {table}", "write.key")
    if table.contract != "evolve":
        return _contracted(table, pairs, present)
    if present:
        _add(dialect, table, (pair for pair in pairs if pair.column not in present))
    else:
        dialect.make(table, {pair.column: pair.type for pair in pairs})
    return pairs


def time_type(dialect: Dialect, table: Table) -> str | None:
    """The type of the table's time column, None where there is no table; `BadData` without the column."""
    present = dialect.columns(table)
    return present[named(table.time_field, present, dialect, str(table), "time_field")] if present else None


def named(wanted: str, columns: Iterable[str], dialect: Dialect, where: str, key: str) -> str:
    """The column as the database spells it; `BadData` names the nearest and the key to correct."""
    present = list(columns)
    for name in present:
        if dialect.same_name(name, wanted):
            return name
    near = get_close_matches(wanted, present, 1, 0) or ["none, as there are no columns"]
    raise BadData(f"{where} has no column {wanted}; the nearest is {near[0]}. Correct `target.{key}`.")


def _contracted(table: Table, pairs: list[Pair], present: dict[str, str]) -> list[Pair]:
    """The pairs whose column the table has; of the others none is there, or `discard` leaves them out."""
    if not present:
        raise BadData(
            f"There is no table {table}, and `target.contract: {table.contract}` makes none: create "
            "it, or let the contract `evolve`."
        )
    if table.contract == "freeze" and (
        strange := [pair.column for pair in pairs if pair.column not in present]
    ):
        raise BadData(
            f"{table} has no column {strange[0]}, which is staged, and `target.contract: freeze` adds none: "
            "add it, or let the contract `evolve` or `discard` it."
        )
    return [pair for pair in pairs if pair.column in present]


def _scope(dialect: Dialect, table: Table, incoming: Iterable[str], present: dict[str, str]) -> list[Pair]:
    """Columns of the scope that are not staged are filled in; staged ones are judged by the count after."""
    pairs, words = [], dialect.ledger_types()
    for name, value in table.scope.items():
        if present:
            column = named(name, present, dialect, str(table), "scope")
            kind = present[column]
        else:
            column, kind = name, words["integer" if isinstance(value, int) else "name"]
        if not any(dialect.same_name(each, name) for each in incoming):
            pairs.append(Pair(column, kind, value=value))
    return pairs


def _untyped(dialect: Dialect, staged: Staged, lacking: dict[str, str]) -> list[Pair]:
    """Staged columns of unknown type that the table has: NULL, or lists of it; others wait for a type."""
    return [
        Pair(column, kind, "" if unknown(field.type) else field.name)
        for column, kind in lacking.items()
        for field in staged.schema
        if dialect.same_name(field.name, column)
    ]


def _apart(dialect: Dialect, table: Table, names: list[str]) -> None:
    for place_of, name in enumerate(names):
        for other in names[:place_of]:
            if dialect.same_name(name, other):
                raise BadData(f"The columns {other} and {name} are one to {table}: rename one at the source.")


def _pair(dialect: Dialect, table: Table, name: str, kind: str, present: dict[str, str]) -> Pair:
    for column, column_type in present.items():
        if dialect.same_name(name, column):
            if dialect.widens(kind, column_type):
                return Pair(column, column_type, name)
            raise BadData(
                f"Column {column} of {table} is {column_type}, what is staged for it is {kind} and does not "
                "fit unchanged: cast it at the source, or change the type of the table's column."
            )
    return Pair(name, kind, name)


def _add(dialect: Dialect, table: Table, pairs: Iterable[Pair]) -> None:
    for pair in pairs:
        column = f"{dialect.quoted(pair.column)} {pair.type}"
        dialect.rows(f"ALTER TABLE {place(dialect, table)} ADD COLUMN {column}")
