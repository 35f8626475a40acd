"""Rows under an `_id` that is always their own, with the epoch as version, beside others or in their place.

An older epoch cannot overwrite what a newer one wrote. Killed in between, a load leaves rows of both epochs;
whoever loads next brings every row anew and deletes the rest.
"""

from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass
from itertools import chain
from typing import Any

from implementations._search import bulk
from implementations._search.documents import Ids, requests
from implementations._search.indices import Index
from implementations._search.loads import Ledger, Seen
from implementations.loading.write_modes import Mode
from pipeline_framework.errors import BadData, Unavailable
from pipeline_framework.interfaces import Lock, Staged


@dataclass(frozen=True, slots=True)
class Replacing:
    """One load of a window, or its end."""

    index: Index
    ledger: Ledger
    lock: Lock
    ids: Ids

    def put(self, mode: Mode, staged: Staged, rows: int, held: Seen) -> dict[str, int]:
        """Write so many rows; which of those that were there they replaced is not known."""
        if mode == "append":
            self._append(staged, rows, held)
        else:
            within = self.index.within(self.lock.window)
            self._replace(staged, rows, within if mode == "replace_window" else self.index.everything())
        return {}

    def delete(self, query: Mapping[str, Any], stale: Callable[[str, int], bool]) -> None:
        """Take out what the query finds and `stale` says so of, by id and version."""
        found = bulk.deletions(self.index.cluster, self.index.name, query, self.lock.epoch, stale)
        with closing(found) as gone:  # else its point in time would outlive the client that can forget it
            bulk.send(self.index.cluster, self.index.name, filter(None, gone), self._still)
        self.index.refresh()

    def _append(self, staged: Staged, rows: int, held: Seen) -> None:
        self._send(staged)
        if held.begun:  # and not completed: of that load's own documents, what goes beyond these
            within = self.index.within(self.lock.window)
            self.delete(within, lambda name, _version: self.ids.left_over(name, rows))

    def _replace(self, staged: Staged, rows: int, query: Mapping[str, Any]) -> None:
        self._send(staged)
        if self.index.count(query) > rows:
            epoch = self.lock.epoch
            self.delete(query, lambda name, version: self.ids.stale(name, version, epoch, rows))
        if (there := self.index.count(query)) != rows:
            self.ledger.still(self.lock)
            raise self._other(rows, there)

    def _send(self, staged: Staged) -> None:
        rows = chain.from_iterable(map(self.index.documents, staged.batches()))
        sent = requests(rows, self.ids, self.lock.epoch)
        bulk.send(self.index.cluster, self.index.name, sent, self._still)
        self.index.refresh()

    def _still(self) -> None:
        self.ledger.still(self.lock)

    def _other(self, rows: int, there: int) -> Exception:
        name, column = self.index.name, self.ids.column
        if column and there < rows:
            return BadData(
                f"{rows} rows of {self.lock.window} are {there} documents of index {name}: some have the "
                f"same {column}. Name a `target.id_column` that is each row's own, or none."
            )
        return Unavailable(
            f"Index {name} has {there} documents where {rows} were loaded for {self.lock.window}: somebody "
            "else writes there; the window is loaded again."
        )
