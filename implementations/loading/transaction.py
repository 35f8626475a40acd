"""The one recipe that replaces a window: reserve; then fence, delete, insert, count, ledger, commit.

Every target uses it, so that the fence belongs to loading and not to each system. An older epoch, a
crash between any two steps, or a count that is not the manifest's leaves the rows as they were.
"""

from datetime import UTC, datetime

from implementations.loading import columns, ledger, scopes
from implementations.loading.dialect import Dialect, Table, place
from pipeline_framework.errors import BadData, StageLost
from pipeline_framework.interfaces import Loaded, Lock, Staged
from pipeline_framework.windows import Window

_ANY = Window(datetime(1970, 1, 1, tzinfo=UTC), datetime(1970, 1, 2, tzinfo=UTC))


def replace_window(dialect: Dialect, table: Table, lock: Lock, staged: Staged) -> Loaded:
    """Put the staged rows in the place of the window's rows, with the ledger row, or change nothing.

    Raises `Fenced` (see `ledger.fence`), `BadData` for columns that do not fit or rows outside the
    window, `StageLost` when what is staged is not as many rows as its manifest says.
    """
    # Definitions lock a whole table, and waiting at the ledger must not: so they are committed first.
    with dialect.transaction():
        _reserve(dialect, table, lock)
        columns.matched(dialect, table, staged)
    with dialect.transaction():
        ledger.hold(dialect, table, lock)
        earlier = ledger.fence(dialect, table, lock)
        # The digest tells a repetition from the first load after a `clear` of the same epoch.
        if earlier and earlier.loaded.epoch == lock.epoch and earlier.digest == staged.manifest.digest:
            return earlier.loaded
        pairs = columns.matched(dialect, table, staged)
        _delete(dialect, table, lock.window)
        inserted = dialect.insert(table, pairs, staged)
        _judge(lock.window, table, staged, inserted)
        _judge_times(lock.window, table, inserted, count(dialect, table, lock.window))
        return ledger.note(dialect, table, lock, inserted, staged.manifest.digest)


def clear_window(dialect: Dialect, table: Table, lock: Lock) -> Loaded:
    """Empty the window under the same fence; the ledger says 0 rows."""
    with dialect.transaction():
        _reserve(dialect, table, lock)
    with dialect.transaction():
        ledger.hold(dialect, table, lock)
        ledger.fence(dialect, table, lock)
        _delete(dialect, table, lock.window)
        return ledger.note(dialect, table, lock, 0, "")


def ready(dialect: Dialect, table: Table) -> bool:
    """Whether there is a table that can be loaded into; False where the first load makes it.

    Raises `BadData` for a table without the time field or the scope, `Misuse` for a scope that overlaps
    another one of the ledger.
    """
    there = _inside(dialect, table, _ANY) is not None
    ledger.check_scopes(dialect, table)
    return there


def count(dialect: Dialect, table: Table, window: Window) -> int:
    """Rows of the table, within its scope, with start <= time < end; 0 where there is no table yet."""
    inside = _inside(dialect, table, window)
    if inside is None:
        return 0
    return int(dialect.rows(f"SELECT count(*) FROM {place(dialect, table)} WHERE {inside}")[0][0])  # noqa: S608


def _reserve(dialect: Dialect, table: Table, lock: Lock) -> None:
    dialect.queue(table)
    ledger.prepare(dialect, table)
    ledger.fence(dialect, table, lock)
    ledger.reserve(dialect, table, lock)


def _delete(dialect: Dialect, table: Table, window: Window) -> None:
    if inside := _inside(dialect, table, window):
        dialect.changed(f"DELETE FROM {place(dialect, table)} WHERE {inside}")  # noqa: S608


def _judge(window: Window, table: Table, staged: Staged, inserted: int) -> None:
    if staged.manifest.rows not in {None, inserted}:
        raise StageLost(
            f"{inserted} rows are staged for {window} of {table}, where the manifest "
            f"{staged.manifest.address} says {staged.manifest.rows}; nothing was changed, and the window is "
            "staged again."
        )


def _judge_times(window: Window, table: Table, inserted: int, present: int) -> None:
    if present != inserted:
        raise BadData(
            f"{inserted - present} of {inserted} staged rows lie outside the window {window} by the column "
            f"{table.time_field} of {table}{f', or outside {table.scope_text}' if table.scope else ''}; "
            "nothing was changed. Let source and target name the same time and scope."
        )


def _inside(dialect: Dialect, table: Table, window: Window) -> str | None:
    kind = columns.time_type(dialect, table)
    if kind is None:
        return None
    start, end = dialect.moment(window.start, kind), dialect.moment(window.end, kind)
    if start is None:
        raise BadData(
            f"The time field {table.time_field} of {table} is {kind}, which does not hold instants to the "
            "microsecond: change the column's type, or name another `target.time_field`."
        )
    name, present = dialect.quoted(table.time_field), dialect.columns(table)
    return f"{name} >= {start} AND {name} < {end}{scopes.predicate(dialect, table, present)}"
