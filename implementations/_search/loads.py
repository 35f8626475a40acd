"""The ledger as documents in an index of its own: which epoch has a window, and which one loaded it.

There are no transactions: a window is held by a change that fails when anybody else made one since it was
read (`if_seq_no`), and a load is told in the ledger once it is complete. What happens in between is healed by
the next load, see `target`.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any

import msgspec
from msgspec.structs import asdict, replace

from implementations._search import searches
from implementations._search.server import AlreadyThere, Cluster, Conflict
from implementations.loading.write_modes import Write
from implementations.reading.times import microseconds
from pipeline_framework.errors import Fenced, Misuse
from pipeline_framework.interfaces import Loaded, Lock

_TEXTS = ("pipeline_id", "mapping_name", "target", "scope", "owner", "digest", "held_owner", "key")
_NUMBERS = ("window_start", "window_end", "epoch", "rows", "loaded_at", "held_epoch")  # times in microseconds
_KINDS = dict.fromkeys(_TEXTS, "keyword") | dict.fromkeys(_NUMBERS, "long")
_MAPPING = {"dynamic": "strict", "properties": {name: {"type": kind} for name, kind in _KINDS.items()}}


class Row(msgspec.Struct, frozen=True):
    """A window of a target: the load that was completed last, and who holds it since."""

    pipeline_id: str
    mapping_name: str
    target: str
    scope: str
    window_start: int
    window_end: int
    held_epoch: int = 0
    held_owner: str = ""
    epoch: int = 0
    owner: str = ""
    rows: int = 0
    digest: str = ""
    loaded_at: int = 0
    key: str = ""  # the columns whose values name the documents, as JSON; empty where the window names them

    @property
    def loaded(self) -> Loaded | None:
        """What the ledger answers; None for a window that is held and was never loaded."""
        at = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=self.loaded_at)
        return Loaded(self.epoch, self.owner, self.rows, at) if self.epoch else None

    @property
    def name(self) -> str:
        """The document's id."""
        whose = [self.pipeline_id, self.mapping_name, self.target, self.scope]
        key = [*whose, self.window_start, self.window_end]
        return sha256(msgspec.json.encode(key)).hexdigest()


@dataclass(frozen=True, slots=True)
class Seen:
    """A row as it was read, and what a change of it has to show; `begun` where somebody held it before."""

    row: Row
    at: Mapping[str, int]
    begun: bool = False


@dataclass(frozen=True, slots=True)
class Ledger:
    """The ledger of a target's `index` (with `scope`, as text) that is written so, in the index `name`."""

    cluster: Cluster
    name: str
    index: str
    scope: str
    write: Write

    def prepare(self) -> None:
        """Make it where it is missing."""
        if searches.mappings(self.cluster, self.name, missing=True):
            return
        try:
            self.cluster.ask("PUT", searches.path_of(self.name), {"mappings": _MAPPING})
        except AlreadyThere:
            return

    def seen(self, lock: Lock) -> Seen | None:
        """The window's row as it is at this moment."""
        name = self._row(lock).name
        found = searches.present(self.cluster, self.name, [{"_id": name}]).get(name)
        return Seen(msgspec.json.decode(found.source, type=Row), found.at) if found else None

    def hold(self, lock: Lock) -> Seen:
        """The window's row, held for this epoch; `Fenced` for an older one, `Misuse` for time of others."""
        while True:
            seen = self.seen(lock)
            mine = {"held_epoch": lock.epoch, "held_owner": lock.owner, "key": self._key}
            if seen:
                self._fence(lock, seen.row)
            self._require_alone(lock)
            self.require_only(self._row(lock).name)
            self.require_one_key()
            try:
                return self._changed(replace(seen.row if seen else self._row(lock), **mine), seen)
            except Conflict:
                continue

    def still(self, lock: Lock) -> None:
        """`Fenced` where a newer epoch holds the window by now, and see `require_only`."""
        if seen := self.seen(lock):
            self._fence(lock, seen.row)
        # Again: whose documents were found to be deleted, held a window before they were looked for.
        self.require_only(self._row(lock).name)

    def note(self, lock: Lock, held: Seen, rows: int, digest: str) -> Loaded:
        """The window is loaded; `Fenced` where it was taken since it was held."""
        now = microseconds(datetime.now(UTC))
        facts = {"epoch": lock.epoch, "owner": lock.owner, "rows": rows, "digest": digest, "loaded_at": now}
        row = replace(held.row, **facts)
        try:
            self._changed(row, held)
        except Conflict as taken:
            there = self.seen(lock)
            if there is None or there.row != row:  # else it was heard, and its answer was lost
                raise Fenced(f"Window {lock.window} of {self.index} is another run's by now.") from taken
        assert row.loaded
        return row.loaded

    def require_one_key(self) -> None:
        """Raise `Misuse` where documents of the scope are not named by this key, so rows would not meet."""
        mine, same = {"term": {"scope": self.scope}}, {"term": {"key": self._key}}
        if self.write.merges and (others := self.others(mine, {"bool": {"must_not": same}})):
            how = f"`write.key: {others[0].key}`" if others[0].key else "no `write.key`"
            raise Misuse(
                f"Index {self.index} was loaded with {how}, so its documents have other ids than those of "
                f"the key {self._key}, and no row would meet them: name a new `target.index`, or take the "
                "key back."
            )

    def require_only(self, name: str) -> None:
        """Raise `Misuse` where `overwrite` would throw away another window than that of the row `name`.

        One that is held counts too, whoever holds it: it may have written.
        """
        beside = {"bool": {"must_not": {"ids": {"values": [name]}}}}
        for row in self.others(beside) if self.write.mode == "overwrite" else ():
            if overlap(self.scope, row.scope):
                raise Misuse(
                    f"`write.mode: overwrite` would throw away other windows of {self.index}, which belong "
                    f"to pipeline {row.pipeline_id} {row.mapping_name}: it is for an index of one window. "
                    "Use `replace_window`, or give this pipeline a `target.index`, or a `target.scope`, of "
                    "its own."
                )

    def others(self, *conditions: Mapping[str, Any]) -> list[Row]:
        """Rows of this target that meet the conditions, one for each scope."""
        query = {"bool": {"filter": [{"term": {"target": self.index}}, *conditions]}}
        body = {"query": query, "collapse": {"field": "scope"}, "size": 10_000}
        asked = {"ignore_unavailable": "true", **searches.WHOLE}
        answer = self.cluster.ask("POST", f"{searches.path_of(self.name)}/_search", body, **asked)
        hits = msgspec.json.decode(answer)["hits"]["hits"]
        return [msgspec.convert(hit["_source"], Row) for hit in hits]

    def _require_alone(self, lock: Lock) -> None:
        start, end = microseconds(lock.window.start), microseconds(lock.window.end)
        before, after = {"range": {"window_start": {"lt": end}}}, {"range": {"window_end": {"gt": start}}}
        for row in self.others(before, after, {"bool": {"must_not": self._of_pipeline(lock)}}):
            if overlap(self.scope, row.scope):
                raise Misuse(
                    f"Window {lock.window} of {self.index} belongs to pipeline {row.pipeline_id} "
                    f"{row.mapping_name}, which loads it for {row.scope or 'every row'}: give this pipeline "
                    "a `target.index` of its own, or both a `target.scope` that keeps them apart."
                )

    def _of_pipeline(self, lock: Lock) -> dict[str, Any]:
        whose = {"pipeline_id": lock.pipeline_id, "mapping_name": lock.mapping_name}
        return {"bool": {"filter": [{"term": {name: value}} for name, value in whose.items()]}}

    def _fence(self, lock: Lock, row: Row) -> None:
        for epoch, owner in ((row.epoch, row.owner), (row.held_epoch, row.held_owner)):
            if epoch > lock.epoch or (epoch == lock.epoch and owner != lock.owner):
                raise Fenced(
                    f"Window {lock.window} of {self.index} is held under epoch {epoch} by {owner}; epoch "
                    f"{lock.epoch} of {lock.owner} stops."
                )

    def _changed(self, row: Row, seen: Seen | None) -> Seen:
        at = {name: str(shown) for name, shown in seen.at.items()} if seen else {"op_type": "create"}
        answer = self.cluster.ask("PUT", f"/{self.name}/_doc/{row.name}", asdict(row), refresh="true", **at)
        told = msgspec.json.decode(answer, type=searches.Present)
        return Seen(row, told.at, begun=seen is not None)

    @property
    def _key(self) -> str:
        return json.dumps(sorted(self.write.key)) if self.write.merges else ""

    def _row(self, lock: Lock) -> Row:
        start, end = microseconds(lock.window.start), microseconds(lock.window.end)
        return Row(lock.pipeline_id, lock.mapping_name, self.index, self.scope, start, end)


def overlap(one: str, other: str) -> bool:
    """Whether a document may belong to both scopes: no field has different values in them."""
    mine, theirs = (msgspec.json.decode(each) if each else {} for each in (one, other))
    return not any(differ(mine[name], theirs[name]) for name in mine.keys() & theirs.keys())


def differ(one: str | int, other: str | int) -> bool:
    """Whether two values are two in any field: to a number 7 and 07 are one."""
    texts = str(one), str(other)
    numbers = [int(text) for text in texts if text.lstrip("+-").isdecimal()]
    return texts[0] != texts[1] and not (len(numbers) == 2 and numbers[0] == numbers[1])
