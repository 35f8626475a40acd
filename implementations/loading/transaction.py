"""The one recipe that writes a window: reserve; then fence, make room, insert, count, ledger, commit.

Every target uses it, so that the fence belongs to loading and not to each system. An older epoch, a
crash between any two steps, or a count that is not the manifest's leaves the rows as they were.
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial

from implementations.loading import columns, ledger, merging, scopes
from implementations.loading.dialect import Dialect, Pair, Table, place
from implementations.loading.waiting import Busy
from pipeline_framework.errors import BadData, Misuse, StageLost
from pipeline_framework.interfaces import Loaded, Lock, Staged
from pipeline_framework.windows import Window

Changes = Mapping[str, int]

_ANY = Window(datetime(1970, 1, 1, tzinfo=UTC), datetime(1970, 1, 2, tzinfo=UTC))


def load(dialect: Dialect, table: Table, lock: Lock, staged: Staged) -> Loaded:
    """Write the staged rows as `table.write` says, with the ledger row, or change nothing.

    Raises `Fenced` (see `ledger.fence`), `BadData` for columns that do not fit, rows outside the window or a
    second `append`, `StageLost` when what is staged is not as many rows as its manifest says, `Busy` when
    rows of somebody else came into the window meanwhile.
    """
    # Definitions lock a whole table, or commit, and waiting at the ledger must not: so they come first.
    with dialect.transaction():
        _reserve(dialect, table, lock)
        ledger.require_only(dialect, table, lock)
        pairs = columns.matched(dialect, table, staged)
        meeting = merging.prepared(dialect, table, pairs, staged) if table.write.merges else None
    with dialect.transaction():
        ledger.hold(dialect, table, lock)
        earlier = ledger.fence(dialect, table, lock)
        if earlier and _done(table, lock, staged, earlier):
            return earlier.loaded
        pairs = columns.matched(dialect, table, staged)
        write = partial(_merge, meeting) if meeting else partial(_put, dialect, table)
        rows, changes = write(lock, pairs, staged)
        loaded = ledger.note(dialect, table, lock, rows, staged.manifest.digest)
        return replace(loaded, changes=changes)


def clear_window(dialect: Dialect, table: Table, lock: Lock) -> Loaded:
    """Empty the window under the same fence; the ledger says 0 rows."""
    if table.write.mode not in {"replace_window", "overwrite"}:
        raise Misuse(
            f"{table} is written by {table.write.mode}: which rows a window brought is not known any more."
        )
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
    another one of the ledger, and for windows of others that would be overwritten.
    """
    there = _inside(dialect, table, _ANY) is not None
    ledger.check_scopes(dialect, table)
    ledger.check_only(dialect, table)
    return there


def count(dialect: Dialect, table: Table, window: Window) -> int | None:
    """Rows of the table, within its scope, with start <= time < end; 0 where there is no table yet.

    None where the window's rows cannot be told from those of others, as they were appended or merged.
    """
    present = _present(dialect, table, window)
    return None if table.write.merges or table.write.mode == "append" else present


def _present(dialect: Dialect, table: Table, window: Window) -> int:
    inside = _inside(dialect, table, window)
    if inside is None:
        return 0
    counted = f"SELECT count(*) FROM {place(dialect, table)} WHERE {inside}"  # noqa: S608
    return int(dialect.rows(counted)[0][0])


def _reserve(dialect: Dialect, table: Table, lock: Lock) -> None:
    dialect.queue(table)
    ledger.prepare(dialect, table)
    ledger.fence(dialect, table, lock)
    ledger.reserve(dialect, table, lock)


def _done(table: Table, lock: Lock, staged: Staged, earlier: ledger.Entry) -> bool:
    """Whether the earlier load was of these very rows; `BadData` where an append would double others."""
    # The digest tells a repetition from the first load after a `clear` of the same epoch.
    same = earlier.digest == staged.manifest.digest
    if table.write.mode != "append":
        return same and earlier.loaded.epoch == lock.epoch
    if earlier.digest and not same:
        raise BadData(
            f"Window {lock.window} of {table} was appended under epoch {earlier.loaded.epoch} already "
            f"({earlier.loaded.rows} rows): a second load would double them. Use `replace_window`, or "
            "`pipeline skip` the window."
        )
    return same


def _put(
    dialect: Dialect, table: Table, lock: Lock, pairs: list[Pair], staged: Staged
) -> tuple[int, Changes]:
    others = _make_room(dialect, table, lock)
    inserted = dialect.insert(table, pairs, staged)
    _judge(lock.window, table, staged, inserted)
    _judge_times(lock.window, table, inserted, _present(dialect, table, lock.window) - others)
    return inserted, {}


def _merge(meeting: merging.Merge, lock: Lock, pairs: list[Pair], staged: Staged) -> tuple[int, Changes]:
    dialect, incoming = meeting.dialect, meeting.incoming
    inserted = dialect.insert(incoming, pairs, staged)
    _judge(lock.window, meeting.table, staged, inserted)
    _judge_times(lock.window, meeting.table, inserted, _present(dialect, incoming, lock.window))
    return inserted, merging.merged(meeting)


def _make_room(dialect: Dialect, table: Table, lock: Lock) -> int:
    """Take out what the new rows replace; how many rows of the window stay."""
    if table.write.mode == "append":
        return _present(dialect, table, lock.window)
    if table.write.mode == "overwrite":
        scope = scopes.predicate(dialect, table, dialect.columns(table))
        dialect.changed(f"DELETE FROM {place(dialect, table)} WHERE 1 = 1{scope}")  # noqa: S608
        # Asked afterwards: whose rows were there to be taken out, theirs is in the ledger by now.
        ledger.require_only(dialect, table, lock)
    else:
        _delete(dialect, table, lock.window)
    return 0


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
    if present > inserted:
        raise Busy(
            f"{table} has {present} rows in {window} where {inserted} were loaded: somebody else writes into "
            "this window; nothing was changed, and the window is loaded again."
        )
    if present < inserted:
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
