"""Rows that meet by key: the newest version stays, whatever the order in which windows come.

A document is looked at, and changed only if nobody else changed it since (`if_seq_no`); otherwise it is
looked at again. So it is newer after every change, whoever makes them at once, and wherever one is killed.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Literal, NamedTuple

import msgspec
import pyarrow as pa

from implementations._search import bulk, documents, searches
from implementations._search.graves import FIELD
from implementations._search.indices import Index, named
from implementations._search.newest import Order, comparable, require_plain
from implementations._search.searches import Present
from implementations.loading.write_modes import Write
from pipeline_framework.errors import BadData, Unavailable
from pipeline_framework.interfaces import Staged

Effect = Literal["inserted", "updated", "deleted", "buried"]
MOST = 5_000  # documents that are looked at in one request
ROUNDS = 100  # in each somebody else's change went through: an end that only a broken answer comes to


class Row(NamedTuple):
    """A staged row: the `_id` and the text of its document, its version, and whether it deletes."""

    name: str
    version: Any
    gone: bool
    document: bytes


class Stored(NamedTuple):
    """What is under an `_id`: its version, and whether it is a grave."""

    version: Any
    buried: bool


def effect(write: Write, row: Row, stored: Stored | None) -> Effect | None:
    """What a row does to the document of its key; None where it changes nothing."""
    living = stored is not None and not stored.buried
    if stored and stored.version > row.version:
        return None
    if row.gone:
        return "deleted" if living else "buried" if write.buries else "inserted"
    if living:
        return None if write.mode == "append_delete" else "updated"
    return "inserted"


@dataclass(frozen=True, slots=True)
class Meeting:
    """One load of rows that meet those of an index."""

    index: Index
    write: Write
    order: Order
    kind: pa.DataType  # of the version
    staged: Staged
    newest: pa.BooleanArray  # for each staged row whether it takes part

    @classmethod
    def of(cls, index: Index, write: Write, scope: str, staged: Staged) -> "Meeting":
        """That of staged rows; `BadData` for a key, version or mark that they lack, or that is doubtful."""
        where, columns = f"index {index.name}", index.kept(staged.schema)
        version = write.version_by or index.time_field
        for wanted, key in [*((name, "key") for name in write.key), (version, "version_by")]:
            named(wanted, columns.names, f"What is staged for {where}", f"write.{key}")
            require_plain(columns.field(wanted), where, key)
        if write.deleted_by:
            named(write.deleted_by, columns.names, f"What is staged for {where}", "write.deleted_by")
            _require_mark(columns.field(write.deleted_by), where)
        order = Order(sorted(write.key), version, scope)
        return cls(index, write, order, columns.field(version).type, staged, order.newest(staged, where))

    def merge(self, before: Callable[[], None]) -> dict[str, int]:
        """Let the newest rows take effect, asking `before` each request; how many did what."""
        done = Counter[Effect | None]()
        for group in _groups(self._rows()):
            done += self._settled(group, before)
        self.index.refresh()
        return {each: done[each] for each in ("inserted", "updated", "deleted")}

    def _settled(self, rows: Sequence[Row], before: Callable[[], None]) -> "Counter[Effect | None]":
        done = Counter[Effect | None]()
        for _ in range(ROUNDS):
            there = self._present(rows)
            before()  # after the look: what somebody with a newer epoch writes from here on is a conflict
            effects = {row.name: effect(self.write, row, self._stored(there.get(row.name))) for row in rows}
            lines = [_line(row, there.get(row.name)) for row in rows if effects[row.name]]
            conflicts = bulk.offer(self.index.cluster, self.index.name, lines) if lines else set()
            done.update(made for name, made in effects.items() if name not in conflicts)
            rows = [row for row in rows if row.name in conflicts]
            if not rows:
                return done
        raise Unavailable(
            f"{len(rows)} documents of index {self.index.name} were changed by somebody else between every "
            f"look and change, {ROUNDS} times over: the window is loaded again."
        )

    def _rows(self) -> Iterator[Row]:
        begin = 0
        for batch in self.staged.batches():
            chosen = batch.filter(self.newest.slice(begin, batch.num_rows))
            begin += batch.num_rows
            yield from map(self._row, self.index.documents(chosen))

    def _row(self, values: dict[str, Any]) -> Row:
        gone = values.get(self.write.deleted_by or "") not in {None, False}
        version, name = comparable(values[self.order.version]), self.order.named(values)
        if gone and self.write.buries:
            kept = [*self.index.scope, *self.order.key, self.order.version]
            values = {each: values[each] for each in kept} | {FIELD: True}
        return Row(name, version, gone, documents.document(values))

    def _present(self, rows: Sequence[Row]) -> dict[str, Present]:
        wanted = [self.order.version, FIELD]
        asked = [{"_id": row.name, "_source": wanted} for row in rows]
        return searches.present(self.index.cluster, self.index.name, asked)

    def _stored(self, there: Present | None) -> Stored | None:
        if there is None:
            return None
        source = msgspec.json.decode(there.source, type=dict[str, msgspec.Raw])
        try:
            version = self._read(source[self.order.version])
        except (KeyError, ValueError) as error:  # msgspec's errors are such
            raise BadData(
                f"Document {there.id} of index {self.index.name} has no {self.order.version} that compares "
                f"with what is staged as {self.kind}: somebody else wrote it. Correct or delete it."
            ) from error
        return Stored(version, FIELD in source)

    def _read(self, raw: msgspec.Raw) -> Any:
        if pa.types.is_temporal(self.kind):
            return comparable(datetime.fromisoformat(msgspec.json.decode(raw, type=str)))
        readers = {pa.types.is_integer: int, pa.types.is_floating: float, pa.types.is_decimal: Decimal}
        kind = next((kind for fits, kind in readers.items() if fits(self.kind)), str)
        return msgspec.json.decode(raw, type=kind)


def _line(row: Row, there: Present | None) -> bytes:
    action = {"index": {"_id": row.name, **there.at}} if there else {"create": {"_id": row.name}}
    return msgspec.json.encode(action) + b"\n" + row.document + b"\n"


def _groups(rows: Iterable[Row]) -> Iterator[list[Row]]:
    group, size = list[Row](), 0
    for row in rows:
        group.append(row)
        size += len(row.document)
        if size >= documents.REQUEST or len(group) >= MOST:
            yield group
            group, size = [], 0
    if group:
        yield group


def _require_mark(column: pa.Field, where: str) -> None:
    kind = column.type
    marks = (pa.types.is_boolean, pa.types.is_timestamp, pa.types.is_date)
    if not any(is_kind(kind) for is_kind in (*marks, pa.types.is_null)):  # NULL alone marks no row
        raise BadData(
            f"`target.write.deleted_by` of {where} names {column.name}, which is staged as {kind}: it has "
            "to be a boolean or a time."
        )
