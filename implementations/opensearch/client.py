"""OpenSearch's own client, as `_search` wants it."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import msgspec

from implementations._search.server import Server

if TYPE_CHECKING:
    from opensearchpy import OpenSearch
    from opensearchpy.serializer import Serializer


@dataclass(frozen=True, slots=True)
class OpenSearchCluster:
    """See `_search.server.Cluster`. `_shard_doc` alone comes again in every index of a point in time."""

    server: Server
    client: "OpenSearch"

    @property
    def order(self) -> list[str]:
        return ["_shard_doc", "_index"]

    @property
    def slice_rows(self) -> None:
        # Slices finer than shards are cut by _id, and each reads all the ids of its shard.
        return None

    def ask(self, method: str, path: str, body: Any = None, **parameters: Any) -> Any:
        from opensearchpy.exceptions import ConnectionError as Unreachable
        from opensearchpy.exceptions import TransportError

        lines = isinstance(body, bytes)
        headers = {"content-type": f"application/{'x-ndjson' if lines else 'json'}"}
        sent = body if lines or body is None else msgspec.json.encode(body)
        try:
            return self.client.transport.perform_request(method, path, parameters, sent, headers=headers)
        except Unreachable as error:
            raise self.server.unreachable(str(error.error)) from error
        except TransportError as error:
            raise self.server.told(int(error.status_code), error.info) from error

    def remember(self, index: str, keep_alive: str) -> str:
        path = f"/{quote(index, safe=',*')}/_search/point_in_time"
        return str(msgspec.json.decode(self.ask("POST", path, keep_alive=keep_alive))["pit_id"])

    def forget(self, point: str) -> None:
        self.ask("DELETE", "/_search/point_in_time", {"pit_id": [point]})


@contextmanager
def connected(server: Server, connections: int) -> Iterator[OpenSearchCluster]:
    """A cluster behind so many connections."""
    from opensearchpy import OpenSearch

    with server.named_well():
        client = OpenSearch(
            server.nodes,
            http_auth=server.login,
            serializers={"application/json": _as_it_came()},
            timeout=server.timeout_seconds,
            max_retries=0,
            pool_maxsize=connections,
            **server.tls,
        )
    try:
        yield OpenSearchCluster(server, client)
    finally:
        client.close()


def _as_it_came() -> "Serializer":
    """A serializer that leaves answers as bytes: they are decoded by what is known of their documents."""
    from opensearchpy.serializer import JSONSerializer

    class AsItCame(JSONSerializer):
        def loads(self, s: str) -> Any:
            return s.encode("utf-8", "surrogatepass")  # as the client decoded them

    return AsItCame()
