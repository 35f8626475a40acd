"""An index as target, of a cluster that speaks as Elasticsearch does.

There are no transactions. A load holds its window in the ledger, looks at every staged row, writes documents
that each carry what keeps older ones out (see `replacing` and `meeting`), and tells the ledger. What was
killed in between is healed by whoever loads next.
"""

import json
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field, fields, replace
from typing import Annotated

from pydantic import Field, SecretStr

from implementations._search import graves, loads, searches
from implementations._search.documents import Ids
from implementations._search.indices import Index
from implementations._search.mapping import replaceable
from implementations._search.meeting import Meeting
from implementations._search.patience import Patient
from implementations._search.replacing import Replacing
from implementations._search.server import Cluster, Server
from implementations._search.staged_rows import judged
from implementations.loading.dialect import Contract
from implementations.loading.write_modes import Write
from pipeline_framework.errors import BadData, Misuse
from pipeline_framework.interfaces import InputPath, Loaded, Lock, Staged
from pipeline_framework.windows import Window


@dataclass(frozen=True)
class SearchTarget(ABC):
    """The keys that `elasticsearch` and `opensearch` share; `reached` is the system's own.

    `url`: addresses of nodes, commas between them, or in its place `conn_id`, the name of a connection.
    `index`: an index, made where it is missing, or an alias with one. `time_field`: a field of `date` or
    `date_nanos`. `scope`: values by field that mark this pipeline's documents of an index shared with others.
    `id_column`: the column that becomes `_id`; without it a document is named by its window and its place in
    it, or by its key. `write`: what a window's rows do with those that are there; with `deletes: hard` the
    index is made as an alias that hides what was deleted. `contract`: what a staged column does that the
    mapping lacks, also inside of objects: it is added (`evolve`), refused (`freeze`) or left out (`discard`).
    `ledger`: the index that keeps what was loaded. `user`, `password`: a login, where the url has none.
    `ca_certs`: a PEM file of the authority that signed the certificates of the nodes. `verify_certs`: `false`
    trusts any certificate. `timeout_seconds`: for the answer to one request.
    """

    url: Annotated[SecretStr, Field(examples=["https://localhost:9200"])]
    index: str
    time_field: str
    scope: Mapping[str, str | int] = field(default_factory=dict)
    id_column: str | None = None
    write: Write = field(default_factory=Write)
    contract: Contract = "evolve"
    ledger: str = "pipeline_loads"
    user: str | None = None
    password: SecretStr | None = None
    ca_certs: InputPath | None = None
    verify_certs: bool = True
    timeout_seconds: Annotated[int, Field(gt=0)] = 60

    @abstractmethod
    def reached(self, server: Server) -> AbstractContextManager[Cluster]:
        """The cluster, by the system's own client."""

    def __post_init__(self) -> None:
        if self.id_column and self.write.mode not in {"replace_window", "overwrite"}:
            raise Misuse(
                f"`write.mode: {self.write.mode}` names its documents itself, so that none takes another "
                "one's place: take `target.id_column` away."
            )

    def check(self) -> str:
        with self.reached(self._server) as cluster:  # once: who checks waits for no server that is not there
            searches.mappings(cluster, self.index, missing=True)
        with self._opened() as (index, ledger):
            for row in ledger.others({"bool": {"must_not": {"term": {"scope": self._scope}}}}):
                if loads.overlap(self._scope, row.scope):
                    raise self._overlapping(row)
            for row in ledger.others({"term": {"scope": self._scope}}):  # whosever it is
                ledger.require_only(row.name)
            ledger.require_one_key()
            there = index.writable()
        return f"{self._server.shown}: index {self.index} {'takes documents' if there else 'will be made'}"

    def count(self, window: Window) -> int | None:
        if not self._replaces:
            return None
        with self._opened() as (index, _):
            return index.count(index.within(window)) if index.properties else 0

    def load(self, lock: Lock, staged: Staged) -> Loaded:
        with self._opened() as (index, ledger):
            index.matched(staged.schema, self.id_column)
            meeting = Meeting.of(index, self.write, self._scope, staged) if self.write.merges else None
            held = self._held(ledger, lock)
            if held.row.loaded and self._done(held.row, lock, staged):
                return held.row.loaded
            rows = judged(staged, lock.window, index)
            index.make()
            if meeting:
                changes = meeting.merge(lambda: ledger.still(lock))
            else:
                changes = self._replacing(index, ledger, lock).put(self.write.mode, staged, rows, held)
            return replace(ledger.note(lock, held, rows, staged.manifest.digest), changes=changes)

    def loaded(self, lock: Lock) -> Loaded | None:
        with self._opened() as (_, ledger):
            seen = ledger.seen(lock)
            return seen.row.loaded if seen else None

    def clear(self, lock: Lock) -> None:
        if not self._replaces:
            raise Misuse(
                f"Index {self.index} is written by {self.write.mode}: which rows a window brought is not "
                "known any more."
            )
        with self._opened() as (index, ledger):
            held = self._held(ledger, lock)
            if index.properties:
                within = index.within(lock.window)
                self._replacing(index, ledger, lock).delete(within, lambda _name, _version: True)
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

    def _replacing(self, index: Index, ledger: loads.Ledger, lock: Lock) -> Replacing:
        return Replacing(index, ledger, lock, Ids.of(lock, self._scope, self.id_column))

    def _done(self, row: loads.Row, lock: Lock, staged: Staged) -> bool:
        """Whether the earlier load was of these very rows; `BadData` where an append would double others."""
        same = row.digest == staged.manifest.digest
        if self.write.mode != "append":
            return same and row.epoch == lock.epoch
        if not same:
            raise BadData(
                f"Window {lock.window} of index {self.index} was appended under epoch {row.epoch} already "
                f"({row.rows} rows): a second load would double them. Use `replace_window`, or `pipeline "
                "skip` the window."
            )
        return same

    @contextmanager
    def _opened(self) -> Iterator[tuple[Index, loads.Ledger]]:
        with self.reached(self._server) as reached:
            cluster = Patient(reached)
            known = searches.mappings(cluster, self.index, missing=True)
            properties = replaceable(known, f"index {self.index}") if known else None
            if self.write.buries:
                graves.require_hidden(cluster, self.index, properties)
            how = (self.scope, properties, self.contract, self.write.buries)
            ledger = loads.Ledger(cluster, self.ledger, self.index, self._scope, self.write)
            yield Index(cluster, self.index, self.time_field, *how), ledger

    @property
    def _replaces(self) -> bool:
        """Whether the documents of a window can be told from those of others."""
        return not self.write.merges and self.write.mode != "append"

    @property
    def _server(self) -> Server:
        names = {each.name for each in fields(Server)} & {each.name for each in fields(self)}
        known = {name: getattr(self, name) for name in names}
        return Server(f"index {self.index}", **known, part="target")

    @property
    def _scope(self) -> str:
        return json.dumps(dict(self.scope), sort_keys=True, ensure_ascii=False) if self.scope else ""
