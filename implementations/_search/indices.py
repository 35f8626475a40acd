"""One index that is loaded into: its mapping, the documents of a window in it, and what it lacks."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

import msgspec
import pyarrow as pa

from implementations._search import searches
from implementations._search.bounds import TimeBounds
from implementations._search.field_types import field_of, holds
from implementations._search.mapping import properties_of
from implementations._search.server import AlreadyThere, Cluster
from pipeline_framework.errors import BadData
from pipeline_framework.windows import Window

# Rather than `date`, which keeps milliseconds: no window's edge is too fine for it.
_TIME = {"type": "date_nanos"}


@dataclass(slots=True)
class Index:
    """An index by name; `properties` is its mapping, None where there is none yet."""

    cluster: Cluster
    name: str
    time_field: str
    scope: Mapping[str, str | int]
    properties: Mapping[str, Any] | None

    @classmethod
    def of(
        cls,
        cluster: Cluster,
        name: str,
        time_field: str,
        scope: Mapping[str, str | int],
        mappings: Mapping[str, Any],
    ) -> "Index":
        """One as its mapping has it; `BadData` for a mapping without the scope."""
        known = properties_of(mappings, f"index {name}") if mappings else None
        for wanted in scope if known else ():
            _named(wanted, known or {}, f"index {name}", "scope")
        return cls(cluster, name, time_field, scope, known)

    def count(self, window: Window) -> int:
        """Documents of the window, within the scope."""
        if not self.properties:
            return 0
        return searches.counts(self.cluster, [self.within(window)], self.name)[0]

    def within(self, window: Window) -> dict[str, Any]:
        """The query for them."""
        time = TimeBounds.of(self.time_field, self.properties or {}, None, f"index {self.name}")
        terms = [{"term": {name: value}} for name, value in self.scope.items()]
        return {"bool": {"filter": [time.within(window), *terms]}}

    def matched(self, schema: pa.Schema, id_column: str | None) -> None:
        """Refuse, with `BadData`, a staged column that the index does not hold."""
        _named(self.time_field, schema.names, f"What is staged for index {self.name}", "time_field")
        if id_column:
            _named(id_column, schema.names, f"What is staged for index {self.name}", "id_column")
        for column in schema:
            there = (self.properties or {}).get(column.name)
            if there and column.name != id_column and not holds(there, column):
                raise BadData(
                    f"Column {column.name} of index {self.name} is {there.get('type', 'object')}, what is "
                    f"staged for it is {column.type} and does not fit unchanged: cast it at the source, or "
                    "load into another index."
                )

    def make(self, schema: pa.Schema, id_column: str | None) -> None:
        """Add what the index lacks, or the index itself."""
        new = {column.name: field_of(column) for column in schema if column.name != id_column}
        fresh = new | {self.time_field: _TIME} | self._scope_fields(new)
        lacking = {name: kind for name, kind in fresh.items() if kind and name not in (self.properties or {})}
        if self.properties is None:
            self._made(lacking)
        elif lacking:
            self._added(lacking)
        self.properties = {**lacking, **(self.properties or {})}

    def refresh(self) -> None:
        """Everything that was sent until now is found."""
        self.cluster.ask("POST", f"{searches.path_of(self.name)}/_refresh")

    def writable(self) -> bool:
        """Prove the right to write without changing a document; False where there is no index yet."""
        if self.properties is None:
            return False
        nothing = {"delete": {"_id": "no document of this pipeline"}}
        self.cluster.ask("POST", f"{searches.path_of(self.name)}/_bulk", msgspec.json.encode(nothing) + b"\n")
        return True

    def _made(self, properties: Mapping[str, Any]) -> None:
        try:
            self.cluster.ask("PUT", searches.path_of(self.name), {"mappings": {"properties": properties}})
        except AlreadyThere:
            self._added(properties)

    def _added(self, properties: Mapping[str, Any]) -> None:
        self.cluster.ask("PUT", f"{searches.path_of(self.name)}/_mapping", {"properties": properties})

    def _scope_fields(self, staged: Mapping[str, Any]) -> dict[str, Any]:
        kinds = {int: {"type": "long"}, str: {"type": "keyword"}}
        return {name: kinds[type(value)] for name, value in self.scope.items() if name not in staged}


def _named(wanted: str, names: Iterable[str], where: str, key: str) -> None:
    if wanted not in names:
        near = get_close_matches(wanted, names, 1, 0) or ["none, as there are no columns"]
        raise BadData(f"{where} has no column {wanted}; the nearest is {near[0]}. Correct `target.{key}`.")
