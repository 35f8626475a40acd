"""Staged columns against the table's: create it, add what is new, refuse what does not fit."""

from difflib import get_close_matches

from implementations.loading.dialect import Dialect, Pair, Table
from pipeline_framework.errors import BadData
from pipeline_framework.interfaces import Staged


def matched(dialect: Dialect, table: Table, staged: Staged) -> list[Pair]:
    """Where each staged column goes, after the table was made or widened by what it lacks.

    Columns of the table that are not staged are left out, so they become NULL. Raises `BadData` for
    a column whose staged type does not fit unchanged, and for a missing time field.
    """
    incoming, present = dialect.staged_columns(staged), dialect.columns(table)
    _time_field_of(table, incoming, dialect)
    _once(dialect, table, incoming)
    pairs = [_pair(dialect, table, name, kind, present) for name, kind in incoming.items()]
    if present:
        _add(dialect, table, [pair for pair in pairs if pair.column not in present])
    else:
        _create(dialect, table, pairs)
    return pairs


def time_type(dialect: Dialect, table: Table) -> str | None:
    """The type of the table's time column, None where there is no table.

    Raises `BadData` when the table lacks the column.
    """
    present = dialect.columns(table)
    return present[_time_field_of(table, present, dialect)] if present else None


def _time_field_of(table: Table, columns: dict[str, str], dialect: Dialect) -> str:
    for name in columns:
        if dialect.same_name(name, table.time_field):
            return name
    near = get_close_matches(table.time_field, columns, 1) or list(columns)[:1]
    raise BadData(f"There is no column {table.time_field} for {table}; the nearest is {near[0]}. Correct `target.time_field`.")


def _once(dialect: Dialect, table: Table, incoming: dict[str, str]) -> None:
    names = list(incoming)
    for place, name in enumerate(names):
        for other in names[:place]:
            if dialect.same_name(name, other):
                raise BadData(f"Columns {other} and {name} are one column for {table}: rename one of them at the source.")


def _pair(dialect: Dialect, table: Table, name: str, kind: str, present: dict[str, str]) -> Pair:
    for column, column_type in present.items():
        if dialect.same_name(name, column):
            if not dialect.widens(kind, column_type):
                raise BadData(
                    f"Column {column} of {table} is {column_type}, the staged column {name} is {kind}, which does not fit unchanged: "
                    "cast it at the source, or change the table's column."
                )
            return Pair(name, column, column_type)
    return Pair(name, name, kind)


def _create(dialect: Dialect, table: Table, pairs: list[Pair]) -> None:
    columns = ", ".join(f"{dialect.quoted(pair.column)} {pair.type}" for pair in pairs)
    dialect.rows(f"CREATE TABLE {dialect.quoted(table.schema)}.{dialect.quoted(table.name)} ({columns})")


def _add(dialect: Dialect, table: Table, pairs: list[Pair]) -> None:
    place = f"{dialect.quoted(table.schema)}.{dialect.quoted(table.name)}"
    for pair in pairs:
        dialect.rows(f"ALTER TABLE {place} ADD COLUMN {dialect.quoted(pair.column)} {pair.type}")
