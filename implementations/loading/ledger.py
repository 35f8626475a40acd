"""The ledger `pipeline_loads`: which epoch loaded a window, changed only together with its rows."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from implementations.loading import scopes
from implementations.loading.dialect import Dialect, LedgerType, Table, place
from pipeline_framework.errors import Fenced, Misuse
from pipeline_framework.interfaces import Loaded, Lock

NAME = "pipeline_loads"
_KEY: dict[str, LedgerType] = {
    "pipeline_id": "name",
    "mapping_name": "name",
    "target": "name",
    "scope": "name",
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
    if dialect.columns(_ledger(table)):
        return
    words, key = dialect.ledger_types(), ", ".join(dialect.quoted(name) for name in _KEY)
    columns = [f"{dialect.quoted(name)} {words[kind]} NOT NULL" for name, kind in (_KEY | _FACTS).items()]
    made = f"CREATE TABLE IF NOT EXISTS {_place(dialect, table)}"
    dialect.rows(f"{made} ({', '.join(columns)}, PRIMARY KEY ({key}))")


def reserve(dialect: Dialect, table: Table, lock: Lock) -> None:
    """Give the window to this pipeline before its first load, in a row of epoch 0 that loaded nothing.

    The row is what two sessions of an empty window meet at: only one at a time can `hold` it. It is looked
    for first, as not every database can leave a present row alone; `queue` keeps others out meanwhile.
    """
    there = f"SELECT 1 FROM {_place(dialect, table)} WHERE {_where(dialect)}"  # noqa: S608
    if not dialect.rows(there, _key(table, lock)):
        _insert(dialect, table, [*_key(table, lock), 0, "", 0, "", datetime.now(UTC)])


def hold(dialect: Dialect, table: Table, lock: Lock) -> None:
    """Let nobody else load the window until the transaction ends."""
    held = f"UPDATE {_place(dialect, table)} SET digest = digest WHERE {_where(dialect)}"  # noqa: S608
    dialect.rows(held, _key(table, lock))


def entry(dialect: Dialect, table: Table, lock: Lock) -> Entry | None:
    """The window's row, None where it was never loaded or there is no ledger yet.

    Raises `Misuse` where another pipeline has some of the same time of the table in an overlapping scope.
    """
    if not dialect.columns(_ledger(table)):
        return None
    _require_alone(dialect, table, lock)
    *names, loaded_at = map(dialect.quoted, _FACTS)
    facts = ", ".join([*names, dialect.microseconds(loaded_at)])
    wanted = f"SELECT {facts} FROM {_place(dialect, table)} WHERE {_where(dialect)}"  # noqa: S608
    found = dialect.rows(wanted, _key(table, lock))
    return _entry(*found[0]) if found and found[0][0] else None


def loaded(dialect: Dialect, table: Table, lock: Lock) -> Loaded | None:
    """The answer of the window's row."""
    found = entry(dialect, table, lock)
    return found.loaded if found else None


def _require_alone(dialect: Dialect, table: Table, lock: Lock) -> None:
    """Two pipelines that replaced the same time of one table would take each other's rows away."""
    names = ("target", "pipeline_id", "mapping_name", "window_start", "window_end", "scope")
    target, pipeline, mapping, start, end, scope = (dialect.quoted(name) for name in names)
    others = f"SELECT DISTINCT {scope}, {pipeline}, {mapping} FROM {_place(dialect, table)} "  # noqa: S608
    same = dialect.same_table(target)
    where = f"WHERE {same} AND {start} < ? AND {end} > ? AND NOT ({pipeline} = ? AND {mapping} = ?)"
    mine = [lock.pipeline_id, lock.mapping_name]
    for theirs, *who in dialect.rows(others + where, [str(table), lock.window.end, lock.window.start, *mine]):
        if scopes.overlap(dialect, table, theirs):
            raise Misuse(
                f"Window {lock.window} of {table} belongs to pipeline {' '.join(filter(None, who))}, which "
                f"loads it{f' for {theirs}' if theirs else ''}: give this pipeline a `target.table` of its "
                "own, or both a `target.scope` that keeps them apart."
            )


def check_scopes(dialect: Dialect, table: Table) -> None:
    """Raise `Misuse` where the ledger has another scope of the table that overlaps this one, at any time."""
    if not dialect.columns(_ledger(table)):
        return
    target, *who, scope = map(dialect.quoted, ("target", "pipeline_id", "mapping_name", "scope"))
    loaded = f"SELECT DISTINCT {scope}, {', '.join(who)} FROM {_place(dialect, table)} "  # noqa: S608
    where = f"WHERE {dialect.same_table(target)} AND {scope} <> ?"
    for theirs, *names in dialect.rows(loaded + where, [str(table), table.scope_text]):
        if scopes.overlap(dialect, table, theirs):
            raise Misuse(
                f"Pipeline {' '.join(filter(None, names))} loads {table} for {theirs or 'every row'}, which "
                f"overlaps {table.scope_text or 'a target without scope'}: let both `target.scope` name one "
                "column with different values."
            )


def require_only(dialect: Dialect, table: Table, lock: Lock) -> None:
    """Raise `Misuse` where `overwrite` would throw away another window than the lock's, whoever has it."""
    if others := _overwritten(dialect, table, f" AND NOT ({_where(dialect)})", _key(table, lock)):
        raise _thrown_away(table, others)


def check_only(dialect: Dialect, table: Table) -> None:
    """Raise `Misuse` where whichever window `overwrite` loads would throw away another one."""
    if dialect.columns(_ledger(table)) and (found := _overwritten(dialect, table)).total() > 1:
        raise _thrown_away(table, found)


def _overwritten(
    dialect: Dialect, table: Table, narrowed: str = "", values: Sequence[object] = ()
) -> Counter[str]:
    """How many windows each pipeline has, loaded or asked for, whose rows `overwrite` would take out."""
    if table.write.mode != "overwrite":
        return Counter()
    target, *who = map(dialect.quoted, ("target", "pipeline_id", "mapping_name", "scope"))
    listed, found = ", ".join(who), Counter[str]()
    counted = f"SELECT count(*), {listed} FROM {_place(dialect, table)} "  # noqa: S608
    where = f"WHERE {dialect.same_table(target)}{narrowed} GROUP BY {listed}"
    for windows, *names, scope in dialect.rows(counted + where, [str(table), *values]):
        if scopes.overlap(dialect, table, scope):
            found[" ".join(filter(None, names))] += windows
    return found


def _thrown_away(table: Table, windows: Counter[str]) -> Misuse:
    return Misuse(
        f"`write.mode: overwrite` would throw away other windows of {table}, which belong to pipeline "
        f"{' and '.join(sorted(windows))}: it is for a table of one window. Use `replace_window`, or give "
        "this pipeline a `target.table`, or a `target.scope`, of its own."
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
    change = f"UPDATE {_place(dialect, table)} SET {assigned} WHERE {_where(dialect)}"  # noqa: S608
    if not dialect.changed(change, [*facts, *_key(table, lock)]):
        _insert(dialect, table, [*_key(table, lock), *facts])
    return loaded


def _insert(dialect: Dialect, table: Table, values: list[object]) -> None:
    marks = ", ".join("?" for _ in values)
    dialect.changed(f"INSERT INTO {_place(dialect, table)} VALUES ({marks})", values)  # noqa: S608


def _entry(epoch: int, owner: str, rows: int, digest: str, loaded_at: int) -> Entry:
    moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=loaded_at)
    return Entry(Loaded(epoch, owner, rows, moment), digest)


def _ledger(table: Table) -> Table:
    return Table(table.schema, NAME, "")


def _place(dialect: Dialect, table: Table) -> str:
    return place(dialect, _ledger(table))


def _where(dialect: Dialect) -> str:
    conditions = {name: f"{dialect.quoted(name)} = ?" for name in _KEY}
    conditions["target"] = dialect.same_table(dialect.quoted("target"))
    return " AND ".join(conditions.values())


def _key(table: Table, lock: Lock) -> list[object]:
    start, end = lock.window.start, lock.window.end
    return [lock.pipeline_id, lock.mapping_name, str(table), table.scope_text, start, end]
