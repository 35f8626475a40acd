"""Documents at one point in time: streams side by side, each slice after slice, page by page."""

import logging
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from itertools import chain
from math import ceil
from typing import Any

import msgspec
import pyarrow as pa
from tenacity import RetryCallState

from implementations._search.answers import Hit, Named, Page, edges
from implementations._search.patience import again
from implementations._search.searches import WHOLE
from implementations._search.server import Cluster
from implementations.reading.documents import Documents
from implementations.reading.paging import merged
from pipeline_framework.errors import BadData, PipelineError
from pipeline_framework.interfaces import Tally

logger = logging.getLogger(__name__)
KEEP_ALIVE = "5m"  # of a point in time; every page renews it
SMALLEST_PAGE = 50  # documents
MOST_SLICES = 1000  # an index allows 1,024 unless `index.max_slices_per_pit` says otherwise


@dataclass(slots=True)
class Stream:
    """Pages of slices, one after the other; see `answers`.

    `point` is the newest name that the point in time was given: the server may change it with every page.
    """

    cluster: Cluster
    query: Mapping[str, Any]
    point: str
    size: int
    slices: Sequence[Mapping[str, Any]] = ()

    def answers(self) -> Iterator[bytes]:
        """Pages as they came; the next is asked for while others look into the last."""
        return chain.from_iterable(map(self._answers, self.slices))

    def _answers(self, part: Mapping[str, Any]) -> Iterator[bytes]:
        where, behind = self.cluster.server.where, list[Any]()
        while True:
            answer = again(self._ask_less)(self._asked, part, behind)
            point, place = edges(answer, where)
            self.point = point or self.point
            yield answer
            if place is None:
                return
            behind = place

    def _ask_less(self, state: RetryCallState) -> None:
        """A server that is busy is asked for less, after a while."""
        self.size = min(self.size, max(SMALLEST_PAGE, self.size // 2))
        why, seconds = state.outcome and state.outcome.exception(), state.upcoming_sleep
        logger.warning("%s; %s documents are asked for in %.1f s", why, self.size, seconds)

    def _asked(self, part: Mapping[str, Any], behind: list[Any]) -> bytes:
        # By shard and place in it: 2.7 times as fast as by time.
        after = {"search_after": behind} if behind else {}
        pit = {"id": self.point, "keep_alive": KEEP_ALIVE}
        body = {"pit": pit, "query": self.query, "sort": self.cluster.order, "track_total_hits": False}
        found: bytes = self.cluster.ask(
            "POST", "/_search", {**body, **part, **after, "size": self.size}, **WHOLE
        )
        return found


class Pages:
    """Turns pages into batches; documents that do not fit are put aside.

    `where` names their index in messages; `id_column` is a column for their ids, where one is wanted.
    """

    def __init__(self, documents: Documents, tally: Tally, where: str, id_column: str | None) -> None:
        self._documents, self._tally, self._where, self._id_column = documents, tally, where, id_column
        hit: Any = Named if id_column else Hit
        self._pages: msgspec.json.Decoder[Page[Any]] = msgspec.json.Decoder(Page[hit[documents.struct]])

    def batch(self, answer: bytes) -> pa.RecordBatch:
        """The documents of a page."""
        try:
            hits = self._pages.decode(answer).whole(self._where).hits.hits
            return self._named(self._documents.batch([hit.source for hit in hits]), hits)
        except (ValueError, BadData):  # some document does not fit
            return self._with_care(answer)

    def _with_care(self, answer: bytes) -> pa.RecordBatch:
        page = msgspec.json.decode(answer, type=Page[Named[msgspec.Raw]])
        hits = page.whole(self._where).hits.hits
        batch, rejected = self._documents.one_by_one([hit.source for hit in hits])
        for place, bad in rejected.items():
            self._tally.put_aside(bad.document, bad.reason, f"{self._where}, _id {hits[place].id}")
        return self._named(batch, [hit for place, hit in enumerate(hits) if place not in rejected])

    def _named(self, batch: pa.RecordBatch, hits: Sequence[Any]) -> pa.RecordBatch:
        if not self._id_column:
            return batch
        return batch.append_column(self._id_column, pa.array([hit.id for hit in hits], pa.string()))


def read(streams: Sequence[Stream], pages: Pages) -> Generator[pa.RecordBatch]:
    """The batches of all streams as they come.

    One thread decodes for all: it holds the interpreter, and another would only wait for it.
    """
    with closing(merged([each.answers() for each in streams], ahead=1)) as answers:
        batches = filter(len, map(pages.batch, answers))
        yield from merged([batches], ahead=1)


@contextmanager
def let_go(streams: Sequence[Stream]) -> Iterator[None]:
    """Forget their point in time at the end of the block, under every name that it got."""
    try:
        yield
    finally:
        for each in {each.point: each for each in streams}.values():
            with suppress(PipelineError):
                each.cluster.forget(each.point)


def dealt(streams: int, rows: int, cluster: Cluster) -> list[list[dict[str, Any]]]:
    """For each stream its slices of a search that finds so many rows: as fine as the cluster likes them."""
    number = max(streams, min(MOST_SLICES, ceil(rows / cluster.slice_rows) if cluster.slice_rows else 1))
    slices = [{"slice": {"id": each, "max": number}} for each in range(number)] if number > 1 else [{}]
    return [slices[stream::streams] for stream in range(streams)]
