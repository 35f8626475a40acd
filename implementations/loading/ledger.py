"""The ledger `pipeline_loads`: which epoch loaded a window, changed only together with its rows."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from implementations.loading.dialect import Dialect, Table
from pipeline_framework.errors import Fenced
from pipeline_framework.interfaces import Loaded, Lock

NAME = "pipeline_loads"
_KEY = ("pipeline_id", "mapping_name", "target", "window_start", "window_end")
_TYPES = {
    "pipeline_id": "text",
    "mapping_name": "text",
    "target": "text",
    "window_start": "instant",
    "window_end": "instant",
    "epoch": "integer",
    "owner": "text",
    "rows": "integer",
    "digest": "text",
    "loaded_at": "instant",
}


@dataclass(frozen=True, slots=True)
class Entry:
    """A row of the ledger: the answer it gives, and the digest of the manifest it was made from."""

    loaded: Loaded
    digest: str


def prepare(dialect: Dialect, table: Table) -> None:
    """Make the ledger beside the table where it is missing."""
    columns = ", ".join(f"{dialect.quoted(name)} {dialect.ledger_types[kind]} NOT NULL" for name, kind in _TYPES.items())
    key = ", ".join(dialect.quoted(name) for name in _KEY)
    dialect.rows(f"CREATE TABLE IF NOT EXISTS {_place(dialect, table)} ({columns}, PRIMARY KEY ({key}))")


def entry(dialect: Dialect, table: Table, lock: Lock) -> Entry | None:
    """The window's row, None where there is no row or no ledger yet."""
    if not dialect.columns(Table(table.schema, NAME, "")):
        return None
    found = dialect.rows(
        f"SELECT epoch, owner, {dialect.quoted('rows')}, digest, loaded_at FROM {_place(dialect, table)} WHERE {_where(dialect)}",
        _key(table, lock),
    )
    return _entry(*found[0]) if found else None


def fence(dialect: Dialect, table: Table, lock: Lock) -> Entry | None:
    """The row of an earlier load, once it is certain that `lock` may replace it.

    Raises `Fenced` for a row of a larger epoch, or of this epoch and another owner.
    """
    found = entry(dialect, table, lock)
    if found is None or found.loaded.epoch < lock.epoch or (found.loaded.epoch, found.loaded.owner) == (lock.epoch, lock.owner):
        return found
    raise Fenced(
        f"Window {lock.window} of {table} was loaded under epoch {found.loaded.epoch} by {found.loaded.owner}; "
        f"epoch {lock.epoch} of {lock.owner} changed nothing. That run holds the window now."
    )


def note(dialect: Dialect, table: Table, lock: Lock, rows: int, digest: str) -> Loaded:
    """Write the window's row; inside the transaction that changed the rows."""
    now = datetime.now(UTC)
    values = (lock.epoch, lock.owner, rows, digest, now)
    names = [dialect.quoted(name) for name in _TYPES if name not in _KEY]
    place, assigned = _place(dialect, table), ", ".join(f"{name} = ?" for name in names)
    if not dialect.changed(f"UPDATE {place} SET {assigned} WHERE {_where(dialect)}", (*values, *_key(table, lock))):
        marks = ", ".join("?" for _ in _TYPES)
        dialect.changed(f"INSERT INTO {place} VALUES ({marks})", (*_key(table, lock), *values))
    return Loaded(lock.epoch, lock.owner, rows, now)


def _entry(epoch: int, owner: str, rows: int, digest: str, loaded_at: datetime) -> Entry:
    return Entry(Loaded(epoch, owner, rows, loaded_at.astimezone(UTC)), digest)


def _place(dialect: Dialect, table: Table) -> str:
    return f"{dialect.quoted(table.schema)}.{dialect.quoted(NAME)}"


def _where(dialect: Dialect) -> str:
    return " AND ".join(f"{dialect.quoted(name)} = ?" for name in _KEY)


def _key(table: Table, lock: Lock) -> Sequence[object]:
    return (lock.pipeline_id, lock.mapping_name, str(table), lock.window.start, lock.window.end)
