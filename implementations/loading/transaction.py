"""The one recipe that replaces a window: fence, delete, insert, count, ledger, commit.

Every target uses it, so that the fence belongs to loading and not to each system. An older epoch, a
crash between any two steps, or a count that is not the manifest's leaves the target as it was.
"""

from implementations.loading import columns, ledger
from implementations.loading.dialect import Dialect, Table
from pipeline_framework.errors import BadData, StageLost
from pipeline_framework.interfaces import Loaded, Lock, Staged
from pipeline_framework.windows import Window


def replace_window(dialect: Dialect, table: Table, lock: Lock, staged: Staged) -> Loaded:
    """Put the staged rows in the place of the window's rows, with the ledger row, or change nothing.

    Raises `Fenced` (see `ledger.fence`), `BadData` for columns that do not fit or rows that lie
    outside the window, `StageLost` when the rows inserted are not as many as the manifest says.
    """
    with dialect.transaction():
        ledger.prepare(dialect, table)
        earlier = ledger.fence(dialect, table, lock)
        # The digest tells a repetition from the first load after a `clear` under the same epoch.
        if earlier and earlier.loaded.epoch == lock.epoch and earlier.digest == staged.manifest.digest:
            return earlier.loaded
        pairs = columns.matched(dialect, table, staged)
        _delete(dialect, table, lock.window)
        inserted = dialect.insert(table, pairs, staged)
        _judge(table, lock.window, staged, inserted, count(dialect, table, lock.window))
        return ledger.note(dialect, table, lock, inserted, staged.manifest.digest)


def clear_window(dialect: Dialect, table: Table, lock: Lock) -> Loaded:
    """Empty the window under the same fence; the ledger says 0 rows."""
    with dialect.transaction():
        ledger.prepare(dialect, table)
        ledger.fence(dialect, table, lock)
        _delete(dialect, table, lock.window)
        return ledger.note(dialect, table, lock, 0, "")


def count(dialect: Dialect, table: Table, window: Window) -> int:
    """Rows of the table with start <= time < end; 0 where there is no table yet."""
    inside = _inside(dialect, table, window)
    return int(dialect.rows(f"SELECT count(*) FROM {_place(dialect, table)} WHERE {inside}")[0][0]) if inside else 0


def _delete(dialect: Dialect, table: Table, window: Window) -> None:
    if inside := _inside(dialect, table, window):
        dialect.changed(f"DELETE FROM {_place(dialect, table)} WHERE {inside}")


def _judge(table: Table, window: Window, staged: Staged, inserted: int, present: int) -> None:
    expected = staged.manifest.rows
    if expected not in (None, inserted):
        raise StageLost(
            f"{inserted} staged rows were found for {window} of {table}, the manifest {staged.manifest.address} says {expected}; "
            "nothing was changed and the window is staged again."
        )
    if present != inserted:
        raise BadData(
            f"{inserted - present} of {inserted} staged rows lie outside the window {window} by the column {table.time_field} of {table}; "
            "nothing was changed. Let source and target name the same time field."
        )


def _inside(dialect: Dialect, table: Table, window: Window) -> str:
    kind = columns.time_type(dialect, table)
    if kind is None:
        return ""
    name, start, end = dialect.quoted(table.time_field), dialect.moment(window.start, kind), dialect.moment(window.end, kind)
    return f"{name} >= {start} AND {name} < {end}"


def _place(dialect: Dialect, table: Table) -> str:
    return f"{dialect.quoted(table.schema)}.{dialect.quoted(table.name)}"
