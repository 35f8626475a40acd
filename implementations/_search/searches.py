"""Questions to a cluster: what is in the index, how much of it, and pages of it."""

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

import msgspec

from implementations._search.answers import Page, Refused
from implementations._search.patience import again
from implementations._search.server import Busy, Cluster, Missing

# Rather fail than leave shards out; text, as it also stands in addresses.
WHOLE = {"allow_partial_search_results": "false"}


def path_of(index: str) -> str:
    """An index, alias, pattern or list of them in an address."""
    return "/" + quote(index, safe=",*")


def mappings(cluster: Cluster, index: str, *, missing: bool = False) -> dict[str, Any]:
    """The mapping of each index behind a name; none where it is allowed to be `missing`."""
    try:
        answer = cluster.ask("GET", f"{path_of(index)}/_mapping")
    except Missing:  # `ignore_unavailable` would also take what may not be seen for missing
        if not missing:
            raise
        return {}
    found: dict[str, Any] = msgspec.json.decode(answer)
    return found


def counts(
    cluster: Cluster, queries: Sequence[Mapping[str, Any]], index: str = "", point: str | None = None
) -> list[int]:
    """How many documents match each query, all asked at once: of an index, or at a point in time."""
    body = {"pit": {"id": point}} if point else {}
    asked = [{**body, "query": query, "size": 0, "track_total_hits": True} for query in queries]
    sent = b"".join(msgspec.json.encode(line) + b"\n" for each in asked for line in (WHOLE, each))
    answer = cluster.ask("POST", f"{path_of(index)}/_msearch" if index else "/_msearch", sent)
    return [_total(cluster, each) for each in msgspec.json.decode(answer, type=_Answers).responses]


class Present(msgspec.Struct):
    """A document asked for by its id, as it is at this moment; `at` is what a change of it has to show."""

    id: str = msgspec.field(name="_id")
    found: bool = False
    source: msgspec.Raw = msgspec.field(name="_source", default_factory=lambda: msgspec.Raw(b"{}"))
    seq_no: int = msgspec.field(name="_seq_no", default=0)
    primary_term: int = msgspec.field(name="_primary_term", default=0)
    error: Any = None

    @property
    def at(self) -> dict[str, int]:
        return {"if_seq_no": self.seq_no, "if_primary_term": self.primary_term}


class _Documents(msgspec.Struct):
    docs: list[Present]


def present(cluster: Cluster, index: str, asked: Sequence[Mapping[str, Any]]) -> dict[str, Present]:
    """Documents by id, those that are there, once every one can be told; in a missing index none is."""
    return again()(_present, cluster, index, asked)


def _present(cluster: Cluster, index: str, asked: Sequence[Mapping[str, Any]]) -> dict[str, Present]:
    answer = cluster.ask("POST", f"{path_of(index)}/_mget", {"docs": asked})
    docs = msgspec.json.decode(answer, type=_Documents).docs
    for each in docs:
        if each.error and each.error["type"] != "index_not_found_exception":
            raise Busy(f"{cluster.server.where} cannot say what is there ({each.error['reason']}).")
    return {each.id: each for each in docs if each.found}


class _Answers(msgspec.Struct):
    responses: list[msgspec.Raw]


def _total(cluster: Cluster, answer: msgspec.Raw) -> int:
    if (status := msgspec.json.decode(answer, type=Refused).status) >= 300:
        raise cluster.server.told(status, bytes(answer))
    total = msgspec.json.decode(answer, type=Page[msgspec.Raw]).whole(cluster.server.where).hits.total
    assert total
    return total.value
