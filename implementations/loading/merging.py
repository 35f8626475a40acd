"""Rows that meet by key: the newest version stays, whatever the order in which windows come.

Staged rows rest in a temporary table of the target's own columns, and of each key only its newest takes part.
A row that is put in anew replaces all of the old one; what is older than the stored row, or than its grave,
is left out.
"""
# ruff: noqa: S608 - statements are put together of quoted names alone

from collections.abc import Sequence
from dataclasses import dataclass, replace

import pyarrow as pa

from implementations.loading import scopes
from implementations.loading.columns import named
from implementations.loading.dialect import Dialect, Pair, Table, place
from implementations.loading.plain_rows import unknown
from pipeline_framework.errors import BadData
from pipeline_framework.interfaces import Staged


@dataclass(frozen=True, slots=True)
class Merge:
    """One merge of `incoming` into `table`; columns are spelled as the table has them."""

    dialect: Dialect
    table: Table
    incoming: Table
    columns: Sequence[str]
    key: Sequence[str]
    version: str
    mark: str  # an expression that is true for a row that deletes; empty where none does
    graves: Table | None = None  # where key and version of deleted rows are kept

    def doubtful(self) -> int:
        """Rows that may or may not be the newest: without key or version, or with those of another."""
        keys = self._listed([*self.key, self.version])
        empty = " OR ".join(f"{self.dialect.quoted(name)} IS NULL" for name in [*self.key, self.version])
        twice = f"SELECT count(*) AS times FROM {self._incoming} GROUP BY {keys} HAVING count(*) > 1"
        return self._number(f"SELECT count(*) FROM {self._incoming} WHERE {empty}") + self._number(
            f"SELECT count(*) FROM ({twice}) AS twice"
        )

    def updated(self) -> int:
        """Take out the stored rows that newer ones replace."""
        return self._take_out(self.table, f"NOT ({self.mark})" if self.mark else "")

    def deleted(self) -> int:
        """Take out the stored rows that newer ones mark as deleted."""
        return self._take_out(self.table, self.mark)

    def put(self) -> int:
        """Put in the newest rows whose key has no other row."""
        stored = f"SELECT 1 FROM {self._place(self.table)} AS stored WHERE {self._same('newest', 'stored')}"
        free = [f"NOT EXISTS ({stored}{self._scope(self.table)})"]
        if self.graves:
            version = self.dialect.quoted(self.version)
            later = f"grave.{version} > newest.{version}"
            buried = (
                f"SELECT 1 FROM {self._place(self.graves)} AS grave WHERE {self._same('newest', 'grave')}"
            )
            free += [f"NOT ({self.mark})", f"NOT EXISTS ({buried} AND {later}{self._scope(self.graves)})"]
        return self._insert(self.table, self.columns, free)

    def bury(self, graves: Table) -> None:
        """Keep key and version of what the newest rows mark as deleted; forget graves that are older."""
        self._take_out(graves, "")
        dug = f"SELECT 1 FROM {self._place(graves)} AS grave WHERE {self._same('newest', 'grave')}"
        kept = list(self.dialect.columns(graves))
        self._insert(graves, kept, [self.mark, f"NOT EXISTS ({dug}{self._scope(graves)})"])

    @property
    def _incoming(self) -> str:
        return self._place(self.incoming)

    @property
    def _newest(self) -> str:
        keys, version = self._listed(self.key), self.dialect.quoted(self.version)
        order = f"row_number() OVER (PARTITION BY {keys} ORDER BY {version} DESC)"
        ranked = f"SELECT incoming.*, {order} AS pipeline_rank FROM {self._incoming} AS incoming"
        return f"(SELECT * FROM ({ranked}) AS ranked WHERE pipeline_rank = 1) AS newest"

    def _scope(self, table: Table) -> str:
        return scopes.predicate(self.dialect, table, self.dialect.columns(table))

    def _take_out(self, table: Table, which: str) -> int:
        name, version = self.dialect.quoted(table.name), self.dialect.quoted(self.version)
        newer = f"{self._same('newest', name)} AND newest.{version} >= {name}.{version}"
        narrowed = f" AND {which}" if which else ""
        overtaken = f"EXISTS (SELECT 1 FROM {self._newest} WHERE {newer}{narrowed}){self._scope(table)}"
        return self.dialect.changed(f"{self.dialect.deletion(table)} WHERE {overtaken}")

    def _insert(self, table: Table, columns: Sequence[str], conditions: Sequence[str]) -> int:
        listed = ", ".join(f"newest.{self.dialect.quoted(name)}" for name in columns)
        into = f"INSERT INTO {self._place(table)} ({self._listed(columns)})"
        return self.dialect.changed(
            f"{into} SELECT {listed} FROM {self._newest} WHERE {' AND '.join(conditions)}"
        )

    def _same(self, one: str, other: str) -> str:
        names = [self.dialect.quoted(name) for name in self.key]
        return " AND ".join(f"{one}.{name} = {other}.{name}" for name in names)

    def _listed(self, columns: Sequence[str]) -> str:
        return ", ".join(map(self.dialect.quoted, columns))

    def _place(self, table: Table) -> str:
        return place(self.dialect, table)

    def _number(self, statement: str) -> int:
        return int(self.dialect.rows(statement)[0][0])


def prepared(dialect: Dialect, table: Table, pairs: Sequence[Pair], staged: Staged) -> Merge:
    """The merge that `table.write` describes, with the tables it needs beside the target.

    Raises `BadData` for a key, version or mark that is not staged.
    """
    columns, write = [pair.column for pair in pairs], table.write

    def found(name: str, key: str) -> str:
        return named(name, columns, dialect, f"What is staged for {table}", f"write.{key}")

    key = [found(name, "key") for name in write.key]
    version = found(write.version_by or table.time_field, "version_by")
    mark = _mark(dialect, table, columns, staged) if write.deleted_by else ""
    graves = _graves(dialect, table, [*key, version]) if write.buries else None
    incoming = replace(dialect.incoming(table), scope=table.scope)  # a row of another scope is judged there
    return Merge(dialect, table, incoming, columns, key, version, mark, graves)


def merged(merge: Merge) -> dict[str, int]:
    """Let the incoming rows take effect; how many were inserted, updated and deleted.

    Raises `BadData` where it cannot be told which of two rows is the newer one.
    """
    _require_order(merge)
    updated = merge.updated() if merge.table.write.mode != "append_delete" else 0
    deleted = merge.deleted() if merge.mark else 0
    put = merge.put()
    if merge.graves is None:
        return {"inserted": put - updated - deleted, "updated": updated, "deleted": deleted}
    merge.bury(merge.graves)
    return {"inserted": put - updated, "updated": updated, "deleted": deleted}


def _graves(dialect: Dialect, table: Table, columns: Sequence[str]) -> Table:
    # As the table itself it is asked by key, among rows that only grow in number.
    graves = replace(table, name=f"{table.name}_deleted", time_field=columns[-1])
    if not dialect.columns(graves):
        kinds = dialect.columns(table)
        scope = [named(name, kinds, dialect, str(table), "scope") for name in table.scope]
        dialect.make(graves, {name: kinds[name] for name in dict.fromkeys([*scope, *columns])})
    return graves


def _require_order(merge: Merge) -> None:
    if doubtful := merge.doubtful():
        raise BadData(
            f"{doubtful} rows staged for {merge.table} have no {' and '.join([*merge.key, merge.version])}, "
            "or share them with another one, so it cannot be told which is the newer: correct the source, or "
            "name another `target.write.version_by`."
        )


def _mark(dialect: Dialect, table: Table, columns: Sequence[str], staged: Staged) -> str:
    wanted = str(table.write.deleted_by)
    kinds = [field.type for field in staged.schema if dialect.same_name(field.name, wanted)]
    if any(map(unknown, kinds)):
        return "FALSE"  # nothing but NULL, for which the table may have no column yet
    column = named(wanted, columns, dialect, f"What is staged for {table}", "write.deleted_by")
    quoted, kind = f"newest.{dialect.quoted(column)}", kinds[0]
    if pa.types.is_boolean(kind):
        return f"COALESCE({quoted}, FALSE)"
    if pa.types.is_timestamp(kind) or pa.types.is_date(kind):
        return f"{quoted} IS NOT NULL"
    raise BadData(
        f"`target.write.deleted_by` of {table} names {column}, which is staged as {kind}: it has to be a "
        "boolean or a time."
    )
