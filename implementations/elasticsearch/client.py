"""Elasticsearch's own client, as `_search` wants it."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import msgspec
from pydantic import SecretStr

from implementations._search.server import Server

if TYPE_CHECKING:
    from elastic_transport import Serializer

    from elasticsearch import Elasticsearch

_JSON_KINDS = ("application/json", "application/vnd.elasticsearch+json")


@dataclass(frozen=True, slots=True)
class ElasticsearchCluster:
    """See `server.Cluster`. `_shard_doc` is the place of a document among all shards of a point in time."""

    server: Server
    client: "Elasticsearch"

    @property
    def order(self) -> list[str]:
        return ["_shard_doc"]

    @property
    def slice_rows(self) -> int:
        # Every page passes over what its slice has before it: of 10 million documents, 80 slices took a
        # third of the server's processor time that 2 took.
        return 125_000

    def ask(self, method: str, path: str, body: Any = None, **parameters: Any) -> Any:
        from elastic_transport import TransportError

        from elasticsearch import ApiError, UnsupportedProductError

        lines = "x-ndjson" if isinstance(body, bytes) else "json"
        headers = {"accept": "application/json", "content-type": f"application/{lines}"}
        try:
            return self.client.perform_request(
                method, path, params=parameters, headers=headers, body=body
            ).body
        except UnsupportedProductError as error:
            raise self.server.stranger("Elasticsearch") from error
        except ApiError as error:
            raise self.server.told(error.meta.status, error.body) from error
        except TransportError as error:
            raise self.server.unreachable(str(error.message)) from error

    def remember(self, index: str, keep_alive: str) -> str:
        opened = self.ask("POST", f"/{quote(index, safe=',*')}/_pit", keep_alive=keep_alive)
        return str(msgspec.json.decode(opened)["id"])

    def forget(self, point: str) -> None:
        self.ask("DELETE", "/_pit", {"id": point})


@contextmanager
def connected(server: Server, connections: int) -> Iterator[ElasticsearchCluster]:
    """A cluster behind so many connections."""
    from elasticsearch import Elasticsearch

    with server.named_well():
        client = Elasticsearch(
            server.nodes,
            api_key=_key(server.api_key),
            basic_auth=server.login,
            serializers={kind: _as_it_came(kind) for kind in _JSON_KINDS},
            request_timeout=server.timeout_seconds,
            max_retries=0,
            connections_per_node=connections,
            **server.tls,
        )
    with client:
        yield ElasticsearchCluster(server, client)


def _key(given: SecretStr | None) -> str | tuple[str, str] | None:
    """A key in one piece, or id and key, which have a colon between them: base64 has none."""
    identity, _, key = given.get_secret_value().rpartition(":") if given else ("", "", None)
    return (identity, key) if identity and key else key


def _as_it_came(kind: str) -> "Serializer":
    """A serializer that leaves answers as bytes: they are decoded by what is known of their documents."""
    from elastic_transport import JsonSerializer

    class AsItCame(JsonSerializer):
        mimetype = kind

        def loads(self, data: bytes) -> Any:
            return data

    return AsItCame()
