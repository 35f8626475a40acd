"""Documents as rows, of a cluster that speaks as Elasticsearch does."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, closing
from dataclasses import dataclass, field, fields
from functools import cached_property
from typing import Annotated, Any, Literal

import pyarrow as pa
import pyarrow.compute as pc
from pydantic import Field, PositiveInt, SecretStr

from implementations._search import searches
from implementations._search.bounds import TimeBounds, Unit
from implementations._search.mapping import properties_of, schema_of
from implementations._search.server import Cluster, Server
from implementations._search.slices import KEEP_ALIVE, Pages, Stream, dealt, let_go, read
from implementations.reading.counted import timeless
from implementations.reading.documents import Contract, Documents
from implementations.reading.json_types import UNIT
from implementations.reading.schema_contract import declared_types
from implementations.reading.times import INSTANT, inside
from pipeline_framework.errors import BadData, Unavailable
from pipeline_framework.interfaces import InputPath, Reading, Tally
from pipeline_framework.windows import Window


@dataclass(frozen=True)
class SearchSource(ABC):
    """The keys that `elasticsearch` and `opensearch` share; `reached` is the system's own.

    `url`: addresses of nodes, commas between them, or in its place `conn_id`, the name of a connection.
    `index`: an index, alias, pattern or data stream. `time_field`: a field of `date` or `date_nanos`, or of
    numbers with a `time_unit`. `query`: a further condition in the query DSL. `columns`: types by field where
    the mapping does not say, or indices disagree; a dot leads into an object. `schema`: a field that neither
    knows makes its document unfit (`freeze`), is left out (`discard`) or kept as it was written in a column
    of JSON (`evolve`). `extra_column`: that of `schema: evolve`. `time_unit`: what a number as time counts
    from 1970, `s`, `ms`, `us` or `ns`. `null_time`: whether documents without a time are refused (`refuse`)
    or left out (`ignore`). `id_column`: a column for `_id`. `slices`: streams read at once. `page_rows`:
    documents of a page. `user`, `password`: a login, where the url has none. `ca_certs`: a PEM file of the
    authority that signed the certificates of the nodes. `verify_certs`: `false` trusts any certificate.
    `timeout_seconds`: for the answer to one request.
    """

    url: Annotated[SecretStr, Field(examples=["https://localhost:9200"])]
    index: str
    time_field: str
    query: Mapping[str, Any] = field(default_factory=dict)
    columns: Mapping[str, str] = field(default_factory=dict)
    schema: Contract = "freeze"
    extra_column: str = "extra"
    time_unit: Unit | None = None
    null_time: Literal["refuse", "ignore"] = "refuse"
    id_column: str | None = None
    slices: PositiveInt = 2
    page_rows: Annotated[int, Field(ge=1, le=10_000)] = 5000
    user: str | None = None
    password: SecretStr | None = None
    ca_certs: InputPath | None = None
    verify_certs: bool = True
    timeout_seconds: PositiveInt = 60

    @abstractmethod
    def reached(self, server: Server) -> AbstractContextManager[Cluster]:
        """The cluster, by the system's own client."""

    def __post_init__(self) -> None:
        declared_types(self.columns)

    def check(self) -> str:
        with self._connected() as cluster:
            properties = self._properties(cluster)
            time = self._bounds(properties)
            rows, nowhere = searches.counts(cluster, [self._all(), self._all(self._nowhere)], self.index)
        self._refuse(nowhere)
        left = f"; {nowhere} rows without a time are left out" if nowhere else ""
        known = f"{rows} documents of {len(properties)} fields"
        return f"{self._where}: {known}, time field {time.name} ({time.kind}){left}"

    def count(self, window: Window) -> int:
        within = self._time.within(window)
        with self._connected() as cluster:
            return self._window_count(cluster, within, index=self.index)

    def read(self, window: Window) -> Reading:
        tally = Tally()
        rows = self._snapshot(window, tally)
        schema, count = next(rows)
        return Reading(schema, rows, count, tally)

    def _snapshot(self, window: Window, tally: Tally) -> Iterator[Any]:
        """Schema and count, then the batches: begun by `read`, so that whoever gives up closes everything."""
        with self._connected() as cluster:
            properties = self._properties(cluster)
            within, schema = self._bounds(properties).within(window), self._schema(properties)
            documents = Documents(schema, self.schema, self._where, self.extra_column)
            about = (cluster, self._all(within), cluster.remember(self.index, KEEP_ALIVE), self.page_rows)
            streams = [Stream(*about) for _ in range(self.slices)]
            with let_go(streams):
                count = self._window_count(cluster, within, point=streams[0].point)
                yield self._with_id(documents.schema), count
                for stream, slices in zip(streams, dealt(self.slices, count, cluster), strict=True):
                    stream.slices = slices
                with closing(read(streams, Pages(documents, tally, self._where, self.id_column))) as batches:
                    yield from self._complete(batches, window, count, tally)

    @property
    def _where(self) -> str:
        return f"index {self.index}"

    def _connected(self) -> AbstractContextManager[Cluster]:
        names = {each.name for each in fields(Server)} & {each.name for each in fields(self)}
        server = Server(self._where, **{name: getattr(self, name) for name in names})
        return self.reached(server)

    @cached_property
    def _time(self) -> TimeBounds:
        # Once for all counts: a field's type never changes in an index.
        with self._connected() as cluster:
            return self._bounds(self._properties(cluster))

    def _bounds(self, properties: Mapping[str, Any]) -> TimeBounds:
        return TimeBounds.of(self.time_field, properties, self.time_unit, self._where)

    def _properties(self, cluster: Cluster) -> dict[str, Any]:
        return properties_of(searches.mappings(cluster, self.index), self._where, self.columns)

    def _schema(self, properties: Mapping[str, Any]) -> pa.Schema:
        schema = schema_of(properties, declared_types(self.columns))
        unit = {UNIT: self.time_unit.encode()} if self.time_unit else None
        return schema.set(
            schema.get_field_index(self.time_field), pa.field(self.time_field, INSTANT, metadata=unit)
        )

    def _all(self, *conditions: Mapping[str, Any]) -> dict[str, Any]:
        own = [self.query] if self.query else []
        return {"bool": {"filter": [*conditions, *own]}}

    @property
    def _nowhere(self) -> dict[str, Any]:
        return {"bool": {"must_not": {"exists": {"field": self.time_field}}}}

    def _window_count(self, cluster: Cluster, within: Mapping[str, Any], **place: str) -> int:
        asked = [self._all(within), *([self._all(self._nowhere)] if self.null_time == "refuse" else [])]
        rows, *nowhere = searches.counts(cluster, asked, **place)
        self._refuse(sum(nowhere))
        return rows

    def _refuse(self, nowhere: int) -> None:
        if nowhere and self.null_time == "refuse":
            raise timeless(nowhere, self._where, self.time_field)

    def _with_id(self, schema: pa.Schema) -> pa.Schema:
        return schema.append(pa.field(self.id_column, pa.string())) if self.id_column else schema

    def _complete(
        self, batches: Iterator[pa.RecordBatch], window: Window, count: int, tally: Tally
    ) -> Iterator[pa.RecordBatch]:
        rows = 0
        for batch in batches:
            rows += batch.num_rows
            yield self._of(batch, window)
        if rows + tally.bad != count:
            raise Unavailable(
                f"{self._where} gave {rows + tally.bad} rows where {count} were counted; read it again."
            )

    def _of(self, batch: pa.RecordBatch, window: Window) -> pa.RecordBatch:
        times = batch.column(batch.schema.get_field_index(self.time_field))
        if pc.all(inside(times, window)).as_py() is False:
            raise BadData(
                f"{self._where} finds documents in {window} whose {self.time_field} reads as another time: "
                "its format in the mapping is neither ISO 8601 nor milliseconds since 1970."
            )
        return batch
