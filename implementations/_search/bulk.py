"""Bulk requests: every item of an answer is looked at."""

import logging
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any

import msgspec

from implementations._search.patience import again
from implementations._search.searches import WHOLE, path_of
from implementations._search.server import BUSY, Busy, Cluster
from implementations._search.slices import KEEP_ALIVE
from pipeline_framework.errors import BadData, Fenced, PipelineError

logger = logging.getLogger(__name__)
TOLD = 20  # rejected items that are told of one by one
CONFLICT = 409  # the document is newer than what the request shows


class _Item(msgspec.Struct):
    status: int
    id: str = msgspec.field(name="_id", default="")
    error: Any = None


class _Items(msgspec.Struct):
    errors: bool
    items: list[dict[str, _Item]]


def send(cluster: Cluster, index: str, requests: Iterable[list[bytes]], before: Callable[[], None]) -> None:
    """Send them one after the other, asking `before` each; items of a busy server are sent again.

    Raises `Fenced` where a newer epoch wrote the document, `BadData` for documents that are rejected.
    """
    for lines in requests:
        before()
        rejected = again()(_sent, cluster, index, lines)
        if any(item.status == CONFLICT for item in rejected):
            raise Fenced(
                f"index {index}: a newer epoch wrote documents of this window already; this one stops."
            )
        _judge(index, rejected)


def offer(cluster: Cluster, index: str, lines: list[bytes]) -> set[str]:
    """Send them once; the ids of documents that somebody else changed since they were looked at.

    Raises `BadData` for documents that are rejected for any other reason.
    """
    rejected = again()(_sent, cluster, index, lines)
    _judge(index, [item for item in rejected if item.status != CONFLICT])
    return {item.id for item in rejected}


def _sent(cluster: Cluster, index: str, lines: list[bytes]) -> list[_Item]:
    answer = cluster.ask("POST", f"{path_of(index)}/_bulk", b"".join(lines))
    told = msgspec.json.decode(answer, type=_Items)
    items = [item for each in told.items for item in each.values()] if told.errors else []
    # A document that was to go and is gone already has a status, and no error.
    failed = {place: item for place, item in enumerate(items) if item.error is not None}
    for item in failed.values():
        if _of_the_index(item):
            raise cluster.server.told(item.status, {"error": _error(item)})
    if any(item.status in BUSY for item in failed.values()):
        lines[:] = [lines[place] for place in failed]  # what is rejected is rejected again
        raise Busy(f"index {index}: {len(failed)} documents were refused for the moment.")
    return list(failed.values())


def _of_the_index(item: _Item) -> bool:
    """Whether it is not the document that is refused, but every one: no right, a block, a closed index."""
    return item.status in {401, 403} or _error(item).get("type") == "index_closed_exception"


def _judge(index: str, rejected: Sequence[_Item]) -> None:
    for item in rejected[:TOLD]:
        logger.error("index %s: the document %s was rejected: %s", index, item.id, _why(item))
    if rejected:
        raise BadData(
            f"index {index} rejected {len(rejected)} documents, the first, _id {rejected[0].id}, because "
            f"{_why(rejected[0])}: correct the rows, or the mapping. The window is loaded in parts."
        )


def _why(item: _Item) -> str:
    error = _error(item)
    cause = error.get("caused_by") or {}
    return " ".join(f"{error.get('reason')} {cause.get('reason', '')}".split())


def _error(item: _Item) -> dict[str, Any]:
    return item.error if isinstance(item.error, dict) else {"reason": item.error}


class _Found(msgspec.Struct):
    id: str = msgspec.field(name="_id")
    index: str = msgspec.field(name="_index")
    version: int = msgspec.field(name="_version")
    sort: list[Any]


class _FoundHits(msgspec.Struct):
    hits: list[_Found]


class _FoundPage(msgspec.Struct):
    hits: _FoundHits
    pit_id: str | None = None


def deletions(
    cluster: Cluster, index: str, query: Mapping[str, Any], epoch: int, stale: Callable[[str, int], bool]
) -> Generator[list[bytes]]:
    """Requests that delete, with the epoch as version, what a query finds and `stale` says so of."""
    point, behind = cluster.remember(index, KEEP_ALIVE), list[Any]()
    try:
        while True:
            page = _page(cluster, point, query, behind)
            point, hits = page.pit_id or point, page.hits.hits  # the server may name it anew with every page
            if not hits:
                return
            # In its own words, as an index behind an alias has a name of its own.
            yield [_deletion(hit, epoch) for hit in hits if stale(hit.id, hit.version)]
            behind = hits[-1].sort
    finally:
        with suppress(PipelineError):
            cluster.forget(point)


def _page(cluster: Cluster, point: str, query: Mapping[str, Any], behind: list[Any]) -> _FoundPage:
    how = {
        "sort": cluster.order,
        "size": 10_000,
        "version": True,
        "_source": False,
        "track_total_hits": False,
    }
    after = {"search_after": behind} if behind else {}
    body = {"pit": {"id": point, "keep_alive": KEEP_ALIVE}, "query": query, **how, **after}
    return msgspec.json.decode(cluster.ask("POST", "/_search", body, **WHOLE), type=_FoundPage)


def _deletion(hit: _Found, epoch: int) -> bytes:
    how = {
        "_index": hit.index,
        "_id": hit.id,
        "version": max(epoch, hit.version),
        "version_type": "external_gte",
    }
    return msgspec.json.encode({"delete": how}) + b"\n"
