"""An index as target, of a cluster that speaks as Elasticsearch does.

There are no transactions. A load holds its window in the ledger; indexes every row under an `_id` that is
always the row's own, with its epoch as version, so that an older epoch cannot overwrite it; deletes what else
is in the window; looks at the count; and tells the ledger. Killed in between it leaves rows of both epochs;
whoever loads next brings every row anew and deletes the rest.
"""

import json
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field, fields
from typing import Annotated, Any

from pydantic import Field, SecretStr

from implementations._search import bulk, loads, searches
from implementations._search.documents import Ids, requests
from implementations._search.indices import Index
from implementations._search.patience import Patient
from implementations._search.server import Cluster, Server
from implementations._search.staged_rows import judged
from pipeline_framework.errors import BadData, Misuse, Unavailable
from pipeline_framework.interfaces import InputPath, Loaded, Lock, Staged
from pipeline_framework.windows import Window


@dataclass(frozen=True)
class SearchTarget(ABC):
    """What `ElasticsearchTarget` and `OpenSearchTarget` say of themselves; `reached` is the system's own."""

    url: Annotated[SecretStr, Field(examples=["https://localhost:9200"])]
    index: str
    time_field: str
    scope: Mapping[str, str | int] = field(default_factory=dict)
    id_column: str | None = None
    ledger: str = "pipeline_loads"
    user: str | None = None
    password: SecretStr | None = None
    ca_certs: InputPath | None = None
    verify_certs: bool = True
    timeout_seconds: Annotated[int, Field(gt=0)] = 60

    @abstractmethod
    def reached(self, server: Server) -> AbstractContextManager[Cluster]:
        """The cluster, by the system's own client."""

    def check(self) -> str:
        with self._opened() as (index, ledger):
            for row in ledger.others({"bool": {"must_not": {"term": {"scope": self._scope}}}}):
                if loads.overlap(self._scope, row.scope):
                    raise self._overlapping(row)
            there = index.writable()
        return f"{self._server.shown}: index {self.index} {'takes documents' if there else 'will be made'}"

    def count(self, window: Window) -> int:
        with self._opened() as (index, _):
            return index.count(window)

    def load(self, lock: Lock, staged: Staged) -> Loaded:
        with self._opened() as (index, ledger):
            index.matched(staged.schema, self.id_column)
            held = self._held(ledger, lock)
            done = held.row.loaded
            if done and done.epoch == lock.epoch and held.row.digest == staged.manifest.digest:
                return done
            rows = judged(staged, lock.window, index)
            index.make(staged.schema, self.id_column)
            self._replace(index, ledger, lock, staged, rows)
            return ledger.note(lock, held, rows, staged.manifest.digest)

    def loaded(self, lock: Lock) -> Loaded | None:
        with self._opened() as (_, ledger):
            seen = ledger.seen(lock)
            return seen.row.loaded if seen else None

    def clear(self, lock: Lock) -> None:
        with self._opened() as (index, ledger):
            held = self._held(ledger, lock)
            if index.properties:
                self._delete(index, ledger, lock, lambda _name, _version: True)
            ledger.note(lock, held, 0, "")

    def _overlapping(self, row: loads.Row) -> Misuse:
        mine, theirs = self._scope or "a target without scope", row.scope or "every row"
        return Misuse(
            f"Pipeline {row.pipeline_id} {row.mapping_name} loads {self.index} for {theirs}, which overlaps "
            f"{mine}: let both `target.scope` name one field with different values."
        )

    def _held(self, ledger: loads.Ledger, lock: Lock) -> loads.Seen:
        ledger.prepare()
        return ledger.hold(lock)

    def _replace(self, index: Index, ledger: loads.Ledger, lock: Lock, staged: Staged, rows: int) -> None:
        ids, epoch = Ids.of(lock, self._scope, self.id_column), lock.epoch
        sent = requests(iter(staged.batches()), ids, epoch, self.scope)
        bulk.send(index.cluster, self.index, sent, lambda: ledger.still(lock))
        index.refresh()
        if index.count(lock.window) > rows:
            self._delete(index, ledger, lock, lambda name, version: ids.stale(name, version, epoch, rows))
        if (there := index.count(lock.window)) != rows:
            ledger.still(lock)
            raise self._other(lock, rows, there)

    def _delete(self, index: Index, ledger: loads.Ledger, lock: Lock, stale: Any) -> None:
        query = index.within(lock.window)
        gone = bulk.deletions(index.cluster, self.index, query, lock.epoch, stale)
        bulk.send(index.cluster, self.index, filter(None, gone), lambda: ledger.still(lock))
        index.refresh()

    def _other(self, lock: Lock, rows: int, there: int) -> Exception:
        if self.id_column and there < rows:
            return BadData(
                f"{rows} rows of {lock.window} are {there} documents of index {self.index}: some have the "
                f"same {self.id_column}. Name a `target.id_column` that is each row's own, or none."
            )
        return Unavailable(
            f"Index {self.index} has {there} documents in {lock.window} where {rows} were loaded: somebody "
            "else writes there; the window is loaded again."
        )

    @contextmanager
    def _opened(self) -> Iterator[tuple[Index, loads.Ledger]]:
        with self.reached(self._server) as reached:
            cluster = Patient(reached)
            known = searches.mappings(cluster, self.index, missing=True)
            index = Index.of(cluster, self.index, self.time_field, self.scope, known)
            yield index, loads.Ledger(cluster, self.ledger, self.index, self._scope)

    @property
    def _server(self) -> Server:
        names = {each.name for each in fields(Server)} & {each.name for each in fields(self)}
        known = {name: getattr(self, name) for name in names}
        return Server(f"index {self.index}", **known, part="target")

    @property
    def _scope(self) -> str:
        return json.dumps(dict(self.scope), sort_keys=True, ensure_ascii=False) if self.scope else ""
