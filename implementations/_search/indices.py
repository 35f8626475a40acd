"""One index that is loaded into: its mapping, the documents in it, and what it lacks."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any

import msgspec
import pyarrow as pa

from implementations._search import bulk, contracts, graves, searches
from implementations._search.bounds import TimeBounds
from implementations._search.documents import rows_of
from implementations._search.field_types import holds, storable
from implementations._search.server import AlreadyThere, Cluster
from implementations.loading.dialect import Contract
from implementations.reading.json_types import keeps_json
from pipeline_framework.errors import BadData
from pipeline_framework.windows import Window

# Rather than `date`, which keeps milliseconds: no window's edge is too fine for it.
_TIME = {"type": "date_nanos"}


@dataclass(slots=True)
class Index:
    """An index by name; `properties` is its mapping, None where there is none yet.

    `contract` says what becomes of what it lacks. Where it `buries`, it is an alias that hides graves.
    """

    cluster: Cluster
    name: str
    time_field: str
    scope: Mapping[str, str | int]
    properties: Mapping[str, Any] | None
    contract: Contract = "evolve"
    buries: bool = False
    lacks: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for wanted in self.scope if self.properties else ():
            named(wanted, self.properties or {}, f"index {self.name}", "scope")

    def count(self, query: Mapping[str, Any]) -> int:
        """Documents that a query finds."""
        return searches.counts(self.cluster, [query], self.name)[0] if self.properties else 0

    def within(self, window: Window) -> dict[str, Any]:
        """The query for the documents of a window, within the scope."""
        return {"bool": {"filter": [self._time.within(window), *self._terms]}}

    def everything(self) -> dict[str, Any]:
        """The query for all documents within the scope."""
        return {"bool": {"filter": self._terms}}

    def matched(self, schema: pa.Schema, id_column: str | None) -> None:
        """Refuse, with `BadData`, staged columns that do not fit, or that the contract does not let in."""
        where = f"What is staged for index {self.name}"
        named(self.time_field, schema.names, where, "time_field")
        if id_column:
            named(id_column, schema.names, where, "id_column")
        columns = [column for column in schema if column.name != id_column]
        for column in columns:
            self._require_room(column)
        self.lacks = contracts.lacking(columns, self.properties or {})
        contracts.require(self.contract, self.name, self.lacks, self.properties)
        if self.contract != "evolve":
            named(self.time_field, self.properties or {}, f"index {self.name}", "time_field")

    def make(self) -> None:
        """Add what the index lacks, as far as its contract has it, or the index itself."""
        there = self.properties or {}
        new = {**self.lacks, **self._own_fields()} if self.contract == "evolve" else {}
        if self.buries:
            new[graves.FIELD] = {"type": "boolean"}
        new = {name: kind for name, kind in new.items() if name not in there or name in self.lacks}
        if self.properties is None:
            self._made(new)
        elif new:
            self._added(new)
        self.properties = {**new, **there}

    def kept(self, schema: pa.Schema) -> pa.Schema:
        """The staged columns that come into the index."""
        left_out = self.lacks.keys() - (self.properties or {}).keys() if self.contract == "discard" else ()
        return pa.schema([column for column in schema if column.name not in left_out])

    def documents(self, batch: pa.RecordBatch) -> Iterator[dict[str, Any]]:
        """Staged rows as they are in the index: with the scope, without what the contract leaves out."""
        left_out = self.lacks if self.contract == "discard" else {}
        for row in rows_of(batch):
            yield {**self.scope, **contracts.without(row, left_out, self.properties or {})}

    def refresh(self) -> None:
        """Everything that was sent until now is found."""
        self.cluster.ask("POST", f"{searches.path_of(self.name)}/_refresh")

    def writable(self) -> bool:
        """Prove that it is read and written, changing no document; False where there is no index yet."""
        if self.properties is None:
            return False
        if self.properties:
            self.count({"exists": {"field": self._time.name}})
        nothing = {"delete": {"_id": "no document of this pipeline"}}
        bulk.offer(self.cluster, self.name, [msgspec.json.encode(nothing) + b"\n"])
        return True

    @property
    def _time(self) -> TimeBounds:
        return TimeBounds.of(
            self.time_field, self.properties or {}, None, f"index {self.name}", self.cluster.server.part
        )

    @property
    def _terms(self) -> list[dict[str, Any]]:
        return [{"term": {name: value}} for name, value in self.scope.items()]

    def _require_room(self, column: pa.Field) -> None:
        there = (self.properties or {}).get(column.name)
        if self.buries and column.name == graves.FIELD:
            raise BadData(
                f"Column {column.name} is what marks deleted documents of index {self.name}: rename it."
            )
        if not keeps_json(column) and not storable(column.type):
            raise BadData(
                f"Column {column.name} is {column.type}, for which index {self.name} can have no field: "
                "cast it at the source, or drop it."
            )
        if there and not holds(there, column):
            raise BadData(
                f"Column {column.name} of index {self.name} is {there.get('type', 'object')}, what is "
                f"staged for it is {column.type} and does not fit unchanged: cast it at the source, or "
                "load into another index."
            )

    def _made(self, properties: Mapping[str, Any]) -> None:
        place, alias = graves.home(self.name) if self.buries else (self.name, {})
        try:
            self.cluster.ask(
                "PUT", searches.path_of(place), {"mappings": {"properties": properties}, **alias}
            )
        except AlreadyThere:
            self._added(properties)

    def _added(self, properties: Mapping[str, Any]) -> None:
        self.cluster.ask("PUT", f"{searches.path_of(self.name)}/_mapping", {"properties": properties})

    def _own_fields(self) -> dict[str, Any]:
        kinds = {int: {"type": "long"}, str: {"type": "keyword"}}
        scope = {name: kinds[type(value)] for name, value in self.scope.items() if name not in self.lacks}
        return scope | {self.time_field: _TIME}


def named(wanted: str, names: Iterable[str], where: str, key: str) -> None:
    """Raise `BadData` where a name is none of these; it says the nearest, and the key to correct."""
    if wanted not in names:
        near = get_close_matches(wanted, names, 1, 0) or ["none, as there are no columns"]
        raise BadData(f"{where} has no column {wanted}; the nearest is {near[0]}. Correct `target.{key}`.")
