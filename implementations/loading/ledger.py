"""The ledger `pipeline_loads`: which epoch loaded a window, changed only together with its rows."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from implementations.loading.dialect import Dialect, LedgerType, Table, place
from pipeline_framework.errors import Fenced, Misuse
from pipeline_framework.interfaces import Loaded, Lock

NAME = "pipeline_loads"
_KEY: dict[str, LedgerType] = {
    "pipeline_id": "text",
    "mapping_name": "text",
    "target": "text",
    "window_start": "instant",
    "window_end": "instant",
}
_FACTS: dict[str, LedgerType] = {
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
    words, key = dialect.ledger_types(), ", ".join(dialect.quoted(name) for name in _KEY)
    columns = [f"{dialect.quoted(name)} {words[kind]} NOT NULL" for name, kind in (_KEY | _FACTS).items()]
    made = f"CREATE TABLE IF NOT EXISTS {_place(dialect, table)}"
    dialect.rows(f"{made} ({', '.join(columns)}, PRIMARY KEY ({key}))")


def entry(dialect: Dialect, table: Table, lock: Lock) -> Entry | None:
    """The window's row, None where there is no row or no ledger yet.

    Raises `Misuse` where another pipeline loaded some of the same time into the table.
    """
    if not dialect.columns(_ledger(table)):
        return None
    _require_alone(dialect, table, lock)
    *names, loaded_at = map(dialect.quoted, _FACTS)
    facts = ", ".join([*names, dialect.microseconds(loaded_at)])
    wanted = f"SELECT {facts} FROM {_place(dialect, table)} WHERE {_where(dialect)}"  # noqa: S608
    found = dialect.rows(wanted, _key(table, lock))
    return _entry(*found[0]) if found else None


def _require_alone(dialect: Dialect, table: Table, lock: Lock) -> None:
    """Two pipelines that replaced the same time of one table would take each other's rows away."""
    names = ("target", "pipeline_id", "mapping_name", "window_start", "window_end")
    target, pipeline, mapping, start, end = (dialect.quoted(name) for name in names)
    others = f"SELECT {pipeline}, {mapping} FROM {_place(dialect, table)} "  # noqa: S608
    where = f"WHERE {target} = ? AND {start} < ? AND {end} > ? AND NOT ({pipeline} = ? AND {mapping} = ?)"
    mine = [lock.pipeline_id, lock.mapping_name]
    found = dialect.rows(others + where, [str(table), lock.window.end, lock.window.start, *mine])
    if found:
        owner = " ".join(part for part in found[0] if part)
        raise Misuse(
            f"Window {lock.window} of {table} belongs to pipeline {owner}, which loaded it: "
            "give this pipeline a `target.table` of its own."
        )


def fence(dialect: Dialect, table: Table, lock: Lock) -> Entry | None:
    """The row of an earlier load, once it is certain that `lock` may replace it.

    Raises `Fenced` for a row of a larger epoch, or of this epoch and another owner.
    """
    found = entry(dialect, table, lock)
    if found is None or found.loaded.epoch < lock.epoch:
        return found
    if (found.loaded.epoch, found.loaded.owner) == (lock.epoch, lock.owner):
        return found
    raise Fenced(
        f"Window {lock.window} of {table} was loaded under epoch {found.loaded.epoch} by "
        f"{found.loaded.owner}; epoch {lock.epoch} of {lock.owner} changed nothing and stops."
    )


def note(dialect: Dialect, table: Table, lock: Lock, rows: int, digest: str) -> Loaded:
    """Write the window's row; inside the transaction that changed the rows."""
    loaded = Loaded(lock.epoch, lock.owner, rows, datetime.now(UTC))
    facts = [loaded.epoch, loaded.owner, rows, digest, loaded.loaded_at]
    assigned = ", ".join(f"{dialect.quoted(name)} = ?" for name in _FACTS)
    ledger, key = _place(dialect, table), _key(table, lock)
    change = f"UPDATE {ledger} SET {assigned} WHERE {_where(dialect)}"  # noqa: S608
    if not dialect.changed(change, [*facts, *key]):
        marks = ", ".join("?" for _ in _KEY | _FACTS)
        dialect.changed(f"INSERT INTO {ledger} VALUES ({marks})", [*key, *facts])  # noqa: S608
    return loaded


def _entry(epoch: int, owner: str, rows: int, digest: str, loaded_at: int) -> Entry:
    moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=loaded_at)
    return Entry(Loaded(epoch, owner, rows, moment), digest)


def _ledger(table: Table) -> Table:
    return Table(table.schema, NAME, "")


def _place(dialect: Dialect, table: Table) -> str:
    return place(dialect, _ledger(table))


def _where(dialect: Dialect) -> str:
    return " AND ".join(f"{dialect.quoted(name)} = ?" for name in _KEY)


def _key(table: Table, lock: Lock) -> list[object]:
    return [lock.pipeline_id, lock.mapping_name, str(table), lock.window.start, lock.window.end]
